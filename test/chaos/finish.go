package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	// drainPatience is how long it may take, with all faults over, until everything
	// is final: an account whose token was refused twice rests for half a minute.
	drainPatience = 4 * time.Minute
	lookEvery     = 500 * time.Millisecond
	tellEvery     = 10 * time.Second
)

// progress is what can be told cheaply of all mutations.
type progress struct{ rows, open, waiting, held int }

func (p progress) String() string {
	return fmt.Sprintf("%d rows for %d messages, %d batches open, %d mutations waiting", p.rows, p.held, p.open, p.waiting)
}

// drain waits until everything that was published is final.
func (t *trial) drain(ctx context.Context) error {
	if err := t.fleet.revive(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, drainPatience)
	defer cancel()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	told, last := time.Now(), progress{}
	for {
		now, err := t.look(ctx)
		if err == nil {
			last = now
		}
		if err == nil && now.rows >= now.held && now.open == 0 && now.waiting == 0 {
			done, err := t.complete(ctx)
			if err != nil {
				return err
			}
			if done {
				return nil
			}
		}
		if time.Since(told) > tellEvery {
			t.sayf("%v", errors.Join(fmt.Errorf("%s", now), err)) //nolint:err113 // a line for people
			told = time.Now()
		}
		select {
		case <-ctx.Done():
			t.violatef("I1", "not everything became final within %s: %s", drainPatience, last)
			return nil
		case <-ticker.C:
		}
	}
}

func (t *trial) look(ctx context.Context) (p progress, err error) {
	err = t.database.pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM courier.mutation),
		(SELECT count(*) FROM courier.batch WHERE finished_at IS NULL),
		(SELECT count(*) FROM courier.waiting)`).Scan(&p.rows, &p.open, &p.waiting)
	if err != nil {
		return p, err
	}
	stream, err := t.producer.js.Stream(ctx, t.settings.NATS.Stream.Name)
	if err != nil {
		return p, err
	}
	p.held = int(stream.CachedInfo().State.Msgs) //nolint:gosec // far below the limit
	return p, nil
}

// complete reports that every message of the stream has a row; rows may also be
// those of messages that the stream has no more.
func (t *trial) complete(ctx context.Context) (bool, error) {
	rows, err := readRows(ctx, t.database.pool)
	if err != nil {
		return false, err
	}
	stream, err := readStream(ctx, t.producer.js, t.settings.NATS.Stream.Name)
	if err != nil {
		return false, err
	}
	seen := make(map[place]bool, len(rows))
	for _, r := range rows {
		seen[r.place()] = true
	}
	for _, arrival := range stream {
		if !seen[place{arrival.Mutation.Position.Sequence, arrival.Mutation.ID}] {
			return false, nil
		}
	}
	return true, nil
}

// finish stops the workers and reads what the trial is judged by.
func (t *trial) finish(ctx context.Context) (*history, error) {
	for _, seat := range t.fleet.seats {
		s := &striker{trial: t, ctx: ctx}
		if _, err := s.stop(seat); err != nil {
			continue // noted as a violation
		}
	}
	for _, surprise := range t.fleet.surprises {
		t.violatef("stop", "%s", surprise)
	}
	for _, site := range t.platforms.sites {
		if pending := site.Pending(); pending > 0 {
			t.violatef("I1", "%s has %d batches that are not applied yet, though all is said to be final", site.name, pending)
		}
	}
	h := &history{
		settings: t.settings, acks: t.producer.acks(), sites: t.platforms.sites,
		rewound: t.rewound, restored: t.restored, calm: t.calm,
	}
	var err error
	if h.rows, err = readRows(ctx, t.database.pool); err != nil {
		return nil, err
	}
	h.stream, err = readStream(ctx, t.producer.js, t.settings.NATS.Stream.Name)
	return h, errors.Join(err, t.searchSecrets())
}

// searchSecrets is I7, for the logs.
func (t *trial) searchSecrets() error {
	for _, seat := range t.fleet.everybody() {
		log, err := os.ReadFile(seat.log)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, secret := range secrets() {
			if bytes.Contains(log, []byte(secret)) {
				t.violatef("I7", "the log %s holds a secret", seat.log)
			}
		}
	}
	return nil
}
