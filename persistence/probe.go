package persistence

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// Committed finds out what became of a transaction whose Commit failed: see
// ledger.Store. A copy of it that is still on its way fails at the fence once another
// transaction is committed.
func (s *Store) Committed(ctx context.Context, lease ledger.Lease, tx *ledger.Transaction) (bool, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	c := s.chainOf(lease)
	if err := c.enter(ctx); err != nil {
		return false, err
	}
	defer c.leave()
	committed, err := s.lookUp(ctx, c, lease, tx.ID)
	if committed {
		s.groups.forget(lease.Token)
		err = s.finish(c, tx, nil)
	}
	return committed, err
}

// Probe writes a transaction with its fence and takes it back: see ledger.Store. What
// it leaves behind are dead rows, and the lanes and days that the transaction needs.
func (s *Store) Probe(ctx context.Context, lease ledger.Lease, tx *ledger.Transaction) error {
	ctx, cancel := s.boundedFor(ctx, sizeOf(tx))
	defer cancel()
	c := s.chainOf(lease)
	if err := c.enter(ctx); err != nil {
		return err
	}
	defer c.leave()
	if c.doubt {
		if _, err := s.lookUp(ctx, c, lease, uuid.New()); err != nil {
			return err
		}
	}
	p, err := s.plan(ctx, tx)
	if err != nil {
		return err
	}
	err = s.tryOut(ctx, lease, c.last, tx, p)
	switch problem, answered := errors.AsType[*pgconn.PgError](err); {
	case answered && problem.Code == codeOtherOwner:
		return fmt.Errorf("partition %d: %w", tx.Partition, ledger.ErrLeaseLost)
	case err != nil:
		s.days.forget() // perhaps another process dropped one
		if answered && problem.Code == codeOtherLane {
			s.lanes.forget()
		}
		return fmt.Errorf("trying transaction %s: %w", tx.ID, rejected(err))
	}
	return nil
}

// tryOut sends the plan without COMMIT. What a constraint would only say at COMMIT it
// is made to say at once.
func (s *Store) tryOut(ctx context.Context, lease ledger.Lease, previous uuid.UUID, tx *ledger.Transaction, p *plan) error {
	connection, err := s.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("waiting for a connection: %w", err)
	}
	defer connection.Release() // closes it if a transaction is still open
	last := &pgx.Batch{}
	if len(p.fresh) >= copyFrom {
		if err := copyRows(ctx, connection, p.fresh); err != nil {
			return errors.Join(err, takeBack(ctx, connection.Conn()))
		}
	} else {
		last.Queue("begin")
		queueFresh(last, p.fresh)
	}
	p.queue(last)
	queueFence(last, lease, previous, tx)
	last.Queue("set constraints all immediate")
	last.Queue("rollback")
	if err := unsendable(connection.SendBatch(ctx, last).Close(), connection.Conn()); err != nil {
		return errors.Join(err, takeBack(ctx, connection.Conn()))
	}
	return nil
}

// takeBack ends a transaction that failed, so that its connection can be used again.
func takeBack(ctx context.Context, conn *pgx.Conn) error {
	if conn.IsClosed() || conn.PgConn().TxStatus() == 'I' {
		return nil
	}
	_, err := conn.Exec(ctx, "rollback")
	return err
}
