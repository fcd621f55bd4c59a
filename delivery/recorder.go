package delivery

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// recorder writes jobs, one at a time, on a goroutine of its own. It touches nothing of the
// loop's: what a job needs is in the job, what came of it is reported.
type recorder struct {
	storeCalls
	resolver  *resolver
	mirror    witness
	commits   int64        // of the partition
	trouble   trouble      // the loop shows it
	refusedAt atomic.Int64 // when the store refused a row last, in nanoseconds; the loop looks at it
}

func newRecorder(cfg *Config, log *slog.Logger, resolver *resolver, calls *calls, resumption *ledger.Resumption) *recorder {
	r := &recorder{storeCalls: storeCalls{cfg: cfg, log: log}, resolver: resolver, commits: resumption.Commits}
	r.mirror.cfg, r.mirror.log, r.mirror.calls = cfg, log, calls
	r.mirror.turn = make(chan struct{}, 1)
	r.mirror.sent = cfg.Noted
	if cfg.Noted.Transaction != uuid.Nil {
		// The owner before may still be late with a note of its own.
		r.mirror.noted = append([]uuid.UUID{cfg.Noted.Transaction, resumption.Sent}, resumption.Noted...)
		r.mirror.noted = r.mirror.noted[:min(len(r.mirror.noted), maxTries)]
	}
	return r
}

// handOver gives the collected job to the recorder when it is free.
func (e *Engine) handOver() {
	if e.jobs.recording || e.jobs.next.empty() {
		return
	}
	current := e.jobs.next
	e.jobs.next = &job{}
	e.writeVersions(current)
	current.dropSentFromWaiting()
	current.tx.ID = uuid.New()
	current.tx.Partition = e.cfg.Lease.Partition
	current.tx.Slowest = e.life.slowest
	current.generation = e.tracker.generation
	current.tx.Noted = e.recorder.mirror.known()
	ranges, anchor := e.tracker.record(current.positions)
	current.tx.Recorded = ranges
	if anchor != nil {
		current.tx.Anchor = anchor
	}
	e.jobs.recording = true
	e.spawn(func(ctx context.Context) { e.runJob(ctx, current) })
}

// runJob runs on its own goroutine; at most one does at a time.
func (e *Engine) runJob(ctx context.Context, j *job) {
	if err := e.recorder.doJob(ctx, j); err != nil {
		e.calls.report(ctx, func() { e.fail(err) })
		return
	}
	e.calls.report(ctx, func() { e.onWritten(j) })
}

// onWritten lets everything go on that waited for the job.
func (e *Engine) onWritten(j *job) {
	e.jobs.recording = false
	if j.verify || j.needsCommit() {
		e.jobs.lastProof = time.Now()
	}
	e.memory.addLeaving(-j.leaving)
	e.jobs.isolated = j.found
	e.takeOut(j)
	for _, done := range j.done {
		done()
	}
	e.jobs.isolated = nil
	for _, l := range j.loads {
		l.then(l)
	}
}

func (r *recorder) doJob(ctx context.Context, j *job) error {
	if j.needsCommit() {
		if err := r.write(ctx, j); err != nil {
			return err
		}
		if j.sent != uuid.Nil {
			if err := r.mirror.noteSent(ctx, ledger.Sent{Transaction: j.sent, Commits: r.commits, Slowest: j.tx.Slowest}, j.tx.Claims); err != nil {
				return err
			}
		}
	} else if j.verify {
		err := r.retryStore(ctx, "look for the last commit", func(ctx context.Context) error {
			return r.cfg.Store.Verify(ctx, r.cfg.Lease)
		})
		if err != nil {
			return err
		}
	}
	for _, state := range j.accounts {
		err := r.retryStore(ctx, "save account state", func(ctx context.Context) error {
			_, err := r.cfg.Store.SaveAccount(ctx, state)
			return err
		})
		switch {
		case errors.Is(err, ledger.ErrRejected): // the engine goes by its own memory
			r.log.ErrorContext(ctx, "the database refuses the state of an account: account_status does not show it",
				slog.String("account", state.Account), slog.Any("error", err))
		case err != nil:
			return err
		}
	}
	for _, l := range j.loads {
		err := r.retryStore(ctx, "read waiting mutations", func(ctx context.Context) error {
			page, err := r.cfg.Store.Waiting(ctx, l.lane, l.after, l.limit)
			l.page = page
			return err
		})
		if err != nil {
			return err
		}
		if err := r.prepare(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// prepare looks through a page that was read.
func (r *recorder) prepare(ctx context.Context, l *load) (err error) {
	var keys []catalog.ItemKey
	if damaged := l.page.Damaged; len(damaged) > 0 {
		r.log.ErrorContext(ctx, "waiting rows cannot be read: their mutations are dead letters, and everything else goes on",
			slog.String("account", l.lane.Account), slog.Int("rows", len(damaged)),
			slog.String("mutation_id", damaged[0].Mutation.ID), slog.String("problem", damaged[0].Problem.Text))
		l.refused = append(l.refused, damaged...)
	}
	l.page.Mutations = slices.DeleteFunc(l.page.Mutations, func(m *catalog.Mutation) bool {
		m.HasWaitingRow = true
		if !l.check {
			return false
		}
		waited := !m.Checked
		problem := r.resolver.check(ctx, m)
		switch {
		case problem != nil:
			l.refused = append(l.refused, ledger.InvalidMutation{Mutation: m, Problem: *problem})
		case waited && weighed(m):
			if l.unweighed == nil {
				l.unweighed = map[*catalog.Mutation]bool{}
			}
			l.unweighed[m] = true
			keys = append(keys, m.Key())
		}
		return problem != nil
	})
	l.versions, _, err = r.versionsOf(ctx, keys)
	return err
}
