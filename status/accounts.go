package status

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/status/internal/query"
)

// maxAccounts, maxWorkers and maxPartitions bound the lists that have no pages.
const (
	maxAccounts   = 10_000
	maxWorkers    = 10_000
	maxPartitions = 65_536
)

// Account is an account of the workers' configuration, and how it is.
type Account struct {
	Name     string `json:"account"`
	Platform string `json:"platform"`
	// State is active, paused, failing, held, throttled or not configured.
	State string `json:"state"`
	// Reason says why it is not active, or why changes wait; Since when that began.
	Reason string     `json:"reason,omitempty"`
	Since  *time.Time `json:"since,omitempty"`
	// Configured says that a running worker has the account in its configuration.
	Configured    bool       `json:"configured"`
	ResumesAt     *time.Time `json:"resumes_at,omitempty"`
	NextAttemptAt *time.Time `json:"next_attempt_at,omitempty"`
	// LastSucceededAt is when the platform last confirmed changes.
	LastSucceededAt *time.Time `json:"last_succeeded_at,omitempty"`
	// InFlightItems were sent and are not finished, in OpenBatches; FailedLastHour are the
	// records that failed within the hour.
	InFlightItems      int64      `json:"in_flight_items"`
	OpenBatches        int64      `json:"open_batches"`
	FailedLastHour     int64      `json:"failed_last_hour"`
	OldestUnfinishedAt *time.Time `json:"oldest_unfinished_at,omitempty"`
	// Quota is what the platform told of its limits, by scope.
	Quota           json.RawMessage `json:"quota,omitempty"`
	WaitingItems    int64           `json:"waiting_items"`
	OldestWaitingAt *time.Time      `json:"oldest_waiting_at,omitempty"`
	PausedByHand    bool            `json:"paused_by_hand"`
	UpdatedAt       time.Time       `json:"updated_at"`
}

// Accounts lists the accounts, by name; with a name, only that one. Without a match the list
// is empty.
func (r *Reader) Accounts(ctx context.Context, name string) ([]Account, error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	names := []string{}
	if name != "" {
		names = append(names, name)
	}
	return r.accounts(ctx, names)
}

// accounts lists the named accounts; with no names, all.
func (r *Reader) accounts(ctx context.Context, names []string) ([]Account, error) {
	rows, err := r.query.Accounts(ctx, query.AccountsParams{Names: names, Lim: maxAccounts})
	if err != nil {
		return nil, read("the accounts", err)
	}
	list := make([]Account, len(rows))
	for i, row := range rows {
		list[i] = Account{
			Name: row.Account, Platform: row.Platform, State: row.State, Reason: row.Reason, ResumesAt: row.ResumesAt, Quota: row.Quota,
			Since: row.Since, Configured: row.Configured, NextAttemptAt: row.NextAttemptAt, LastSucceededAt: row.LastSucceededAt,
			InFlightItems: row.InFlightItems, OpenBatches: row.OpenBatches, FailedLastHour: row.FailedLastHour, OldestUnfinishedAt: row.OldestUnfinishedAt,
			WaitingItems: row.WaitingItems, OldestWaitingAt: row.OldestWaitingAt, PausedByHand: row.PausedByHand, UpdatedAt: row.UpdatedAt,
		}
	}
	return list, nil
}

// platforms are the platforms of the accounts.
func (r *Reader) platforms(ctx context.Context) (map[string]string, error) {
	rows, err := r.query.Platforms(ctx, maxAccounts)
	if err != nil {
		return nil, read("the platforms of the accounts", err)
	}
	platforms := make(map[string]string, len(rows))
	for _, row := range rows {
		platforms[row.Account] = row.Platform
	}
	return platforms, nil
}

// Worker is a worker that runs, or ended without saying so: SeenAt tells.
type Worker struct {
	ID   uuid.UUID `json:"worker_id"`
	Name string    `json:"name"`
	// Draining says that it finishes what it began and takes nothing new.
	Draining  bool      `json:"draining"`
	StartedAt time.Time `json:"started_at"`
	// SeenAt is the time of its last heartbeat, by the database's clock.
	SeenAt time.Time `json:"seen_at"`
	// Partitions is how many partitions of the stream it has.
	Partitions int `json:"partitions"`
}

// Partition is a partition of the stream.
type Partition struct {
	Number int `json:"partition"`
	// WorkerID is the worker that has it; nil while none does.
	WorkerID   *uuid.UUID `json:"worker_id,omitempty"`
	WorkerName string     `json:"worker_name,omitempty"`
	// WantedBy is a worker that waits for it to be handed over.
	WantedBy *uuid.UUID `json:"wanted_by,omitempty"`
	// Place is the place in the stream up to which everything is recorded, and
	// RecordedUpTo when that message was published; nil before the first one.
	Place        Place      `json:"place"`
	RecordedUpTo *time.Time `json:"recorded_up_to,omitempty"`
	// Commits counts the transactions of the partition.
	Commits int64 `json:"commits"`
	// OpenBatches are being sent, or wait for the platform.
	OpenBatches int64 `json:"open_batches"`
}

// Workers lists the workers, the oldest first, and the partitions by number.
func (r *Reader) Workers(ctx context.Context) ([]Worker, []Partition, error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	found, err := r.query.Workers(ctx, maxWorkers)
	if err != nil {
		return nil, nil, read("the workers", err)
	}
	parts, err := r.query.Partitions(ctx, maxPartitions)
	if err != nil {
		return nil, nil, read("the partitions", err)
	}
	workers := make([]Worker, len(found))
	for i, row := range found {
		workers[i] = Worker{
			ID: row.WorkerID, Name: row.Name, Draining: row.Draining, StartedAt: row.StartedAt, SeenAt: row.SeenAt, Partitions: int(row.Partitions),
		}
	}
	partitions := make([]Partition, len(parts))
	for i, row := range parts {
		partitions[i] = Partition{
			Number: int(row.Partition), WorkerID: row.WorkerID, WorkerName: row.WorkerName, WantedBy: row.WantedBy,
			Place: placeOf(int32(row.StreamGeneration), row.StreamSequence, 0), RecordedUpTo: row.RecordedUpTo, //nolint:gosec // counts rewinds
			Commits: row.Commits, OpenBatches: row.OpenBatches,
		}
	}
	return workers, partitions, nil
}

// Source is a route of a source, and Run a run of one.
type (
	Source = persistence.SourceStatus
	Run    = persistence.RunRow
)

// Sources lists the routes of the sources that enqueue reads.
func (r *Reader) Sources(ctx context.Context) ([]Source, error) {
	return persistence.NewSources(r.pool, r.config.Timeout).Status(ctx)
}

// Runs lists the runs of a source, the newest first; source "" means those of all. limit 0
// means DefaultPage.
func (r *Reader) Runs(ctx context.Context, source string, limit int) ([]Run, error) {
	return persistence.NewSources(r.pool, r.config.Timeout).Runs(ctx, source, int(page(limit)))
}
