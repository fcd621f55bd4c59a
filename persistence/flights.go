package persistence

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

const (
	// flightsAtOnce is how many flights there are before requests wait for each other. A
	// request that finds fewer leaves at once, alone.
	flightsAtOnce = 2
	// longestWait is for how long a request waits for another flight to end: trouble of one
	// partition may hold a flight up until the server ends its statement.
	longestWait = 50 * time.Millisecond
	// shareLocks bounds each wait for a lock in a flight of several: the row of a lease that
	// somebody holds delays its own partition only. Each then flies alone.
	shareLocks = 200 * time.Millisecond
	// A request that carries more flies alone, and a flight of several carries no more than
	// so many requests and bytes.
	maxShared       = 384 << 10
	maxFlightBytes  = 3 << 19
	maxFlightShares = 64
)

// request is what one call writes: a transaction of a partition with its fence, or how POSTs
// ended.
type request struct {
	plan     *plan // nil for attempts
	lease    ledger.Lease
	previous uuid.UUID
	attempts []*ledger.Attempt

	bytes int  // about what it carries
	apart bool // it shares no flight

	ctx   context.Context //nolint:containedctx // its caller's, which waits until the request has ended
	leads chan []*request // the flight that its caller is to make, itself among it
	ended chan error      // how the flight ended that another caller made
}

// flights bring requests to the server that are made at the same time: those that come while
// enough flights are under way share the next one, which is one transaction. The caller of one of
// them makes it, so that there is no goroutine besides theirs.
//
// Sharing is seen in nothing but time. What the server refuses it refuses as a whole: nothing
// of it is written then, and each request flies alone. Without an answer each is in doubt,
// as it would be alone, and finds out by its own transaction's id.
type flights struct {
	send func(ctx context.Context, flight []*request) error

	mu       sync.Mutex
	flying   int
	waiting  []*request
	patience time.Duration // longestWait, or what a test wants
	// troubled are those whose shared flight had no answer, by request.key: until one of
	// theirs works they fly alone, so that what breaks a connection each time breaks nobody
	// else's.
	troubled map[uuid.UUID]struct{}
}

// maxTroubled bounds what is remembered of requests that were not repeated.
const maxTroubled = 10_000

// key names what the repetition of a request has in common with it.
func (r *request) key() uuid.UUID {
	if r.plan != nil {
		return r.lease.Token
	}
	return r.attempts[0].BatchID
}

// errApart says that a shared flight wrote nothing, and that its requests are to fly alone.
var errApart = errors.New("the server refused the transaction of several requests")

// errNoEnd is how a flight ended whose maker panicked.
var errNoEnd = errors.New("it is not known how the transaction of several requests ended")

// write brings a request to the server, and returns how that ended.
func (f *flights) write(ctx context.Context, r *request) error {
	if r.apart {
		return f.send(ctx, []*request{r})
	}
	f.mu.Lock()
	_, troubled := f.troubled[r.key()]
	switch {
	case troubled:
		f.mu.Unlock()
		err := f.send(ctx, []*request{r})
		if err == nil || nothingWritten(err) {
			f.forget(r.key())
		}
		return err
	case f.flying < flightsAtOnce:
		f.flying++
		f.mu.Unlock()
		defer f.next()
		return f.send(ctx, []*request{r})
	}
	r.ctx, r.leads, r.ended = ctx, make(chan []*request, 1), make(chan error, 1)
	f.waiting = append(f.waiting, r)
	patience := f.patience
	f.mu.Unlock()
	err := f.await(ctx, r, patience)
	if errors.Is(err, errApart) {
		return f.send(ctx, []*request{r})
	}
	return err
}

// await waits for the flight that takes the request along, or makes it.
func (f *flights) await(ctx context.Context, r *request, patience time.Duration) error {
	late := time.NewTimer(patience)
	defer late.Stop()
	given := ctx.Done()
	for {
		select {
		case err := <-r.ended:
			if why := ctx.Err(); err != nil && why != nil && !errors.Is(err, why) {
				return errors.Join(err, why) // why the flight was given up
			}
			return err
		case flight := <-r.leads:
			f.together(ctx, flight)
		case <-late.C:
			f.begin()
			late.Reset(patience)
		case <-given:
			if f.leave(r) {
				return ctx.Err()
			}
			given = nil // a flight has it: that ends soon
		}
	}
}

// next hands the place of a flight that ended to those that wait.
func (f *flights) next() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flying--
	if len(f.waiting) > 0 {
		f.depart()
	}
}

