package service

import (
	"bytes"
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/queue"
)

// silentQueue is a stream that answers nothing, or nothing but how far it reaches.
type silentQueue struct {
	Queue

	states atomic.Int64
	full   bool // State answers
}

func silence(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func (q *silentQueue) State(ctx context.Context) (queue.LogState, error) {
	q.states.Add(1)
	if q.full {
		return queue.LogState{Bytes: 9, Limit: 10}, nil
	}
	return queue.LogState{}, silence(ctx)
}

func (*silentQueue) Identity(ctx context.Context) (ledger.StreamIdentity, error) {
	return ledger.StreamIdentity{}, silence(ctx)
}

func maintained(log *bytes.Buffer, q *silentQueue) *worker {
	w := &worker{
		config: &config.Config{}, log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		observer: newObserver(&config.Config{}, nil), identity: ledger.StreamIdentity{Stream: "one"},
	}
	w.deps = Dependencies{Queue: q, Retain: silence, Resolve: func(ctx context.Context, _ int64) (int64, error) { return 0, silence(ctx) }}
	return w
}

// TestMaintenanceThatRunsOutOfTimeIsLogged: and what ends with the partition is not.
func TestMaintenanceThatRunsOutOfTimeIsLogged(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]func(*worker, context.Context){
		"mark":    (*worker).mark,
		"trim":    (*worker).trim,
		"retain":  (*worker).retain,
		"resolve": func(w *worker, ctx context.Context) { w.resolve(ctx, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				w := maintained(&log, &silentQueue{})
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				step(w, ctx)
				require.Empty(t, log.String())
				step(w, t.Context())
				require.Contains(t, log.String(), context.DeadlineExceeded.Error())
			})
		})
	}
}

// TestSlowMaintenanceDelaysNoOther: while old rows cannot be retired it is still looked how
// full the stream is.
func TestSlowMaintenanceDelaysNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		q := &silentQueue{full: true}
		w := maintained(&log, q)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			w.runMaintenance(ctx, ledger.Lease{})
		}()
		time.Sleep(markInterval + time.Second)
		require.EqualValues(t, 2, q.states.Load())
		require.EqualValues(t, 9, w.observer.snapshot().Stream.Bytes)
		cancel()
		<-ended
		require.Zero(t, w.observer.snapshot().Stream, "the next owner says it")
	})
}
