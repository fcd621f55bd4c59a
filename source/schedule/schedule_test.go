package schedule_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/source/run"
	"github.com/catalog-courier/catalog-courier/source/schedule"
)

// ledger is what processes share: when each source ran, and who runs it now.
type ledger struct {
	mu      sync.Mutex
	started map[string]time.Time
	held    map[string]bool
	away    bool
	runs    []string
	takes   time.Duration
	fails   error
}

func (l *ledger) StartedAgo(_ context.Context, source string) (time.Duration, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away {
		return 0, false, errors.New("the database is away")
	}
	at, known := l.started[source]
	return time.Since(at), !known, nil
}

func (l *ledger) run(_ context.Context, source run.Source, request run.Request) (run.Result, error) {
	l.mu.Lock()
	if l.held[source.Name] {
		l.mu.Unlock()
		return run.Result{}, persistence.ErrSourceHeld
	}
	l.held[source.Name], l.started[source.Name] = true, time.Now()
	l.runs = append(l.runs, source.Name+" by "+request.Trigger)
	l.mu.Unlock()
	time.Sleep(l.takes)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[source.Name] = false
	return run.Result{State: persistence.RunDone}, l.fails
}

func (l *ledger) schedule(ended func(string, persistence.RunState, time.Duration), jobs ...schedule.Job) *schedule.Schedule {
	return &schedule.Schedule{Jobs: jobs, Run: l.run, Store: l, Logger: slog.New(slog.DiscardHandler), Ended: ended}
}

func newLedger() *ledger {
	return &ledger{started: map[string]time.Time{}, held: map[string]bool{}, takes: 10 * time.Second}
}

func job(name string, every time.Duration) schedule.Job {
	return schedule.Job{Source: run.Source{Name: name}, Every: every}
}

// TestOneProcessOfSeveralRunsASource: each source runs as often as its own time says, in
// whichever process looks first.
func TestOneProcessOfSeveralRunsASource(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		ctx, stop := context.WithCancel(t.Context())
		var processes sync.WaitGroup
		for range 3 {
			s := l.schedule(nil, job("shop", time.Hour), job("stock", 10*time.Minute))
			processes.Go(func() { s.Keep(ctx) })
		}
		time.Sleep(3*time.Hour - time.Minute)
		stop()
		processes.Wait()
		counts := map[string]int{}
		for _, name := range l.runs {
			counts[name]++
		}
		require.Equal(t, 3, counts["shop by schedule"])
		require.InDelta(t, 18, counts["stock by schedule"], 1)
	})
}

// TestADatabaseThatIsAwayDelaysRuns: it is asked again, and the run is not left out.
func TestADatabaseThatIsAwayDelaysRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		l.away = true
		ctx, stop := context.WithCancel(t.Context())
		var ended []persistence.RunState
		s := l.schedule(func(_ string, state persistence.RunState, _ time.Duration) { ended = append(ended, state) }, job("shop", 24*time.Hour))
		var process sync.WaitGroup
		process.Go(func() { s.Keep(ctx) })
		time.Sleep(time.Hour)
		require.Empty(t, l.runs)
		l.mu.Lock()
		l.away = false
		l.fails = errors.New("the shop is away")
		l.mu.Unlock()
		time.Sleep(2 * time.Minute)
		stop()
		process.Wait()
		require.Len(t, l.runs, 1)
		require.Equal(t, []persistence.RunState{persistence.RunFailed}, ended)
	})
}