// begin has those that wait fly although no flight has ended.
func (f *flights) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.waiting) > 0 {
		f.depart()
	}
}

// depart gives the first that waits a flight of all that fit. The lock is held.
func (f *flights) depart() {
	bytes, n := 0, 0
	for n < len(f.waiting) && n < maxFlightShares {
		if bytes += f.waiting[n].bytes; n > 0 && bytes > maxFlightBytes {
			break
		}
		n++
	}
	flight := slices.Clone(f.waiting[:n])
	f.waiting = slices.Delete(f.waiting, 0, n)
	f.flying++
	flight[0].leads <- flight
}

// leave takes a request out that nobody waits for any more. It reports false when a flight has
// it.
func (f *flights) leave(r *request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.Index(f.waiting, r)
	if i >= 0 {
		f.waiting = slices.Delete(f.waiting, i, i+1)
	}
	return i >= 0
}

// together makes a flight for all of its requests, and tells each how it ended.
func (f *flights) together(ctx context.Context, flight []*request) {
	result := errNoEnd
	defer f.next()
	defer func() {
		for _, r := range flight {
			r.ended <- result
		}
	}()
	flight = slices.DeleteFunc(flight, func(r *request) bool {
		err := r.ctx.Err()
		if err != nil {
			r.ended <- err
		}
		return err != nil
	})
	if len(flight) == 0 {
		return
	}
	// It lasts no longer than any of the callers would wait.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	for _, r := range flight {
		defer context.AfterFunc(r.ctx, cancel)() //nolint:contextcheck // each caller's own
	}
	result = f.send(ctx, flight)
	switch {
	case result == nil || len(flight) == 1:
	case nothingWritten(result):
		result = errApart
	default:
		f.remember(flight)
	}
}

// forget says that a request came to an end that had no answer.
func (f *flights) forget(key uuid.UUID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.troubled, key)
}

// remember notes that a shared flight had no answer.
func (f *flights) remember(flight []*request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.troubled == nil || len(f.troubled) > maxTroubled {
		f.troubled = map[uuid.UUID]struct{}{}
	}
	for _, r := range flight {
		f.troubled[r.key()] = struct{}{}
	}
}

// nothingWritten reports an error that says so: an answer of the server, or a value that cannot
// be sent at all.
func nothingWritten(err error) bool {
	problem, answered := errors.AsType[*pgconn.PgError](err)
	return answered && refuses(problem) || errors.Is(err, ledger.ErrRejected)
}

// send writes requests in one transaction: the new rows first, then everything that takes
// locks together with the fences and COMMIT. So a worker that stops in the middle holds
// nothing that its successor needs.
func (s *Store) send(ctx context.Context, flight []*request) error {
	connection, err := s.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("waiting for a connection: %w", err)
	}
	defer connection.Release() // closes it if a transaction is still open
	// Two transactions that meet lock the rows of their leases in the same order.
	slices.SortStableFunc(flight, func(a, b *request) int { return cmp.Compare(a.lease.Partition, b.lease.Partition) })
	last := &pgx.Batch{}
	if len(flight) > 1 {
		last.Queue("select set_config('lock_timeout', $1, true)", milliseconds(shareLocks))
	}
	copying, err := sendFresh(ctx, connection, last, flight)
	if err != nil {
		return err
	}
	for _, r := range flight {
		if r.plan != nil {
			r.plan.queue(last)
		}
		queueAttempts(last, r.attempts)
	}
	for _, r := range flight {
		if r.plan != nil {
			queueFence(last, r.lease, r.previous, r.plan.tx)
		}
	}
	if copying {
		last.Queue("commit")
	}
	// Without an explicit BEGIN one flight is one transaction.
	return unsendable(connection.SendBatch(ctx, last).Close(), connection.Conn())
}

// sendFresh copies the new rows, or inserts few of them in the last flight.
func sendFresh(ctx context.Context, connection *pgxpool.Conn, last *pgx.Batch, flight []*request) (copying bool, err error) {
	var fresh []row
	for _, r := range flight {
		if r.plan == nil {
			continue
		}
		r.plan.missing, r.plan.sizes = 0, nil // of a flight before, which wrote nothing
		if fresh == nil {
			fresh = slices.Clip(r.plan.fresh)
		} else {
			fresh = append(fresh, r.plan.fresh...)
		}
	}
	if len(fresh) < copyFrom {
		queueFresh(last, fresh)
		return false, nil
	}
	return true, copyRows(ctx, connection, fresh)
}
