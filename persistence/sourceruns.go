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

// The states of runs; those from RunPlanned on are final.
const (
	RunReading    RunState = "reading"
	RunPublishing RunState = "publishing"
	// RunPlanned is a run of which only a plan was asked for.
	RunPlanned RunState = "planned"
	// RunDone is a run that sent all it found.
	RunDone RunState = "done"
	// RunUnchanged is a run whose source was not changed since the last one.
	RunUnchanged RunState = "unchanged"
	// RunWithheld is a run that sent all but deletes, which wait for an approval.
	RunWithheld RunState = "withheld"
	// RunInvalid is a run that sent what it could, and found errors in most items of a route.
	RunInvalid RunState = "invalid"
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

// TriggerPlan starts a run that sends nothing: neither the state of a source nor its schedule
// counts it.
const TriggerPlan = "plan"

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
		ID: source.ID, Token: token, SnapshotAt: pointer(source.SnapshotAt), Fingerprint: pointer(source.Fingerprint),
	})
	if err != nil {
		return fmt.Errorf("note the snapshot: %w", err)
	}
	if done == 0 {
		return ErrHoldLost
	}
	for _, route := range source.Routes {
		params := query.SaveSourceRouteParams{ID: route.ID, MappingRevision: route.MappingRevision, GuardKnown: int32(route.GuardKnown)} //nolint:gosec // G115: a count of items
		if err := s.query.SaveSourceRoute(ctx, params); err != nil {
			return fmt.Errorf("note the mapping: %w", err)
		}
	}
	return nil
}

// RunRow is a run as it is shown.
type RunRow struct {
	Run        int64           `json:"run"`
	Source     string          `json:"source"`
	Trigger    string          `json:"trigger"`
	State      RunState        `json:"state"`
	Reason     string          `json:"reason,omitempty"`
	StartedAt  time.Time       `json:"started_at"`
	ProgressAt time.Time       `json:"progress_at"`
	FinishedAt *time.Time      `json:"finished_at"`
	SnapshotAt *time.Time      `json:"snapshot_at"`
	BytesRead  int64           `json:"bytes_read"`
	ItemsRead  int64           `json:"items_read"`
	ToPublish  int64           `json:"to_publish"`
	Published  int64           `json:"published"`
	Approved   int             `json:"approved"`
	Counts     json.RawMessage `json:"routes"`
	Findings   json.RawMessage `json:"findings"`
}

// Runs lists runs, the newest first: of one source, or of all for "".
func (s *Sources) Runs(ctx context.Context, source string, limit int) ([]RunRow, error) {
	return s.runs(ctx, query.SourceRunsParams{Source: source, Lim: int32(limit)}) //nolint:gosec // G115: a page
}

// LastDone reads the newest run of a source that sent all it found. The error is ErrNoSuchRun
// when there is none.
func (s *Sources) LastDone(ctx context.Context, source string) (RunRow, error) {
	rows, err := s.runs(ctx, query.SourceRunsParams{Source: source, State: string(RunDone), Lim: 1})
	if err == nil && len(rows) == 0 {
		err = fmt.Errorf("%w of %q that is done", ErrNoSuchRun, source)
	}
	if err != nil {
		return RunRow{}, err
	}
	return rows[0], nil
}

// Run reads one run. The error is ErrNoSuchRun when there is none.
func (s *Sources) Run(ctx context.Context, id int64) (RunRow, error) {
	rows, err := s.runs(ctx, query.SourceRunsParams{Run: id, Lim: 1})
	if err == nil && (len(rows) == 0 || id == 0) {
		err = fmt.Errorf("%w: %d", ErrNoSuchRun, id)
	}
	if err != nil {
		return RunRow{}, err
	}
	return rows[0], nil
}

func (s *Sources) runs(ctx context.Context, params query.SourceRunsParams) ([]RunRow, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	rows, err := s.query.SourceRuns(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("read the runs: %w", err)
	}
	runs := make([]RunRow, len(rows))
	for i, row := range rows {
		runs[i] = RunRow{
			Run: row.Run, Source: row.Source, Trigger: row.Trigger, State: RunState(row.State), Reason: deref(row.Reason),
			StartedAt: row.StartedAt, ProgressAt: row.ProgressAt, FinishedAt: row.FinishedAt, SnapshotAt: row.SnapshotAt,
			BytesRead: row.BytesRead, ItemsRead: row.ItemsRead, ToPublish: row.ToPublish, Published: row.Published, Approved: int(row.Approved),
			Counts: row.Routes, Findings: row.Findings,
		}
	}
	return runs, nil
}

