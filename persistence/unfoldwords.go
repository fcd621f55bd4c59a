package persistence

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// refusing reports that a mutation ended with a dead letter, and must say why.
func refusing(status ledger.OutcomeStatus) bool {
	return status == ledger.OutcomeFailed || status == ledger.OutcomeUnconfirmed || status == ledger.OutcomeInvalid
}

// issuesOf reads an errors or warnings column.
func issuesOf(column []byte) ([]ledger.Issue, error) {
	if column == nil {
		return nil, nil
	}
	var issues []ledger.Issue // below: what is decoded into is allocated where it is declared
	if err := json.Unmarshal(column, &issues); err != nil {
		return nil, fmt.Errorf("reading what was recorded of a mutation: %w", err)
	}
	return issues, nil
}

// addException says what the platform said of the outcome's record.
func addException(o *ledger.Outcome, x *query.CourierRecordOutcome) error {
	warnings, err := issuesOf(x.Warnings)
	if err != nil {
		return err
	}
	o.Warnings = append(o.Warnings, warnings...)
	if refusing(o.Status) {
		o.Errors, err = issuesOf(x.Errors)
	}
	return err
}

// addLetters adds the reasons of dead letters, and their words where the platform had
// none, as the mutation_status view does.
func (u *unfolding) addLetters(ctx context.Context, all []ledger.Outcome) error {
	var params query.LettersAtParams
	asked := map[[2]int64]bool{} // a place may be of several generations
	for i := range all {
		p := all[i].Position
		if at := [2]int64{int64(p.Sequence), int64(p.Line)}; refusing(all[i].Status) && !asked[at] { //nolint:gosec // a stream's sequence fits
			asked[at] = true
			params.Sequences, params.Lines = append(params.Sequences, at[0]), append(params.Lines, lineOf(p))
		}
	}
	if len(params.Sequences) == 0 {
		return nil
	}
	letters, err := u.query.LettersAt(ctx, params)
	if err != nil {
		return fmt.Errorf("reading the dead letters: %w", err)
	}
	type place struct {
		lane catalog.Lane
		at   catalog.Position
	}
	newest := make(map[place]*query.LettersAtRow, len(letters))
	for i := range letters {
		l := &letters[i]
		newest[place{u.lanes[l.Lane], placeAt(l.Generation, l.Sequence, l.Line)}] = l
	}
	for i := range all {
		o := &all[i]
		if !refusing(o.Status) {
			continue
		}
		letter := newest[place{o.Lane, o.Position}]
		if err := addLetter(o, letter); err != nil {
			return err
		}
	}
	return nil
}

// addLetter takes over what a dead letter says; nil when it was deleted.
func addLetter(o *ledger.Outcome, letter *query.LettersAtRow) error {
	if letter == nil {
		if !hasWords(o.Errors) {
			o.Errors = append(o.Errors, ledger.Issue{Message: wordsWithoutLetter(o.Status)})
		}
		return nil
	}
	o.Reason = catalog.Reason(letter.Reason)
	if o.Status == ledger.OutcomeInvalid {
		o.FinishedAt = letter.FailedAt.UTC()
		issues, err := issuesOf(letter.Errors)
		if err != nil {
			return err
		}
		o.Errors = issues
		if len(issues) > 0 {
			return nil
		}
	}
	if !hasWords(o.Errors) {
		said := ledger.Issue{Code: letter.Reason, Message: letter.Text}
		if letter.Field != nil {
			said.Attribute = *letter.Field
		}
		o.Errors = append(o.Errors, said)
	}
	return nil
}

func hasWords(issues []ledger.Issue) bool {
	for _, issue := range issues {
		if issue.Message != "" {
			return true
		}
	}
	return false
}

// wordsWithoutLetter are those of the mutation_status view.
func wordsWithoutLetter(status ledger.OutcomeStatus) string {
	switch status {
	case ledger.OutcomeInvalid:
		return "the change was refused before it was sent; its dead letter, which said why, was deleted"
	case ledger.OutcomeUnconfirmed:
		return "the platform never said what became of the item, and all attempts are used up"
	case ledger.OutcomeFailed, ledger.OutcomeSucceeded, ledger.OutcomeSuperseded:
	}
	return "the platform refused the item without saying why"
}
