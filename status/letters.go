package status

import (
	"context"
	"strconv"
	"strings"

	"github.com/catalog-courier/catalog-courier/status/internal/query"
)

// What became of a dead letter, as far as it says what to do about its change.
const (
	letterReplayed  = "replayed"
	letterDismissed = "dismissed"
	letterResolved  = "resolved"
)

// linkLetters names the dead letters of changes that failed, and takes back what is to be
// done where somebody did something about the letter: changes is how many there are, at gives
// one of them.
func (r *Reader) linkLetters(ctx context.Context, changes int, at func(i int) *Mutation) error {
	type key struct {
		at            point
		account, item string
		mutation      string
	}
	failed := map[key]*Mutation{}
	var asked query.LettersAtParams
	for i := range changes {
		m := at(i)
		if m.Status != Failed && m.Status != Unconfirmed && m.Status != Invalid {
			continue
		}
		place, err := m.Place.parse()
		if err != nil {
			return err
		}
		failed[key{place, m.Account, m.ItemID, m.ID}] = m
		asked.Sequences, asked.Lines = append(asked.Sequences, place.sequence), append(asked.Lines, place.line)
	}
	if len(asked.Sequences) == 0 {
		return nil
	}
	// A few of one place, of former histories of the stream.
	asked.Lim = int32(16 * len(asked.Sequences)) //nolint:gosec // a page
	rows, err := r.query.LettersAt(ctx, asked)
	if err != nil {
		return read("the dead letters of the changes", err)
	}
	for i := range rows {
		row := &rows[i]
		if m := failed[key{point{row.StreamGeneration, row.StreamSequence, row.StreamLine}, row.Account, row.ItemID, row.MutationID}]; m != nil {
			m.DeadLetterID, m.DeadLetterState = row.ID, row.State
			if strings.HasSuffix(m.NextStep, editLetter) {
				m.NextStep += " " + strconv.FormatInt(row.ID, 10)
			}
			switch row.State {
			case letterReplayed:
				m.NextStep = "its dead letter was replayed: what was published in its place is a change of its own"
				if row.ReplacedBy != "" {
					m.NextStep = "its dead letter was edited: mutation " + row.ReplacedBy + " was published in its place"
				}
			case letterDismissed:
				m.NextStep = "nothing: somebody dismissed its dead letter"
			case letterResolved:
				m.NextStep = "nothing: a later change of the item succeeded"
			}
		}
	}
	return nil
}
