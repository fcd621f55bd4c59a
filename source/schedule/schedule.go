// Package schedule runs sources when they are due: each feed every so often, by one process
// of all that have the schedule.
package schedule

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/source/run"
)

// Job is a source that runs by itself.
type Job struct {
	Source run.Source
	// Every is the time between the beginnings of two runs.
	Every time.Duration
}

// Store says when a source ran: *persistence.Sources.
type Store interface {
	StartedAgo(ctx context.Context, source string) (ago time.Duration, never bool, err error)
}

// Schedule runs jobs until its context ends.
type Schedule struct {
	Jobs []Job
	// Run runs a source to its end: Runner.Run.
	Run    func(ctx context.Context, source run.Source, request run.Request) (run.Result, error)
	Store  Store
	Logger *slog.Logger
	// Ended hears how each run ended; it may be nil.
	Ended func(source string, state persistence.RunState, took time.Duration)
	// Look is the longest time between two looks whether a source is due. 0 means a minute.
	Look time.Duration
}

// Keep runs each job when it is due, and returns when the context ends and no run is under
// way. Jobs run beside each other, one run of each at a time.
func (s *Schedule) Keep(ctx context.Context) {
	var jobs sync.WaitGroup
	for _, job := range s.Jobs {
		jobs.Go(func() { s.keep(ctx, job) })
	}
	jobs.Wait()
}

// keep runs one job whenever it is due.
func (s *Schedule) keep(ctx context.Context, job Job) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		timer.Reset(s.runIfDue(ctx, job))
	}
}

// runIfDue runs the job when it is due, and says when to look again.
func (s *Schedule) runIfDue(ctx context.Context, job Job) time.Duration {
	look := s.Look
	if look == 0 {
		look = time.Minute
	}
	look = min(look, job.Every)
	ago, never, err := s.Store.StartedAgo(ctx, job.Source.Name)
	if err != nil {
		s.Logger.WarnContext(ctx, "it is not known whether a source is due; it is looked at again", slog.String("source", job.Source.Name), slog.Any("error", err))
		return look
	}
	if wait := job.Every - ago; !never && wait > 0 {
		return min(wait, look) // another process or a command may run it before
	}
	began := time.Now()
	result, err := s.Run(ctx, job.Source, run.Request{Trigger: "schedule"})
	switch {
	case errors.Is(err, persistence.ErrSourceHeld), ctx.Err() != nil:
		return look
	case err != nil:
		s.Logger.WarnContext(ctx, "the run of a source failed; it runs again when it is due", slog.String("source", job.Source.Name), slog.Any("error", err))
		result.State = persistence.RunFailed
	default:
		s.log(ctx, job, result)
	}
	if s.Ended != nil {
		s.Ended(job.Source.Name, result.State, time.Since(began))
	}
	return look
}

func (s *Schedule) log(ctx context.Context, job Job, result run.Result) {
	level := slog.LevelInfo
	switch result.State {
	case persistence.RunWithheld, persistence.RunStopped, persistence.RunInvalid:
		level = slog.LevelWarn
	case persistence.RunUnchanged:
		level = slog.LevelDebug
	default:
	}
	s.Logger.Log(ctx, level, "a run of a source ended",
		slog.String("source", job.Source.Name), slog.Int64("run", result.Run), slog.String("state", string(result.State)),
		slog.Int64("read", result.Read), slog.Int64("published", result.Published), slog.Int("withheld", result.Withheld),
		slog.String("reason", result.Reason))
}
