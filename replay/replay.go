// Package replay does what can be done about dead letters: publish them again, publish a
// corrected message in place of one, and dismiss them. The command and the console do it
// with the same code.
package replay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/reason"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/publish"
)

const (
	// page is how many dead letters are read, published and marked at once: fewer where
	// their messages are large.
	page = publish.MaxBatch
	// previewPage is how many are looked at together when nothing is published.
	previewPage = 1000
)

// Options are what a Replayer needs.
type Options struct {
	Store *persistence.Store
	// Publisher is not needed for Preview and Dismiss. It goes to the stream that the
	// database knows: see CheckStream.
	Publisher *publish.Publisher
	// Installation is persistence.Store.StreamIdentity's: ids of repeats are made from it.
	Installation string
	// By is who replays, for the record; at most 200 characters are useful.
	By string
	// Force publishes letters whose items have newer changes as well: an old state may come
	// back.
	Force bool
}

// Replayer acts on dead letters. It is safe for concurrent use, also in many processes.
type Replayer struct{ Options }

// New makes a Replayer.
func New(options Options) *Replayer { return &Replayer{options} }

// UnknownError says that there are no dead letters with these ids. Nothing was done.
type UnknownError struct{ IDs []int64 }

func (e *UnknownError) Error() string {
	ids := make([]string, len(e.IDs))
	for i, id := range e.IDs {
		ids[i] = strconv.FormatInt(id, 10)
	}
	return strings.Join(ids, ", ") + ": no such dead letter"
}

// Known returns an UnknownError where there is no dead letter of one of the ids.
func (r *Replayer) Known(ctx context.Context, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	unknown, err := r.Store.UnknownDeadLetters(ctx, ids)
	if err == nil && len(unknown) > 0 {
		err = &UnknownError{IDs: unknown}
	}
	return err
}

// Preview is what a replay would meet. Numbers are of the letters looked at.
type Preview struct {
	// Letters are those that the filter chooses; Capped says that there are more of them,
	// and that no more were looked at.
	Letters int  `json:"letters"`
	Capped  bool `json:"capped"`
	// Newer are those whose items have newer changes: they are skipped unless forced.
	Newer int `json:"newer_changes"`
	// Lost are those whose messages are not kept: they cannot be replayed.
	Lost int `json:"lost"`
	// Hopeless are those whose reason a replay cannot change: the same message fails again.
	Hopeless int `json:"will_fail_again"`
	// Published is how many messages would be published.
	Published int                    `json:"published"`
	Reasons   map[catalog.Reason]int `json:"reasons"`
}

// Preview looks at what Replay would do, at 10,000 letters at most. It changes nothing.
func (r *Replayer) Preview(ctx context.Context, filter persistence.DeadLetterFilter) (Preview, error) {
	preview := Preview{Reasons: map[catalog.Reason]int{}}
	if err := r.Known(ctx, filter.IDs); err != nil {
		return preview, err
	}
	filter.Limit, filter.WithoutMessage = previewPage, true
	for preview.Letters < persistence.MaxCountedLetters {
		letters, err := r.Store.DeadLetters(ctx, filter)
		if err != nil || len(letters) == 0 {
			return preview, err
		}
		ids := make([]int64, len(letters))
		for i := range letters {
			ids[i] = letters[i].ID
		}
		newer, err := r.Store.NewerChanges(ctx, ids)
		if err != nil {
			return preview, err
		}
		for i := range letters {
			preview.count(&letters[i], newer[letters[i].ID], r.Force)
		}
		filter.After = ids[len(ids)-1]
	}
	filter.Limit = 1
	more, err := r.Store.DeadLetters(ctx, filter)
	preview.Capped = len(more) > 0
	return preview, err
}

func (p *Preview) count(letter *persistence.DeadLetter, newer, force bool) {
	p.Letters++
	p.Reasons[letter.Reason]++
	if reason.Of(letter.Reason).Replay == reason.Fails {
		p.Hopeless++
	}
	switch {
	case letter.Message.Lost > 0:
		p.Lost++
	case newer:
		p.Newer++
	}
	if letter.Message.Lost == 0 && (force || !newer) {
		p.Published++
	}
}

// Result is what a replay did.
type Result struct {
	Replayed int64 `json:"replayed"`
	// Taken are letters that somebody else replayed or dismissed meanwhile.
	Taken int `json:"taken"`
	// Newer are the letters that were skipped as their items have newer changes, Lost those
	// whose messages were not kept.
	Newer []Skipped `json:"newer_changes"`
	Lost  []Skipped `json:"lost"`
	// Denied are the ids of those that NATS does not let the user publish, by subject.
	Denied map[string][]int64 `json:"denied"`
}

// Skipped is a letter that was not replayed.
type Skipped struct {
	ID     int64  `json:"id"`
	ItemID string `json:"item_id"`
}

// DeniedError names the subjects that NATS refused, and the dead letters of each; nil
// without any.
func (r *Result) DeniedError() error {
	all := make([]error, 0, len(r.Denied))
	for _, subject := range slices.Sorted(maps.Keys(r.Denied)) {
		ids := r.Denied[subject]
		all = append(all, fmt.Errorf("%w; %d dead letters are not replayed:%s", &publish.DeniedError{Subject: subject}, len(ids), spaced(ids)))
	}
	return errors.Join(all...)
}

