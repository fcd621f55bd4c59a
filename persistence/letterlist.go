package persistence

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

const (
	// MaxCountedLetters is where counting dead letters ends: more of them are as many.
	MaxCountedLetters = 10_000
	// groupedLetters are how many of the newest letters are grouped, and maxGroups how many
	// groups there are.
	groupedLetters = 100_000
	maxGroups      = 1000
	// listRounds bounds how often a list is filled up where letters are resolved already.
	listRounds = 20
)

// NewestDeadLetters lists dead letters, newest first; before continues a list below this
// id, 0 begins one. Those whose item had a newer success are resolved here, also where
// that was not noted yet, a few seconds after it: the page's letters are looked up. next is the
// before of the next page, 0 where there is none; behind messages it may be an empty one.
func (s *Store) NewestDeadLetters(ctx context.Context, filter DeadLetterFilter, before int64) (letters []DeadLetter, next int64, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	wanted := int(filter.limit())
	for range listRounds {
		page, err := s.newestPage(ctx, &filter, before)
		if err != nil {
			return nil, 0, err
		}
		if len(page) == 0 {
			return letters, 0, nil
		}
		before = page[len(page)-1].ID
		if err := s.noteResolved(ctx, page); err != nil {
			return nil, 0, err
		}
		for i := range page {
			if filter.openOnly() && page[i].State != LetterOpen {
				continue
			}
			if letters = append(letters, page[i]); len(letters) == wanted {
				return letters, page[i].ID, nil
			}
		}
		if filter.WithoutMessage && len(page) < wanted {
			return letters, 0, nil
		}
		if len(letters) > 0 && !filter.WithoutMessage { // a page of messages is bounded in bytes
			break
		}
	}
	return letters, before, nil
}

func (s *Store) newestPage(ctx context.Context, filter *DeadLetterFilter, before int64) ([]DeadLetter, error) {
	c := filter.conditions()
	rows, err := s.query.NewestDeadLetters(ctx, query.NewestDeadLettersParams{
		BeforeID: cmp.Or(before, math.MaxInt64), Ids: c.Ids, Account: c.Account, Catalog: c.Catalog,
		CatalogType: c.CatalogType, Reason: c.Reason, Attribute: c.Attribute, ItemID: c.ItemID, MutationID: c.MutationID,
		FailedSince: c.FailedSince, FailedBefore: c.FailedBefore, OpenOnly: c.OpenOnly, States: c.States, Lim: filter.limit(),
		Whole: !filter.WithoutMessage, MaxBytes: cmp.Or(filter.MaxBytes, maxPageBytes),
	})
	if err != nil {
		return nil, fmt.Errorf("listing dead letters: %w", err)
	}
	letters := make([]DeadLetter, len(rows))
	for i := range rows {
		row := query.DeadLettersRow(rows[i])
		letters[i] = deadLetter(&row)
	}
	return letters, nil
}

// noteResolved sets the state of open letters whose item had a newer success.
func (s *Store) noteResolved(ctx context.Context, letters []DeadLetter) error {
	var open []int64
	for i := range letters {
		if letters[i].State == LetterOpen {
			open = append(open, letters[i].ID)
		}
	}
	if len(open) == 0 {
		return nil
	}
	resolved, err := s.query.ResolvedLetters(ctx, open)
	if err != nil {
		return fmt.Errorf("looking for newer successes: %w", err)
	}
	for i := range letters {
		if slices.Contains(resolved, letters[i].ID) {
			letters[i].State = LetterResolved
		}
	}
	return nil
}

// CountDeadLetters counts the letters that the filter chooses, up to MaxCountedLetters: that
// number means as many or more. Letters that are resolved and not noted yet count as open.
func (s *Store) CountDeadLetters(ctx context.Context, filter DeadLetterFilter) (int64, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	params := filter.conditions()
	params.Lim = MaxCountedLetters
	count, err := s.query.CountMatchingDeadLetters(ctx, params)
	if err != nil {
		return 0, fmt.Errorf("counting dead letters: %w", err)
	}
	return count, nil
}

// LetterGroup is what several dead letters have in common. Fields that they are not grouped
// by are empty.
type LetterGroup struct {
	Account   string
	Reason    catalog.Reason
	Platform  string // only with Attribute: of whom the code may be
	Code      string // the platform's own, or a reason
	Attribute string
	Letters   int64
	Items     int64 // different ones
	Oldest    time.Time
	Newest    time.Time
	NewestID  int64 // an example
}

