package status

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/status/internal/query"
)

// Bounds of a Follower.
const (
	// maxFollowed bounds the batches that are followed at once, and maxOfBatch the changes
	// of one. Batches come in pages.
	maxFollowed   = 10_000
	maxOfBatch    = 20_000
	pageOfBatches = 10_000
	// overlap is how far back new batches are looked for: their ids begin with the time of
	// the worker that made them, and are written a little later.
	overlap = 2 * time.Minute
)

// Follower tells what became of changes from when it was made on: those of batches that end,
// and those that are never sent. It does not tell of changes that a newer version overtook
// before they were in a batch. It is used by one goroutine.
type Follower struct {
	reader *Reader
	open   map[uuid.UUID]struct{} // not finished when they were looked at last
	done   map[uuid.UUID]struct{} // told, and within the overlap
	newest uuid.UUID              // of the batches seen
	letter int64                  // the newest dead letter seen
}

// Follow begins to follow. What ended before is not told.
func (r *Reader) Follow(ctx context.Context) (*Follower, error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	f := &Follower{reader: r, open: map[uuid.UUID]struct{}{}, done: map[uuid.UUID]struct{}{}}
	last, err := r.query.Batches(ctx, query.BatchesParams{Before: newest, Lim: 1})
	if err != nil {
		return nil, read("the newest batch", err)
	}
	if len(last) > 0 {
		f.newest = last[0].BatchID
	}
	err = f.newer(ctx, func(id uuid.UUID) bool {
		f.done[id] = struct{}{}
		return true
	})
	if err != nil {
		return nil, err
	}
	// After the others: a batch that is made meanwhile is in neither, and is found later.
	open, err := r.query.UnfinishedBatches(ctx, maxFollowed)
	if err != nil {
		return nil, read("the unfinished batches", err)
	}
	for _, id := range open {
		f.open[id] = struct{}{}
		delete(f.done, id)
	}
	if f.letter, err = r.query.NewestDeadLetter(ctx); err != nil {
		return nil, read("the newest dead letter", err)
	}
	return f, nil
}

// before is the id from which on new batches are looked for.
func (f *Follower) before() uuid.UUID {
	if f.newest == uuid.Nil {
		return uuid.Nil
	}
	var bound uuid.UUID
	seconds, nanoseconds := f.newest.Time().UnixTime()
	at := time.Unix(seconds, nanoseconds).Add(-overlap).UnixMilli()
	for i := range 6 {
		bound[i] = byte(at >> (8 * (5 - i))) //nolint:gosec // the bytes of the number
	}
	return bound
}

// newer calls seen with each batch of the overlap and with those after it, the oldest first,
// and notes the newest one. It ends early where seen returns false.
func (f *Follower) newer(ctx context.Context, seen func(uuid.UUID) bool) error {
	for above := f.before(); ; {
		page, err := f.reader.query.BatchesAbove(ctx, query.BatchesAboveParams{Above: above, Lim: pageOfBatches})
		if err != nil {
			return read("the newest batches", err)
		}
		for _, id := range page {
			if !seen(id) {
				return nil
			}
			if bytes.Compare(id[:], f.newest[:]) > 0 {
				f.newest = id
			}
			above = id
		}
		if len(page) < pageOfBatches {
			return nil
		}
	}
}

// follow begins to follow a batch that was not told, and reports whether there was room.
func (f *Follower) follow(id uuid.UUID) bool {
	_, told := f.done[id]
	_, follows := f.open[id]
	if told || follows {
		return true
	}
	if len(f.open) >= maxFollowed {
		return false // it comes again in the next call
	}
	f.open[id] = struct{}{}
	return true
}

// Next reads what ended since the last call, in the order in which batches ended. It may be
// nothing: call it again after a while. With an error it gives what was read before, and the
// next call goes on from there.
func (f *Follower) Next(ctx context.Context) ([]Mutation, error) {
	ctx, cancel := f.reader.bounded(ctx)
	defer cancel()
	if err := f.newer(ctx, f.follow); err != nil {
		return nil, err
	}
	ended, err := f.reader.query.FinishedOf(ctx, slices.Collect(maps.Keys(f.open)))
	if err != nil {
		return nil, read("the batches that ended", err)
	}
	platforms, err := f.reader.platforms(ctx)
	if err != nil {
		return nil, err
	}
	var told []Mutation
	for _, id := range ended {
		rows, err := f.reader.query.FinalOfBatch(ctx, query.FinalOfBatchParams{Batch: id, Lim: maxOfBatch})
		if err != nil {
			return told, read("the changes of batch "+id.String(), err)
		}
		for i := range rows {
			told = append(told, f.reader.mutation((*query.MutationsRow)(&rows[i]), platforms))
		}
		delete(f.open, id)
		f.done[id] = struct{}{}
	}
	bound := f.before()
	maps.DeleteFunc(f.done, func(id uuid.UUID, _ struct{}) bool { return bytes.Compare(id[:], bound[:]) <= 0 })
	return f.neverSent(ctx, told, platforms)
}

// neverSent adds the changes that were never sent.
func (f *Follower) neverSent(ctx context.Context, told []Mutation, platforms map[string]string) ([]Mutation, error) {
	letters, err := f.reader.query.NeverSentAbove(ctx, query.NeverSentAboveParams{Above: f.letter, Lim: MaxPage})
	if err != nil {
		return told, read("the newest dead letters", err)
	}
	for _, letter := range letters {
		rows, err := f.reader.query.Mutations(ctx, query.MutationsParams{ID: letter.MutationID, Account: letter.Account, Lim: 1})
		if err != nil {
			return told, read("a change that was never sent", err)
		}
		for i := range rows {
			told = append(told, f.reader.mutation(&rows[i], platforms))
		}
		f.letter = letter.ID
	}
	return told, nil
}
