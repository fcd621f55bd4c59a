package persistence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// The fence's own error codes, see courier.fence.
const (
	codeOtherOwner       = "CC001"
	codeAlreadyCommitted = "CC002"
	codeOtherTransaction = "CC003"
	codeOtherLane        = "CC004" // see courier.check_lanes
)

// codeUnique is Postgres's unique_violation.
const codeUnique = "23505"

// codeNoPartition is Postgres's check_violation, for a row that fits no partition.
const codeNoPartition = "23514"

// chain is the sequence of committed transactions of one lease. Each names its
// predecessor, so that a copy of a transaction that a broken connection delivers
// late can never be applied a second time.
type chain struct {
	turn  chan struct{} // holds one token; taken by the commit under way
	token uuid.UUID
	last  uuid.UUID
	// doubt says that a commit ended without an answer, so that last must be read
	// before anything else happens.
	doubt bool
}

// proofs are what the rows of all leases said that this process commits for, at one moment. An
// owner that asks whether its last commit is still there reads the others' rows with its own:
// idle partitions ask all the time.
type proofs struct {
	turn chan struct{} // holds one token; taken by who looks or reads
	at   time.Time
	rows map[int]query.LeaseProofsRow // each is for one question
}

// proofLife is how old an answer may be. An owner asks every few seconds.
const proofLife = time.Second

// proved reports that the owner's row said lately what is expected of it. Anything else is for
// the owner to find out by itself: its row may have changed since.
func (s *Store) proved(ctx context.Context, lease ledger.Lease, last uuid.UUID) bool {
	p := &s.proofs
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return false
	}
	if _, ok := p.rows[lease.Partition]; !ok || time.Since(p.at) > proofLife {
		at := monotonic() // before the rows are read
		rows, err := s.query.LeaseProofs(ctx, s.owned())
		if err != nil {
			return false
		}
		p.at, p.rows = at, make(map[int]query.LeaseProofsRow, len(rows))
		for _, row := range rows {
			p.rows[int(row.Partition)] = row
		}
	}
	row, ok := p.rows[lease.Partition]
	delete(p.rows, lease.Partition)
	return ok && row.Token != nil && *row.Token == lease.Token && row.LastTransaction != nil && *row.LastTransaction == last
}

// owned are the partitions that this process commits for, or did.
func (s *Store) owned() []int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	partitions := make([]int32, 0, len(s.chains))
	for partition := range s.chains {
		partitions = append(partitions, int32(partition)) //nolint:gosec // at most maxPartitions
	}
	return partitions
}

// overtakenByItsCopy reports an error that an earlier copy of the same transaction
// causes, which was still under way when it was looked up: its batch is there, or
// the fence has seen something else.
func overtakenByItsCopy(err error) bool {
	problem, answered := errors.AsType[*pgconn.PgError](err)
	return answered && (problem.Code == codeUnique || problem.Code == codeOtherTransaction)
}

// enter waits for the commit before, which the engine never makes it do.
func (c *chain) enter(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the commit before: %w", ctx.Err())
	}
}

func (c *chain) leave() { <-c.turn }

// chainOf finds the lease's chain. A fresh lease starts with its token.
func (s *Store) chainOf(lease ledger.Lease) *chain {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.chains[lease.Partition]
	if c == nil || c.token != lease.Token {
		// In doubt: another store of this process may have committed for the lease.
		c = &chain{turn: make(chan struct{}, 1), token: lease.Token, doubt: true}
		s.chains[lease.Partition] = c
	}
	return c
}

// boundedFor bounds a call that carries so many bytes.
func (s *Store) boundedFor(ctx context.Context, bytes int) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.timeout+ledger.WriteTime(int64(bytes)))
}

// sizeOf is how many bytes of mutations a transaction carries.
func sizeOf(tx *ledger.Transaction) (bytes int) {
	for m := range mutationsOf(tx) {
		bytes += m.Size()
	}
	return bytes
}

