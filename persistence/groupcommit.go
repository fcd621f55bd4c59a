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
	// groupsAtOnce is how many transactions there are before requests wait for each other. A
	// request that finds fewer is written at once, alone.
	groupsAtOnce = 2
	// longestWait is for how long a request waits for another transaction to end: trouble of
	// one partition may hold one up until the server ends its statement.
	longestWait = 50 * time.Millisecond
	// groupLocks bounds each wait for a lock in a group of several: the row of a lease that
	// somebody holds delays its own partition only. Each is then written alone.
	groupLocks = 200 * time.Millisecond
	// maxJoining is how many bytes a request carries at most that joins others: a larger one is
	// written alone. A group has no more than so many bytes and requests.
	maxJoining    = 384 << 10
	maxGroupBytes = 3 << 19
	maxGroupSize  = 64
)

// request is what one call writes: a transaction of a partition with its fence, or how POSTs
// ended.
type request struct {
	plan     *plan // nil for attempts
	lease    ledger.Lease
	previous uuid.UUID
	attempts []*ledger.Attempt

	bytes int  // about what it carries
	alone bool // it joins no group

	ctx    context.Context //nolint:containedctx // its caller's, which waits until the request has ended
	starts chan []*request // the group that its caller is to write, itself among it
	ended  chan error      // how the group ended that another caller wrote
}

// groupCommit writes requests that are made at the same time: those that come while enough
// transactions are under way join a group, which is the next transaction. The caller of one of them
// writes it, so that there is no goroutine besides theirs.
//
// A group is seen in nothing but time. What the server refuses it refuses as a whole: nothing
// of it is written then, and each request is written alone. Without an answer each is in doubt,
// as it would be alone, and finds out by its own transaction's id.
type groupCommit struct {
	send func(ctx context.Context, group []*request) error

	mu      sync.Mutex
	running int // transactions under way
	waiting []*request
	wait    time.Duration // longestWait, or what a test wants
	// troubled are those whose group had no answer, by request.key: until one of theirs works
	// they are written alone, so that what breaks a connection each time breaks nobody
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

// errAlone says that a group wrote nothing, and that its requests are to be written alone.
var errAlone = errors.New("the server refused the transaction of several requests")

// errNoEnd is how a group ended whose caller panicked.
var errNoEnd = errors.New("it is not known how the transaction of several requests ended")

// write brings a request to the server, and returns how that ended.
func (g *groupCommit) write(ctx context.Context, r *request) error {
	if r.alone {
		return g.send(ctx, []*request{r})
	}
	g.mu.Lock()
	_, troubled := g.troubled[r.key()]
	switch {
	case troubled:
		g.mu.Unlock()
		err := g.send(ctx, []*request{r})
		if err == nil || nothingWritten(err) {
			g.forget(r.key())
		}
		return err
	case g.running < groupsAtOnce:
		g.running++
		g.mu.Unlock()
		defer g.next()
		return g.send(ctx, []*request{r})
	}
	r.ctx, r.starts, r.ended = ctx, make(chan []*request, 1), make(chan error, 1)
	g.waiting = append(g.waiting, r)
	wait := g.wait
	g.mu.Unlock()
	err := g.await(ctx, r, wait)
	if errors.Is(err, errAlone) {
		return g.send(ctx, []*request{r})
	}
	return err
}

// await waits for the end of the group that the request has joined, or writes the group.
func (g *groupCommit) await(ctx context.Context, r *request, wait time.Duration) error {
	late := time.NewTimer(wait)
	defer late.Stop()
	given := ctx.Done()
	for {
		select {
		case err := <-r.ended:
			if why := ctx.Err(); err != nil && why != nil && !errors.Is(err, why) {
				return errors.Join(err, why) // why the group was given up
			}
			return err
		case group := <-r.starts:
			g.together(ctx, group)
		case <-late.C:
			g.startWaiting()
			late.Reset(wait)
		case <-given:
			if g.leave(r) {
				return ctx.Err()
			}
			given = nil // it is in a group: that ends soon
		}
	}
}

// next hands the place of a transaction that ended to those that wait.
func (g *groupCommit) next() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	if len(g.waiting) > 0 {
		g.start()
	}
}

// startWaiting starts a group of those that wait although no transaction has ended.
func (g *groupCommit) startWaiting() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) > 0 {
		g.start()
	}
}

// start gives the first that waits a group of all that fit. The lock is held.
func (g *groupCommit) start() {
	bytes, n := 0, 0
	for n < len(g.waiting) && n < maxGroupSize {
		if bytes += g.waiting[n].bytes; n > 0 && bytes > maxGroupBytes {
			break
		}
		n++
	}
	group := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	g.running++
	group[0].starts <- group
}

// leave takes a request out that nobody waits for any more. It reports false when it is in a
// group.
func (g *groupCommit) leave(r *request) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, r)
	if i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
	return i >= 0
}

// together writes all requests of a group, and tells each how that ended.
func (g *groupCommit) together(ctx context.Context, group []*request) {
	result := errNoEnd
	defer g.next()
	defer func() {
		for _, r := range group {
			r.ended <- result
		}
	}()
	group = slices.DeleteFunc(group, func(r *request) bool {
		err := r.ctx.Err()
		if err != nil {
			r.ended <- err
		}
		return err != nil
	})
	if len(group) == 0 {
		return
	}
	// It lasts no longer than any of the callers would wait.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	for _, r := range group {
		defer context.AfterFunc(r.ctx, cancel)() //nolint:contextcheck // each caller's own
	}
	result = g.send(ctx, group)
	switch {
	case result == nil || len(group) == 1:
	case nothingWritten(result):
		result = errAlone
	default:
		g.remember(group)
	}
}

// forget says that a request came to an end that had no answer.
func (g *groupCommit) forget(key uuid.UUID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.troubled, key)
}

// remember notes that a group had no answer.
func (g *groupCommit) remember(group []*request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.troubled == nil || len(g.troubled) > maxTroubled {
		g.troubled = map[uuid.UUID]struct{}{}
	}
	for _, r := range group {
		g.troubled[r.key()] = struct{}{}
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
func (s *Store) send(ctx context.Context, group []*request) error {
	connection, err := s.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("waiting for a connection: %w", err)
	}
	defer connection.Release() // closes it if a transaction is still open
	// Two transactions that meet lock the rows of their leases in the same order.
	slices.SortStableFunc(group, func(a, b *request) int { return cmp.Compare(a.lease.Partition, b.lease.Partition) })
	last := &pgx.Batch{}
	if len(group) > 1 {
		last.Queue("select set_config('lock_timeout', $1, true)", milliseconds(groupLocks))
	}
	copying, err := sendFresh(ctx, connection, last, group)
	if err != nil {
		return err
	}
	for _, r := range group {
		if r.plan != nil {
			r.plan.queue(last)
		}
		queueAttempts(last, r.attempts)
	}
	for _, r := range group {
		if r.plan != nil {
			queueFence(last, r.lease, r.previous, r.plan.tx)
		}
	}
	if copying {
		last.Queue("commit")
	}
	// Without an explicit BEGIN what is sent together is one transaction.
	return unsendable(connection.SendBatch(ctx, last).Close(), connection.Conn())
}

// sendFresh copies the new rows, or inserts few of them with the rest.
func sendFresh(ctx context.Context, connection *pgxpool.Conn, last *pgx.Batch, group []*request) (copying bool, err error) {
	var fresh []row
	for _, r := range group {
		if r.plan == nil {
			continue
		}
		r.plan.missing, r.plan.sizes = 0, nil // of a group before, which wrote nothing
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
