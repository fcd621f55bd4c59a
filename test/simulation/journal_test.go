package simulation

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// journal is what happened, a line each. A nil text keeps nothing.
type journal struct {
	began time.Time

	mu   sync.Mutex
	kept bool
	logs bool // the workers' own logs too, whose ids are random
	text strings.Builder
}

func (j *journal) add(who, what, detail string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.kept {
		fmt.Fprintf(&j.text, "%14.9f %-8s %s %s\n", time.Since(j.began).Seconds(), who, what, detail)
	}
}

func (j *journal) outcome(who, call, detail string, err error) {
	if err != nil {
		detail += ": " + err.Error()
	}
	j.add(who, call, detail)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// handler takes the workers' logs.
func (j *journal) handler() slog.Handler {
	if !j.kept || !j.logs {
		return slog.DiscardHandler
	}
	return slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
}

// Write is for the handler.
func (j *journal) Write(line []byte) (int, error) {
	j.add("", strings.TrimSpace(string(line)), "")
	return len(line), nil
}