// Commit writes a transaction, fence last: see ledger.Store. It costs two round
// trips, or one when few mutation rows are new. On success it sets RecordedOn of
// the mutations whose rows it made.
func (s *Store) Commit(ctx context.Context, lease ledger.Lease, tx *ledger.Transaction) error {
	bytes := sizeOf(tx)
	ctx, cancel := s.boundedFor(ctx, bytes)
	defer cancel()
	if tx.ID == uuid.Nil || tx.Partition != lease.Partition {
		return fmt.Errorf("%w: a transaction needs an id and the lease's partition, not %s of %d", ledger.ErrRejected, tx.ID, tx.Partition)
	}
	if err := s.checkClock(); err != nil {
		return fmt.Errorf("partition %d: %w: %w", tx.Partition, err, ledger.ErrLeaseLost)
	}
	c := s.chainOf(lease)
	if err := c.enter(ctx); err != nil {
		return err
	}
	defer c.leave()
	if c.doubt {
		committed, err := s.lookUp(ctx, c, lease, tx.ID)
		if committed {
			s.groups.forget(lease.Token)
		}
		if err != nil || committed {
			return s.finish(c, tx, err)
		}
	}
	p, err := s.plan(ctx, tx)
	if err != nil {
		return err
	}
	err = s.groups.write(ctx, &request{
		plan: p, lease: lease, previous: c.last, bytes: bytes, alone: bytes > maxJoining || len(p.letters) > 0,
	})
	if overtakenByItsCopy(err) {
		var committed bool
		if committed, err = s.lookUp(ctx, c, lease, tx.ID); err == nil && !committed {
			err = errors.New("another transaction of the lease came in between")
		}
	}
	err = s.finish(c, tx, err)
	if err == nil && p.missing > 0 {
		s.logger.ErrorContext(ctx, "rows expected by an update were missing", slog.Int("partition", lease.Partition),
			slog.Any("transaction", tx.ID), slog.Int("rows", p.missing))
	}
	if err == nil {
		s.boundLetters(ctx, p.sizes)
	}
	return err
}

// lookUp reads what was committed last. A copy of the doubtful transaction may
// still be on its way; whichever comes second fails at the fence.
func (s *Store) lookUp(ctx context.Context, c *chain, lease ledger.Lease, id uuid.UUID) (committed bool, err error) {
	row, err := s.query.LeaseRow(ctx, int32(lease.Partition)) //nolint:gosec // at most maxPartitions
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, fmt.Errorf("partition %d: %w", lease.Partition, ledger.ErrLeaseLost)
	case err != nil:
		return false, fmt.Errorf("looking up the last transaction: %w", err)
	case row.LastTransaction != nil && *row.LastTransaction == id:
		return true, nil
	case row.Token == nil || *row.Token != lease.Token:
		return false, fmt.Errorf("partition %d: %w", lease.Partition, ledger.ErrLeaseLost)
	}
	if c.last != uuid.Nil && *row.LastTransaction != c.last {
		// Neither this transaction nor the one before it: the database was restored
		// to an older copy under this owner. What it wrote since is gone, so it must
		// not write on top.
		return false, fmt.Errorf("partition %d: the database lost transaction %s: %w", lease.Partition, c.last, ledger.ErrLeaseLost)
	}
	c.last, c.doubt = *row.LastTransaction, false
	return false, nil
}

// finish moves the chain on and gives the error its kind.
func (s *Store) finish(c *chain, tx *ledger.Transaction, err error) error {
	problem, answered := errors.AsType[*pgconn.PgError](err)
	switch {
	case err == nil, answered && problem.Code == codeAlreadyCommitted:
		c.last, c.doubt = tx.ID, false
		settle(tx)
		return nil
	case errors.Is(err, ledger.ErrLeaseLost):
		return err
	case answered && problem.Code == codeOtherOwner:
		return fmt.Errorf("partition %d: %w", tx.Partition, ledger.ErrLeaseLost)
	}
	// A plain server error is an answer: nothing was written. Everything else, the
	// end of the connection above all, is none.
	if answered && problem.Code == codeNoPartition {
		s.days.forget() // another process dropped a day, or a failover lost it; the next try makes it again
	}
	if answered && problem.Code == codeOtherLane {
		s.lanes.forget() // a failover lost it; the next try makes it again
	}
	c.doubt = !answered || !refuses(problem) || problem.Code == codeOtherTransaction
	return fmt.Errorf("committing transaction %s: %w", tx.ID, rejected(err))
}

