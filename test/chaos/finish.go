package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/catalog-courier/catalog-courier/test/evidence"
	"github.com/catalog-courier/catalog-courier/test/oracle"
)

const (
	// drainPatience is how long it may take, with all faults over, until everything
	// is final: an account whose token was refused twice rests for half a minute.
	drainPatience = 4 * time.Minute
	lookEvery     = 500 * time.Millisecond
	tellEvery     = 10 * time.Second
)

// progress is how far all mutations are, of the messages that the stream holds.
type progress struct {
	evidence.Progress

	held int
}

func (p progress) String() string {
	return fmt.Sprintf("%d rows for %d messages, %d batches open, %d mutations waiting", p.Rows, p.held, p.OpenBatches, p.Waiting)
}

// drain waits until everything that was published is final.
func (r *run) drain(ctx context.Context) error {
	if err := r.fleet.restartAll(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, drainPatience)
	defer cancel()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	told, last := time.Now(), progress{}
	for {
		now, err := r.look(ctx)
		if err == nil {
			last = now
		}
		if err == nil && now.Done(now.held) {
			done, err := r.complete(ctx)
			if err != nil {
				return err
			}
			if done {
				return nil
			}
		}
		if time.Since(told) > tellEvery {
			r.logf("%v", errors.Join(fmt.Errorf("%s", now), err)) //nolint:err113 // a line for people
			told = time.Now()
		}
		select {
		case <-ctx.Done():
			r.violatef("I1", "not everything became final within %s: %s", drainPatience, last)
			return nil
		case <-ticker.C:
		}
	}
}

func (r *run) look(ctx context.Context) (p progress, err error) {
	if p.Progress, err = evidence.ReadProgress(ctx, r.database.pool); err != nil {
		return p, err
	}
	stream, err := r.producer.js.Stream(ctx, r.settings.NATS.Stream.Name)
	if err != nil {
		return p, err
	}
	p.held = int(stream.CachedInfo().State.Msgs) //nolint:gosec // far below the limit
	return p, nil
}

// complete reports that every message of the stream has a row; rows may also be
// those of messages that the stream has no more.
func (r *run) complete(ctx context.Context) (bool, error) {
	rows, err := evidence.Statuses(ctx, r.database.pool)
	if err != nil {
		return false, err
	}
	stream, err := evidence.Messages(ctx, r.producer.js, r.settings.NATS.Stream.Name)
	if err != nil {
		return false, err
	}
	seen := make(map[oracle.Key]bool, len(rows))
	untold, err := evidence.Untold(ctx, r.database.pool)
	if err != nil || untold > 0 {
		return false, err
	}
	for _, row := range rows {
		seen[keyOf(row.Position.Sequence, row.Position.Line, row.MutationID)] = true
	}
	for _, arrival := range stream {
		if !seen[keyOf(arrival.Mutation.Position.Sequence, arrival.Mutation.Position.Line, arrival.Mutation.ID)] {
			return false, nil
		}
	}
	return true, nil
}

// finish stops the workers and reads what the run is judged by.
func (r *run) finish(ctx context.Context) (*history, error) {
	for _, slot := range r.fleet.slots {
		c := &faultContext{run: r, ctx: ctx}
		if _, err := c.stop(slot); err != nil {
			continue // noted as a violation
		}
	}
	for _, surprise := range r.fleet.surprises {
		r.violatef("stop", "%s", surprise)
	}
	h := &history{
		settings: r.settings, acks: r.producer.acks(), sites: r.platforms.sites,
		rewound: r.rewound, restored: r.restored, calm: r.calm, told: true,
	}
	var err error
	if h.rows, err = evidence.Statuses(ctx, r.database.pool); err != nil {
		return nil, err
	}
	if h.events, err = evidence.Events(ctx, r.producer.js); err != nil {
		return nil, err
	}
	h.stream, err = evidence.Messages(ctx, r.producer.js, r.settings.NATS.Stream.Name)
	return h, errors.Join(err, r.searchSecrets())
}

// searchSecrets is I7, for the logs.
func (r *run) searchSecrets() error {
	for _, slot := range r.fleet.everybody() {
		log, err := os.ReadFile(slot.log)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		r.violations = append(r.violations, oracle.SearchSecrets("the log "+slot.log, log, secrets())...)
	}
	return nil
}