// StartedAgo says how long ago the last run of a source began, by the database's clock;
// never is true where none did.
func (s *Sources) StartedAgo(ctx context.Context, source string) (ago time.Duration, never bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	row, err := s.query.SourceStartedAt(ctx, source)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, true, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("read the last run of %q: %w", source, err)
	}
	return row.Now.Sub(row.StartedAt), row.StartedAt.Unix() == 0, nil
}

// SetSilence keeps after how long without a sign of life the source counts as silent; 0 is
// never.
func (s *Sources) SetSilence(ctx context.Context, source int32, after time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.query.SetSourceSilence(ctx, query.SetSourceSilenceParams{ID: source, Seconds: after.Seconds()})
}

// Silent names the sources that are silent.
func (s *Sources) Silent(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.query.SilentSources(ctx)
}

// SourceStatus is a route of a source as it is shown.
type SourceStatus struct {
	Source        string     `json:"source"`
	Account       string     `json:"account"`
	Catalog       string     `json:"catalog"`
	Type          string     `json:"catalog_type"`
	Items         int64      `json:"items"`
	Invalid       int64      `json:"invalid"`
	State         RunState   `json:"state"`
	Reason        string     `json:"reason,omitempty"`
	Run           int64      `json:"run,omitempty"`
	FinishedAt    *time.Time `json:"finished_at"`
	LastGoodAt    *time.Time `json:"last_good_at"`
	LastWebhookAt *time.Time `json:"last_webhook_at"`
	Silent        bool       `json:"silent"`
	Running       bool       `json:"running"`
}

// Status lists the routes of all sources.
func (s *Sources) Status(ctx context.Context) ([]SourceStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	rows, err := s.query.SourceStatus(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the sources: %w", err)
	}
	list := make([]SourceStatus, len(rows))
	for i, row := range rows {
		list[i] = SourceStatus{
			Source: row.Source, Account: row.Account, Catalog: row.Catalog, Type: row.CatalogType, Items: row.Items, Invalid: row.Invalid,
			State: RunState(row.State), Reason: row.Reason, Run: row.Run, FinishedAt: row.FinishedAt,
			LastGoodAt: row.LastGoodAt, LastWebhookAt: row.LastWebhookAt, Silent: row.Silent, Running: row.Running,
		}
	}
	return list, nil
}

// retention is how long what is over is kept.
const (
	goneFor       = 30 * 24 * time.Hour
	runsFor       = 90 * 24 * time.Hour
	forgetAtATime = 10_000
)

// Forget deletes what is over: items that were deleted 30 days ago, that products were deleted 30
// days ago, and runs of 90 days ago but the last of a source. A call deletes a bounded number
// of rows; more says that there are others.
func (s *Sources) Forget(ctx context.Context) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	routes, err := s.query.SourceRoutes(ctx)
	if err != nil {
		return false, fmt.Errorf("list the routes: %w", err)
	}
	for _, route := range routes {
		forgotten, err := s.query.ForgetGoneItems(ctx, query.ForgetGoneItemsParams{Route: route, Seconds: goneFor.Seconds(), Lim: forgetAtATime})
		if err != nil {
			return false, fmt.Errorf("forget deleted items: %w", err)
		}
		more = more || forgotten == forgetAtATime
	}
	forgotten, err := s.query.ForgetWebhookProducts(ctx, query.ForgetWebhookProductsParams{Seconds: goneFor.Seconds(), Lim: forgetAtATime})
	if err != nil {
		return false, fmt.Errorf("forget deleted products: %w", err)
	}
	more = more || forgotten == forgetAtATime
	if forgotten, err = s.query.ForgetSourceRuns(ctx, query.ForgetSourceRunsParams{Seconds: runsFor.Seconds(), Lim: forgetAtATime}); err != nil {
		return false, fmt.Errorf("forget runs: %w", err)
	}
	return more || forgotten == forgetAtATime, nil
}
