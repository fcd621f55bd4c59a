package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/publish"
)

const (
	// maxHeld bounds the bytes held before they are published.
	maxHeld = 8 << 20
	// longestHold is how long lines wait for others when no more come.
	longestHold = time.Second
)

// feeder publishes lines in batches, in order, within bounded memory.
type feeder struct {
	publisher publisher
	report    *summary
	shown     *progressBar
	awaited   *waiter // nil: nobody waits

	batch []publish.Publication
	lines []place // of batch
	held  int
	next  place // the line behind the last one taken
	ids   ids
}

// place is where a line stands.
type place struct {
	source string
	number int
	fresh  bool // its id was made here
}

func (p place) String() string { return fmt.Sprintf("%s:%d", legible.Text(p.source), p.number) }

// taken is what the reading goroutine hands over.
type taken struct {
	line  line
	bytes int64
	err   error
}

// all publishes the sources one after the other. Its error says once where it stopped,
// what is not known of, and how to go on.
func (f *feeder) all(ctx context.Context, sources []*input) error {
	for i, s := range sources {
		if err := f.consume(ctx, s); err != nil {
			return f.stopped(err, sources[i:])
		}
	}
	if err := f.flush(ctx); err != nil {
		return f.stopped(err, nil)
	}
	return nil
}

// consume publishes the lines of a source; the last of them stay for the next flush.
func (f *feeder) consume(ctx context.Context, s *input) error {
	f.next = place{source: s.lines.source, number: 1}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	lines := make(chan taken)
	// A read of a pipe cannot be interrupted: then the goroutine ends with the process,
	// or with the writer at the other end.
	go read(ctx, s, lines)
	for {
		next, idle := f.take(ctx, lines)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case idle:
			if err := f.flush(ctx); err != nil {
				return err
			}
			continue
		case errors.Is(next.err, io.EOF):
			if err := s.shortened(); err != nil {
				return f.afterFlush(ctx, err)
			}
			return nil
		case next.err != nil:
			return f.afterFlush(ctx, next.err)
		}
		f.shown.read(next.bytes)
		if err := f.add(ctx, next.line); err != nil {
			return err
		}
	}
}

// read hands over the lines of a source, and as the last thing an error.
func read(ctx context.Context, s *input, lines chan<- taken) {
	hand := func(t taken) bool {
		select {
		case lines <- t:
			return t.err == nil
		case <-ctx.Done():
			return false
		}
	}
	if !s.regular() { // of regular files it is known already
		if err := sniff(s.lines.source, s.lines.in); err != nil {
			hand(taken{err: err})
			return
		}
	}
	for {
		before := s.lines.consumed
		next, err := s.lines.next()
		if !hand(taken{line: next, bytes: s.lines.consumed - before, err: err}) {
			return
		}
	}
}

// take waits for a line; idle when lines are held and no other comes.
func (f *feeder) take(ctx context.Context, lines <-chan taken) (next taken, idle bool) {
	var longest <-chan time.Time
	if len(f.batch) > 0 {
		timer := time.NewTimer(longestHold)
		defer timer.Stop()
		longest = timer.C
	}
	select {
	case next = <-lines:
	case <-longest:
		idle = true
	case <-ctx.Done():
	}
	return next, idle
}

func (f *feeder) add(ctx context.Context, next line) error {
	at := place{next.source, next.number, next.fresh}
	f.next = place{source: next.source, number: next.number + 1}
	if next.refusal != "" {
		f.report.refuse(at, next.refusal)
		return nil
	}
	if clash := f.ids.clash(&next.publication, at); clash != "" {
		f.report.refuse(at, clash)
		return nil
	}
	f.batch = append(f.batch, next.publication)
	f.lines = append(f.lines, at)
	f.held += len(next.publication.Data)
	if len(f.batch) == publish.MaxBatch || f.held >= maxHeld {
		return f.flush(ctx)
	}
	return nil
}

// afterFlush publishes what was read before an error of reading.
func (f *feeder) afterFlush(ctx context.Context, err error) error {
	if failed := f.flush(ctx); failed != nil {
		return errors.Join(failed, err)
	}
	return err
}

// flush publishes what is held. After an error it holds what is not decided.
func (f *feeder) flush(ctx context.Context) error {
	if len(f.batch) == 0 {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	results, err := f.publisher.Publish(ctx, f.batch)
	var open []place
	for i, result := range results {
		if result.Outcome != publish.Refused {
			f.awaited.add(f.batch[i].ID, result, f.lines[i])
		}
		switch {
		case result.Outcome == publish.Stored, result.Outcome == publish.Duplicate && f.lines[i].fresh:
			// Nobody else has an id that was made here: an earlier attempt was stored.
			f.report.Published++
		case result.Outcome == publish.Duplicate:
			f.report.repeat(f.lines[i])
		case err == nil || !errors.Is(err, result.Err):
			f.report.refuse(f.lines[i], result.Err.Error())
		case result.NotStored:
			open = append(open, f.lines[i])
		default:
			f.report.Unknown++
			f.report.lastUnknown = f.lines[i]
			f.report.unknownFresh = f.report.unknownFresh || f.lines[i].fresh
			open = append(open, f.lines[i])
		}
	}
	clear(f.batch)
	f.batch, f.lines, f.held = f.batch[:0], append(f.lines[:0], open...), 0
	if err != nil {
		if stopped, ok := errors.AsType[*publish.StoppedError](err); ok {
			return stopped.Err
		}
		return err
	}
	f.shown.published(f.report.Published + f.report.Duplicate)
	return nil
}

// stopped notes where publishing ended; rest begins with the source that was being read.
func (f *feeder) stopped(err error, rest []*input) error {
	at := f.next
	if len(f.lines) > 0 {
		at = f.lines[0]
	}
	f.report.NotSent = len(f.lines) - f.report.Unknown
	f.report.StoppedAt = &stop{Source: at.source, Line: at.number}
	var text strings.Builder
	switch {
	case errors.Is(err, context.Canceled):
		_, _ = fmt.Fprintf(&text, "publishing was stopped by a signal at %s", at)
	default:
		_, _ = fmt.Fprintf(&text, "publishing stopped at %s: %v", at, err)
	}
	text.WriteString("\nlines before it are published or refused, as the summary counts them")
	if f.report.Unknown > 0 {
		_, _ = fmt.Fprintf(&text, "\n%d lines up to %s were sent without an answer and may be stored", f.report.Unknown, f.report.lastUnknown)
		if f.report.unknownFresh {
			text.WriteString("; those without an id of their own would then be stored twice")
		}
	}
	var names []string
	for i, s := range rest {
		if i > 0 {
			f.report.NotRead = append(f.report.NotRead, s.lines.source)
			names = append(names, legible.Text(s.lines.source))
		}
	}
	if len(names) > 0 {
		text.WriteString("\nnothing of " + strings.Join(names, ", ") + " is published")
	}
	if _, foreign := errors.AsType[*foreignError](err); !foreign {
		_, _ = fmt.Fprintf(&text, "\nto go on, publish the lines from %s on (tail -n +%d)", at, at.number)
	}
	return &stoppedError{text: text.String(), err: err}
}

// stoppedError is the sentence about a stop.
type stoppedError struct {
	text string
	err  error
}

// Error says where and why.
func (e *stoppedError) Error() string { return e.text }

// Unwrap is the cause.
func (e *stoppedError) Unwrap() error { return e.err }