// settle notes on the mutations where their new rows are.
func settle(tx *ledger.Transaction) {
	for m := range tx.Mutations() {
		m.RecordedOn = recordedOn(m)
	}
}

// copyFrom is the number of new rows from which a COPY, which costs a round trip
// of its own, beats an INSERT in the last flight.
const copyFrom = 100

// copyRows opens the transaction and copies the rows, in one round trip.
func copyRows(ctx context.Context, connection *pgxpool.Conn, rows []row) error {
	reader := &rowReader{rows: rows}
	_, err := connection.Conn().PgConn().CopyFrom(ctx, reader, "begin; copy courier.mutation ("+rowColumns+") from stdin (format binary)")
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("copying %d mutation rows: %w", len(rows), err)
	}
	return err
}

func queueFence(b *pgx.Batch, lease ledger.Lease, previous uuid.UUID, tx *ledger.Transaction) {
	var generation, sequence, messageNs *int64
	var messageID *string
	if a := tx.Anchor; a != nil {
		generation, sequence = new(a.Position.Generation), new(int64(a.Position.Sequence)) //nolint:gosec // a stream's sequence fits
		messageNs, messageID = new(nanoseconds(a.Time)), new(clean(a.MessageID))
	}
	var slowest *int64
	if tx.Slowest > 0 {
		slowest = new(tx.Slowest.Nanoseconds())
	}
	b.Queue("select courier.fence($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
		lease.Partition, lease.Token, previous, tx.ID, generation, sequence, messageNs, messageID, slowest, tx.Sends(), tx.Noted)
}

// Verify looks whether what was committed last for the lease is still there: see
// ledger.Store.
func (s *Store) Verify(ctx context.Context, lease ledger.Lease) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	c := s.chainOf(lease)
	if err := c.enter(ctx); err != nil {
		return err
	}
	defer c.leave()
	if c.doubt && c.last != uuid.Nil {
		return nil // a commit without an answer: its repetition finds out
	}
	if c.last != uuid.Nil && s.proved(ctx, lease, c.last) {
		return nil
	}
	_, err := s.lookUp(ctx, c, lease, uuid.New())
	return err
}

// Rewind puts a partition back to an anchor that still matches a stream whose
// store was restored from an older copy, in a new generation. recorded, clipped to
// what lies above the anchor, is what need not be read again. It returns the new
// generation.
func (s *Store) Rewind(ctx context.Context, lease ledger.Lease, to ledger.Anchor, recorded []ledger.Range) (generation int64, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	c := s.chainOf(lease)
	if err := c.enter(ctx); err != nil {
		return 0, err
	}
	defer c.leave()
	generation, err = s.query.NextGeneration(ctx)
	if err != nil {
		return 0, fmt.Errorf("drawing a generation: %w", err)
	}
	to.Position.Generation = generation
	id := uuid.New()
	fence := &ledger.Transaction{ID: id, Partition: lease.Partition, Anchor: &to}
	if _, err := s.lookUp(ctx, c, lease, id); err != nil {
		return 0, err
	}
	above := ledger.RangesAbove(recorded, to.Position.Sequence)
	shared := to.Position.Sequence // up to here both generations have the same messages
	for _, r := range above {
		shared = max(shared, r.Last)
	}
	b := &pgx.Batch{}
	b.Queue(`insert into courier.rewind (partition, generation, from_generation, sequence)
		select $1, $2, l.generation, $3 from courier.lease l where l.partition = $1`, lease.Partition, generation, int64(shared)) //nolint:gosec // fits
	b.Queue("delete from courier.recorded where partition = $1", lease.Partition)
	if len(above) > 0 {
		queueRecorded(b, lease.Partition, &generation, above)
	}
	queueFence(b, lease, c.last, fence)
	err = s.pool.SendBatch(ctx, b).Close()
	return generation, s.finish(c, fence, err)
}
