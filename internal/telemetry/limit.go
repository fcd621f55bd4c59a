package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// limitWindow is how long lines of a kind are counted together.
	limitWindow = time.Minute
	// limitOfAccount is how many warnings of one kind are logged for one account in a
	// window, and limitOfKind for all together: producers choose the names of accounts.
	limitOfAccount = 5
	limitOfKind    = 100
	// maxKinds bounds what is remembered.
	maxKinds = 10_000
)

// limited logs the first warnings and errors of a kind, and for the rest of a minute
// only counts them: one producer can cause thousands a second. A kind is a message and
// its level; what is dropped is summed up in one line for each account.
type limited struct {
	slog.Handler
	state   *limitState
	account string // of the attributes that the logger has
}

// kind is what is counted together.
type kind struct {
	message string
	level   slog.Level
	account string
}

type count struct {
	seen    int
	dropped int
	last    slog.Record
	handler slog.Handler
}

type limitState struct {
	mu     sync.Mutex
	began  time.Time // of the window; by the monotonic clock
	counts map[kind]*count
	all    map[kind]int // logged, of all accounts
	timer  *time.Timer  // ends a window in which something was dropped
}

func newLimited(inner slog.Handler) limited {
	return limited{Handler: inner, state: &limitState{counts: map[kind]*count{}, all: map[kind]int{}}}
}

// Handle implements slog.Handler.
func (h limited) Handle(ctx context.Context, record slog.Record) error {
	if record.Level < slog.LevelWarn {
		return h.Handler.Handle(ctx, record)
	}
	h.state.end(time.Now())        //nolint:contextcheck // a summary belongs to no span
	if !h.state.admit(h, record) { //nolint:contextcheck // as above
		return nil
	}
	return h.Handler.Handle(ctx, record)
}

// admit counts a line and reports whether it is logged.
func (s *limitState) admit(h limited, record slog.Record) bool {
	of := kind{record.Message, record.Level, h.account}
	record.Attrs(func(a slog.Attr) bool {
		if a.Key == "account" {
			of.account = a.Value.String()
		}
		return a.Key != "account"
	})
	ofAll := kind{message: of.message, level: of.level}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all[ofAll] >= limitOfKind || len(s.counts) >= maxKinds && s.counts[of] == nil {
		of = kind{of.message, of.level, "(several)"}
	}
	c := s.counts[of]
	if c == nil {
		c = &count{}
		s.counts[of] = c
	}
	if c.seen++; s.all[ofAll] < limitOfKind && (of.account == "" || c.seen <= limitOfAccount) {
		s.all[ofAll]++
		return true
	}
	c.dropped++
	c.last, c.handler = record.Clone(), h.Handler
	if s.timer == nil {
		s.timer = time.AfterFunc(limitWindow, func() { s.end(time.Now()) })
	}
	return false
}

// end sums up a window that is over, and begins the next.
func (s *limitState) end(now time.Time) {
	s.mu.Lock()
	if s.began.IsZero() {
		s.began = now
	}
	if now.Sub(s.began) < limitWindow {
		s.mu.Unlock()
		return
	}
	over := s.counts
	s.began, s.counts, s.all = now, map[kind]*count{}, map[kind]int{}
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	s.mu.Unlock()
	for of, c := range over {
		if c.dropped == 0 {
			continue
		}
		summary := slog.NewRecord(time.Now(), of.level, "further lines like this one were not logged", 0)
		summary.AddAttrs(slog.String("message", of.message), slog.Int("lines", c.dropped))
		if of.account != "" {
			summary.AddAttrs(slog.String("account", of.account))
		}
		_ = c.handler.Handle(context.Background(), summary) // nobody could be told
	}
}

// WithAttrs implements slog.Handler.
func (h limited) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		if a.Key == "account" {
			h.account = a.Value.String()
		}
	}
	h.Handler = h.Handler.WithAttrs(attrs)
	return h
}

// WithGroup implements slog.Handler.
func (h limited) WithGroup(name string) slog.Handler {
	h.Handler = h.Handler.WithGroup(name)
	return h
}
