package persistence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// indexTimeout bounds the making of one day's index.
const indexTimeout = 30 * time.Minute

// indexPastDays gives each day that is over a B-tree for look-ups by item. While a
// day is written that index would cost more than all the rest of a row; made at
// once, by sorting, it costs a tenth.
func (s *Store) indexPastDays(ctx context.Context, today time.Time) error {
	return s.eachDay(ctx, "courier.mutation", func(name string, on time.Time) error {
		if !on.Before(today.AddDate(0, 0, -1)) {
			return nil // yesterday still gets what was received around midnight
		}
		if err := s.indexDay(ctx, name); err != nil {
			return fmt.Errorf("indexing %s: %w", name, err)
		}
		return nil
	})
}

// indexDay makes the index of one partition unless it is there, or another worker
// is at it. Writers go on meanwhile.
func (s *Store) indexDay(ctx context.Context, name string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, indexTimeout)
	defer cancel()
	connection, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer connection.Release()
	index := pgx.Identifier{"courier", name + "_by_item"}.Sanitize()
	valid, err := indexState(ctx, connection, index)
	if err != nil || valid {
		return err
	}
	unlock, mine, err := s.lockIndexes(ctx)
	if err != nil || !mine {
		return err
	}
	defer func() {
		// The settings end with the session.
		err = errors.Join(err, connection.Conn().Close(context.WithoutCancel(ctx)), unlock())
	}()
	for _, statement := range []string{
		"set statement_timeout = 0",
		"drop index concurrently if exists " + index, // one that was not finished, or of a former release
		// Lists look an item of a lane up. An expression, as a null would take eight bytes.
		"create index concurrently if not exists " + pgx.Identifier{name + "_by_item"}.Sanitize() +
			" on " + pgx.Identifier{"courier", name}.Sanitize() + " (item_id, lane, coalesce(localization, ''))",
	} {
		if valid, err = indexState(ctx, connection, index); err != nil || valid {
			return err // another worker was quicker
		}
		if _, err := connection.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	return nil
}

// lockIndexes keeps other workers from making an index at the same time; mine is false
// when one is at it. The lock is a table's, which no reader can take, and is held by a
// transaction in a session of its own, as an index cannot be made inside one. That
// transaction has no snapshot, so that the index does not wait for it.
func (s *Store) lockIndexes(ctx context.Context) (unlock func() error, mine bool, err error) {
	session, err := pgx.ConnectConfig(ctx, s.pool.Config().ConnConfig)
	if err != nil {
		return nil, false, err
	}
	unlock = func() error { return session.Close(context.WithoutCancel(ctx)) }
	for _, statement := range []string{
		"set idle_in_transaction_session_timeout = 0",
		"begin",
		"lock table courier.index_lock in access exclusive mode nowait",
	} {
		if _, err = session.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol); err != nil {
			break
		}
	}
	switch {
	case hasCode(err, codeLockNotAvailable):
		return nil, false, unlock()
	case err != nil:
		return nil, false, errors.Join(err, unlock())
	}
	return unlock, true, nil
}

// indexState tells whether the index is there and finished. Former releases made it of the
// item alone, which says too little for lists.
func indexState(ctx context.Context, connection *pgxpool.Conn, index string) (valid bool, err error) {
	err = connection.QueryRow(ctx, "select coalesce((select indisvalid and indnatts = 3 from pg_index where indexrelid = to_regclass($1)), false)", index).Scan(&valid)
	return valid, err
}