func spaced(ids []int64) string {
	var text strings.Builder
	for _, id := range ids {
		_, _ = fmt.Fprintf(&text, " %d", id)
	}
	return text.String()
}

// Replay publishes the messages of dead letters again, oldest first, and marks them. It
// says what it did also where it fails: what was published before is marked.
func (r *Replayer) Replay(ctx context.Context, filter persistence.DeadLetterFilter) (result Result, err error) {
	if err := r.Known(ctx, filter.IDs); err != nil {
		return result, err
	}
	filter.Limit, filter.WithoutMessage = page, false
	// What is refused once more while this replay goes on is a new dead letter, not one of its own.
	newest, err := r.Store.NewestDeadLetter(ctx)
	if err != nil || newest == 0 {
		return result, err
	}
	filter.UpTo = newest
	for { // ends with the list: the cursor only moves forward
		letters, err := r.Store.DeadLetters(ctx, filter)
		if err != nil {
			return result, err
		}
		if err := r.page(ctx, letters, &result); err != nil {
			return result, err
		}
		if len(letters) == 0 {
			return result, nil
		}
		filter.After = letters[len(letters)-1].ID
	}
}

// page publishes what nobody else has replayed or dismissed since the letters were listed,
// and marks what was stored, also when publishing stops halfway.
func (r *Replayer) page(ctx context.Context, letters []persistence.DeadLetter, result *Result) error {
	marked, err := r.Store.Replay(ctx, letters, persistence.ReplayNote{By: r.By}, func(ctx context.Context, ids []int64) ([]int64, error) {
		result.Taken -= len(ids)
		return r.publish(ctx, letters, ids, result)
	})
	result.Replayed += marked
	if err == nil {
		result.Taken += len(letters)
	}
	return err
}

// publish returns the ids of what is stored.
func (r *Replayer) publish(ctx context.Context, letters []persistence.DeadLetter, ids []int64, result *Result) (stored []int64, err error) {
	newer := map[int64]bool{}
	if !r.Force {
		if newer, err = r.Store.NewerChanges(ctx, ids); err != nil {
			return nil, err
		}
	}
	var sent []int64
	var publications []publish.Publication
	for i := range letters {
		switch id := letters[i].ID; {
		case !slices.Contains(ids, id):
			continue
		case letters[i].Message.Lost > 0:
			result.Lost = append(result.Lost, Skipped{ID: id, ItemID: letters[i].ItemID})
			continue
		case newer[id]:
			result.Newer = append(result.Newer, Skipped{ID: id, ItemID: letters[i].ItemID})
			continue
		}
		publication, err := Republication(&letters[i], r.Installation)
		if err != nil {
			return nil, err
		}
		sent, publications = append(sent, letters[i].ID), append(publications, publication)
	}
	results, err := r.Publisher.Publish(ctx, publications)
	for i, published := range results {
		denial, denied := errors.AsType[*publish.DeniedError](published.Err)
		switch {
		case denied && !denial.Subscription: // alone: the others are published
			if result.Denied == nil {
				result.Denied = map[string][]int64{}
			}
			result.Denied[denial.Subject] = append(result.Denied[denial.Subject], sent[i])
		case published.Outcome != publish.Refused: // a duplicate is from an attempt without an answer, or of a replay that was killed
			stored = append(stored, sent[i])
		case err == nil:
			err = fmt.Errorf("dead letter %d cannot be published: %w", sent[i], published.Err)
		}
	}
	return stored, err
}

// Dismiss takes dead letters from the list of those that are open, with a reason for the
// record. It returns how many were neither replayed nor dismissed before. Nothing is done
// where one of the ids is unknown.
func (r *Replayer) Dismiss(ctx context.Context, ids []int64, why string) (dismissed int, err error) {
	if err := r.Known(ctx, ids); err != nil {
		return 0, err
	}
	for chunk := range slices.Chunk(ids, previewPage) {
		done, err := r.Store.DismissDeadLetters(ctx, chunk, r.By, why)
		if dismissed += len(done); err != nil {
			return dismissed, err
		}
	}
	return dismissed, nil
}

// DismissAll dismisses what a filter chooses among those that are open now.
func (r *Replayer) DismissAll(ctx context.Context, filter persistence.DeadLetterFilter, why string) (dismissed int, err error) {
	newest, err := r.Store.NewestDeadLetter(ctx)
	if err != nil || newest == 0 {
		return 0, err
	}
	filter.Limit, filter.WithoutMessage, filter.UpTo, filter.States = previewPage, true, newest, nil
	for { // ends with the list: the cursor only moves forward
		letters, err := r.Store.DeadLetters(ctx, filter)
		if err != nil || len(letters) == 0 {
			return dismissed, err
		}
		ids := make([]int64, len(letters))
		for i := range letters {
			ids[i] = letters[i].ID
		}
		done, err := r.Store.DismissDeadLetters(ctx, ids, r.By, why)
		if dismissed += len(done); err != nil {
			return dismissed, err
		}
		filter.After = ids[len(ids)-1]
	}
}
