package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/catalog-courier/catalog-courier/bench/internal/apart"
	"github.com/catalog-courier/catalog-courier/bench/internal/figures"
	"github.com/catalog-courier/catalog-courier/lab/process"
)

// measureBacklog gets everything in, then starts the consumer and waits until Postgres has
// the last status, which is what the rate is of, and until nothing is left to do.
func measureBacklog(ctx context.Context, o options, e entrant, mutations int) (r result, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	r = result{Entrant: e.name, Mutations: mutations, MaxAge: o.maxAge.String(), Load: apart.Load()}
	s, err := startServers(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.Stop()) }() //nolint:contextcheck // cleaning up must not end with ctx
	if err := e.prepare(ctx, s, o); err != nil {
		return r, err
	}
	size, err := stored(ctx, s)
	if err != nil {
		return r, err
	}
	log, err := logged(ctx, s)
	if err != nil {
		return r, err
	}
	if err := getIn(ctx, s, e, &r); err != nil {
		return r, fmt.Errorf("getting in: %w", err)
	}
	if err := drain(ctx, s, o, e, &r); err != nil {
		return r, err
	}
	logAfter, err := logged(ctx, s) // before the VACUUM, which writes too
	if err != nil {
		return r, err
	}
	sizeAfter, err := stored(ctx, s)
	r.Disk, r.WAL = (sizeAfter-size)/r.each(), (logAfter-log)/r.each()
	return r, err
}

// getIn gets the mutations of a run in and measures that.
func getIn(ctx context.Context, s *apart.Servers, e entrant, r *result) error {
	before, err := s.Used(nil)
	if err != nil {
		return err
	}
	_, here, err := apart.SpentHere(func() error { return putAll(ctx, s, e, r.Mutations) })
	if err != nil {
		return err
	}
	after, err := s.Used(nil)
	if err != nil {
		return err
	}
	r.GettingIn = figures.Micro(here+after.Since(before).Total(), r.Mutations)
	if _, err := s.Pool.Exec(ctx, "ANALYZE"); err != nil { // as autovacuum would have, had it had the time
		return err
	}
	apart.Pause(ctx, time.Second) // the broker writes its files
	size, err := s.Stored()
	r.Stream = float64(size) / r.each()
	return err
}

// drain runs the consumer and measures it, its start included.
func drain(ctx context.Context, s *apart.Servers, o options, e entrant, r *result) (err error) {
	before, err := s.Used(nil)
	if err != nil {
		return err
	}
	began := time.Now()
	consumer, err := e.consume(s, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, apart.StopProgram(ctx, consumer)) }()
	if err := awaitLast(ctx, s, o, e, consumer, r); err != nil {
		return err
	}
	took := time.Since(began)
	last, err := s.Used(consumer)
	if err != nil {
		return err
	}
	if err := awaitBehind(ctx, s, o, e, consumer); err != nil {
		return err
	}
	after, err := s.Used(consumer)
	if err != nil {
		return err
	}
	if e.caughtUp != "" {
		r.Behind = figures.Micro(after.Since(last).Total(), r.Mutations)
	}
	r.Seconds, r.Rate = took.Seconds(), r.each()/took.Seconds()
	r.spent(after.Since(before))
	r.Whole = r.Draining + r.GettingIn
	peak, err := process.Peak(consumer.PID())
	r.ConsumerMiB = float64(peak) / (1 << 20)
	return err
}

// awaitLast waits until all mutations have their last status. While the sink lacks items,
// nothing is asked that costs more.
func awaitLast(ctx context.Context, s *apart.Servers, o options, e entrant, consumer *process.Child, r *result) error {
	finished := 0
	err := apart.Until(ctx, o.timeout, consumer, func(ctx context.Context) (bool, error) {
		got, err := s.Counts(ctx)
		if err != nil {
			return false, err
		}
		r.Posts, r.Items = got.Posts, got.Items
		if got.Items < r.Mutations {
			return false, nil
		}
		err = s.Pool.QueryRow(ctx, e.finished).Scan(&finished)
		return finished >= r.Mutations, err
	})
	if err != nil {
		return fmt.Errorf("%d items were posted and %d of %d mutations have their last status: %w", r.Items, finished, r.Mutations, err)
	}
	return nil
}

// awaitBehind waits until the entrant has done what it does behind: that costs too.
func awaitBehind(ctx context.Context, s *apart.Servers, o options, e entrant, consumer *process.Child) error {
	if e.caughtUp == "" {
		return nil
	}
	err := apart.Until(ctx, o.timeout, consumer, func(ctx context.Context) (done bool, err error) {
		err = s.Pool.QueryRow(ctx, e.caughtUp).Scan(&done)
		return done, err
	})
	if err != nil {
		return fmt.Errorf("something is left of what %s does behind: %w", e.name, err)
	}
	return nil
}

// logged is how far Postgres's log has come, in bytes.
func logged(ctx context.Context, s *apart.Servers) (log float64, err error) {
	err = s.Pool.QueryRow(ctx, `SELECT (pg_current_wal_lsn() - '0/0')::float8`).Scan(&log)
	return log, err
}

// stored is the size of the database, in bytes, without the room that a VACUUM gives back.
func stored(ctx context.Context, s *apart.Servers) (size float64, err error) {
	if _, err := s.Pool.Exec(ctx, "VACUUM"); err != nil {
		return 0, err
	}
	err = s.Pool.QueryRow(ctx, `SELECT pg_database_size(current_database())::float8`).Scan(&size)
	return size, err
}
