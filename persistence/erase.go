package persistence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

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
		rows, err := s.query.WithTx(tx).EraseItem(ctx, query.EraseItemParams{Account: account, Item: item})
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

// errDry undoes an erasure that was only to be counted.
var errDry = errors.New("nothing is to be changed")