// LetterGrouping says what letters are grouped by. Attribute groups by the code and the
// attribute of each of a letter's errors, so that a letter may count in several groups.
type LetterGrouping struct{ Account, Reason, Attribute bool }

// GroupDeadLetters groups the newest 100,000 letters that the filter chooses; the largest
// groups come first, at most 1000.
func (s *Store) GroupDeadLetters(ctx context.Context, filter DeadLetterFilter, by LetterGrouping) ([]LetterGroup, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	c := filter.conditions()
	rows, err := s.query.GroupDeadLetters(ctx, query.GroupDeadLettersParams{
		ByAccount: by.Account, ByReason: by.Reason, ByAttribute: by.Attribute, Lim: groupedLetters, Groups: maxGroups,
		Ids: c.Ids, Account: c.Account, Catalog: c.Catalog, CatalogType: c.CatalogType, Reason: c.Reason, Attribute: c.Attribute,
		ItemID: c.ItemID, MutationID: c.MutationID, FailedSince: c.FailedSince, FailedBefore: c.FailedBefore,
		OpenOnly: c.OpenOnly, States: c.States,
	})
	if err != nil {
		return nil, fmt.Errorf("grouping dead letters: %w", err)
	}
	groups := make([]LetterGroup, len(rows))
	for i, row := range rows {
		groups[i] = LetterGroup{
			Account: row.Account, Reason: catalog.Reason(row.Reason), Platform: row.Platform, Code: row.Code, Attribute: row.Attribute,
			Letters: row.Letters, Items: row.Items, Oldest: row.Oldest, Newest: row.Newest, NewestID: row.NewestID,
		}
	}
	return groups, nil
}

// UnknownDeadLetters are those of the ids that there are no dead letters of.
func (s *Store) UnknownDeadLetters(ctx context.Context, ids []int64) (unknown []int64, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	known, err := s.query.ExistingDeadLetters(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("looking for dead letters: %w", err)
	}
	for _, id := range ids {
		if !slices.Contains(known, id) {
			unknown = append(unknown, id)
		}
	}
	return unknown, nil
}

// DismissDeadLetters takes letters from the list of those that are open, all or none, and
// returns the ids of those that were neither replayed nor dismissed before. An item whose
// newest change is one of theirs is no issue any more, until a later change of it fails.
func (s *Store) DismissDeadLetters(ctx context.Context, ids []int64, by, reason string) (dismissed []int64, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	by, reason = clean(by), clean(reason)
	err = s.inTransaction(ctx, func(q *query.Queries) error {
		if dismissed, err = q.DismissDeadLetters(ctx, query.DismissDeadLettersParams{Ids: ids, By: &by, Reason: cleanOrNull(reason)}); err != nil {
			return err
		}
		return q.EndIssues(ctx, dismissed) // sees what the index wrote before the letters were free
	})
	if err != nil {
		return nil, fmt.Errorf("dismissing dead letters: %w", err)
	}
	return dismissed, nil
}

// ResolveDeadLetters notes of at most limit open letters below before, newest first, which
// are resolved: a newer change of their item succeeded. before 0 begins at the newest. next
// is where to go on, 0 at the end.
func (s *Store) ResolveDeadLetters(ctx context.Context, before int64, limit int) (resolved, next int64, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	open, err := s.query.OpenDeadLettersBefore(ctx, query.OpenDeadLettersBeforeParams{
		BeforeID: cmp.Or(before, math.MaxInt64), Lim: int32(min(max(limit, 1), maxPage)),
	})
	if err != nil || len(open) == 0 {
		return 0, 0, resolvingError(err)
	}
	ids, err := s.query.ResolvedLetters(ctx, open)
	if err != nil {
		return 0, 0, resolvingError(err)
	}
	if len(ids) > 0 {
		if resolved, err = s.query.ResolveDeadLetters(ctx, ids); err != nil {
			return 0, 0, resolvingError(err)
		}
	}
	if len(open) < limit {
		return resolved, 0, nil
	}
	return resolved, open[len(open)-1], nil
}

func resolvingError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("looking for dead letters that are resolved: %w", err)
}
