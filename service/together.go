package service

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// togetherWithin is for how long the first of several partitions waits at most until its
// errors are said.
const togetherWithin = 5 * time.Second

// together says once what happened to many partitions for one reason: a stream or a database
// that was restored concerns all of them at the same time. It is safe for concurrent use.
type together struct {
	log *slog.Logger

	mu      sync.Mutex
	waiting map[string]*gathered
}

// gathered is what happened to some partitions.
type gathered struct {
	began      time.Time
	partitions []int
	quiet      time.Duration
	say        *time.Timer
}

func newTogether(log *slog.Logger) *together {
	return &together{log: log, waiting: map[string]*gathered{}}
}

// add says soon that it happened to the partition, and what it has to do with it in detail at
// once, for who looks for that. quiet is how long nothing is sent; 0 where that does not stop.
func (t *together) add(ctx context.Context, what string, partition int, quiet time.Duration, details ...slog.Attr) {
	t.log.LogAttrs(ctx, slog.LevelDebug, what, append([]slog.Attr{slog.Int("partition", partition)}, details...)...) //nolint:sloglint // the callers' constants
	t.mu.Lock()
	defer t.mu.Unlock()
	g := t.waiting[what]
	if g == nil {
		later := context.WithoutCancel(ctx)
		g = &gathered{began: time.Now()}
		g.say = time.AfterFunc(settling, func() { t.say(later, what) })
		t.waiting[what] = g
	} else if time.Since(g.began) < togetherWithin-settling {
		g.say.Reset(settling)
	}
	g.partitions, g.quiet = append(g.partitions, partition), max(g.quiet, quiet)
}

func (t *together) say(ctx context.Context, what string) {
	t.mu.Lock()
	g := t.waiting[what]
	delete(t.waiting, what)
	t.mu.Unlock()
	if g == nil {
		return // said already
	}
	slices.Sort(g.partitions)
	attributes := []slog.Attr{slog.Int("partitions", len(g.partitions)), slog.Any("which", slices.Compact(g.partitions))}
	if g.quiet > 0 {
		attributes = append(attributes, slog.Duration("nothing_is_sent_for", g.quiet))
	}
	t.log.LogAttrs(ctx, slog.LevelError, what, attributes...) //nolint:sloglint // the callers' constants
}

// close says what waits.
func (t *together) close(ctx context.Context) {
	t.mu.Lock()
	waiting := make([]string, 0, len(t.waiting))
	for what, g := range t.waiting {
		g.say.Stop()
		waiting = append(waiting, what)
	}
	t.mu.Unlock()
	for _, what := range waiting {
		t.say(ctx, what)
	}
}
