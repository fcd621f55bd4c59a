package persistence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// RunState is how far a run of a source is.
type RunState string

// The states of runs; those from RunDone on are final.
const (
	RunReading    RunState = "reading"
	RunPublishing RunState = "publishing"
	// RunDone is a run that sent all it found.
	RunDone RunState = "done"
	// RunUnchanged is a run whose source was not changed since the last one.
	RunUnchanged RunState = "unchanged"
	// RunWithheld is a run that sent all but deletes, which wait for an approval.
	RunWithheld RunState = "withheld"
	// RunStopped is a run that sent nothing, as the guard stopped it.
	RunStopped RunState = "stopped"
	// RunFailed is a run that could not read its source, or not publish.
	RunFailed RunState = "failed"
	// RunAbandoned is a run whose process ended.
	RunAbandoned RunState = "abandoned"
)

// SourceRun is what is kept of a run.
type SourceRun struct {
	ID         int64
	State      RunState
	SnapshotAt time.Time
	BytesRead  int64
	ItemsRead  int64
	ToPublish  int64
	Published  int64
	// Counts and Findings are JSON: an object for each route, and a bounded list.
	Counts, Findings json.RawMessage
	// Reason says why the run ended as it did; "" of one that did all.
	Reason   string
	Finished bool
}

// StartRun makes the row of a run. Earlier runs of the source that never ended are abandoned.
// trigger says what started it, approved how many deletes somebody approved. The error is
// ErrHoldLost when the token's hold is over.
func (s *Sources) StartRun(ctx context.Context, source int32, token int64, trigger string, approved int) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	id, err := s.query.StartSourceRun(ctx, query.StartSourceRunParams{
		Source: source, Token: token, Trigger: trigger, Approved: int32(approved), //nolint:gosec // G115: a count of items
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, ErrHoldLost
	}
	if err != nil {
		return 0, fmt.Errorf("start the run: %w", err)
	}
	return id, nil
}

// SaveRun writes how far a run is. The error is ErrHoldLost when the run is over: another
// runner abandoned it.
func (s *Sources) SaveRun(ctx context.Context, run SourceRun) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	list := func(raw json.RawMessage) []byte {
		if raw == nil {
			return []byte("[]")
		}
		return raw
	}
	saved, err := s.query.UpdateSourceRun(ctx, query.UpdateSourceRunParams{
		ID: run.ID, State: string(run.State), SnapshotAt: pointer(run.SnapshotAt), BytesRead: run.BytesRead, ItemsRead: run.ItemsRead,
		ToPublish: run.ToPublish, Published: run.Published, Counts: list(run.Counts), Findings: list(run.Findings),
		Reason: pointer(run.Reason), Finished: run.Finished,
	})
	if err != nil {
		return fmt.Errorf("write the run: %w", err)
	}
	if saved == 0 {
		return ErrHoldLost
	}
	return nil
}

// FinishSource notes a snapshot that was worked through, and with which mappings. The error
// is ErrHoldLost when the token's hold is over.
func (s *Sources) FinishSource(ctx context.Context, source Source, token int64) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	done, err := s.query.FinishSource(ctx, query.FinishSourceParams{
		ID: source.ID, Token: token, SnapshotAt: source.SnapshotAt, Fingerprint: pointer(source.Fingerprint),
	})
	if err != nil {
		return fmt.Errorf("note the snapshot: %w", err)
	}
	if done == 0 {
		return ErrHoldLost
	}
	for _, route := range source.Routes {
		if err := s.query.SaveMappingRevision(ctx, query.SaveMappingRevisionParams{ID: route.ID, MappingRevision: route.MappingRevision}); err != nil {
			return fmt.Errorf("note the mapping: %w", err)
		}
	}
	return nil
}

// RunOf reads what an approval of a run needs: its source and how it ended.
func (s *Sources) RunOf(ctx context.Context, id int64) (source string, state RunState, counts json.RawMessage, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	row, err := s.query.SourceRun(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", "", nil, fmt.Errorf("%w: %d", ErrNoSuchRun, id)
	}
	if err != nil {
		return "", "", nil, fmt.Errorf("read the run: %w", err)
	}
	return row.Name, RunState(row.State), row.Counts, nil
}

// retention is how long what is over is kept.
const (
	goneFor       = 30 * 24 * time.Hour
	runsFor       = 90 * 24 * time.Hour
	forgetAtATime = 10_000
)

// Forget deletes what is over: items that are gone for 30 days, runs of 90 days ago (not
// the last of a source), and webhook deliveries of deliveriesFor ago. A call deletes a
// bounded number of rows; more says that there are others.
func (s *Sources) Forget(ctx context.Context, routes []int32, deliveriesFor time.Duration) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	for _, route := range routes {
		forgotten, err := s.query.ForgetGoneItems(ctx, query.ForgetGoneItemsParams{Route: route, Seconds: goneFor.Seconds(), Lim: forgetAtATime})
		if err != nil {
			return false, fmt.Errorf("forget deleted items: %w", err)
		}
		more = more || forgotten == forgetAtATime
	}
	forgotten, err := s.query.ForgetWebhooks(ctx, query.ForgetWebhooksParams{Seconds: deliveriesFor.Seconds(), Lim: forgetAtATime})
	if err != nil {
		return false, fmt.Errorf("forget webhook deliveries: %w", err)
	}
	more = more || forgotten == forgetAtATime
	if forgotten, err = s.query.ForgetSourceRuns(ctx, query.ForgetSourceRunsParams{Seconds: runsFor.Seconds(), Lim: forgetAtATime}); err != nil {
		return false, fmt.Errorf("forget runs: %w", err)
	}
	return more || forgotten == forgetAtATime, nil
}
