package persistence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// ErrItemOpen is returned for an item that cannot be erased yet: a change of it waits, or
// is at a platform.
var ErrItemOpen = errors.New("something of the item is still open")

// Erased is what was erased, or would be, of one kind.
type Erased struct {
	What string // such as "dead letters deleted"
	Rows int64
}

// eraseTimeout bounds an erasure: it looks through the mutations of all days. While it
// writes, the item's partition commits nothing.
const eraseTimeout = 10 * time.Minute

// EraseItem erases what is kept of an item of an account that people may not keep, under
// the lock of the partition's fence. It is for the owner of the schema. With dry it
// changes nothing. ErrItemOpen changes nothing either.
func (s *Store) EraseItem(ctx context.Context, account, item string, dry bool) (erased []Erased, err error) {
	ctx, cancel := context.WithTimeout(ctx, eraseTimeout)
	defer cancel()
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		q := s.query.WithTx(tx)
		earlier, records, err := s.returnedIn(ctx, q, account, item)
		if err != nil {
			return err
		}
		rows, err := q.EraseItem(ctx, query.EraseItemParams{Account: account, Item: item, Earlier: earlier, EarlierRecords: records})
		if err != nil {
			return err
		}
		for _, row := range rows {
			if row.What != "open" {
				erased = append(erased, Erased{What: row.What, Rows: row.Touched})
				continue
			}
			if row.Touched > 0 {
				return fmt.Errorf("%w: %d changes or deliveries are not final", ErrItemOpen, row.Touched)
			}
		}
		if dry {
			return errDry
		}
		return nil
	})
	switch {
	case errors.Is(err, errDry):
		return erased, nil
	case errors.Is(err, ErrItemOpen):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("erasing an item: %w", err)
	}
	return erased, nil
}

// returnedAtOnce is how many payloads are in memory at once.
const returnedAtOnce = 16

// returnedIn finds the batches that have an item although no mutation may name them: it was
// returned, and is in a later batch now. A payload that cannot be read may have it.
func (s *Store) returnedIn(ctx context.Context, q *query.Queries, account, item string) (batches []uuid.UUID, records []int32, err error) {
	batches, records = []uuid.UUID{}, []int32{} // null would be no list
	for after := uuid.Nil; ; {
		page, err := q.ReturningBatches(ctx, query.ReturningBatchesParams{After: after, Account: account, Lim: returnedAtOnce})
		if err != nil {
			return nil, nil, fmt.Errorf("reading the batches that returned something: %w", err)
		}
		for i := range page {
			after = page[i].ID
			all, err := s.codec.unpackRecords(page[i].Payload)
			if err != nil {
				batches, records = append(batches, after), append(records, -1)
				continue
			}
			for r := range all {
				if slices.ContainsFunc(all[r].Constituents, func(m *catalog.Mutation) bool { return clean(m.ItemID) == item }) {
					batches, records = append(batches, after), append(records, int32(r))
				}
			}
		}
		if len(page) < returnedAtOnce {
			return batches, records, nil
		}
	}
}

// errDry undoes an erasure that was only to be counted.
var errDry = errors.New("nothing is to be changed")
