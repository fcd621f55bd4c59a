package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/source/difference"
)

// Record is an item as the source has it, not yet mapped.
type Record struct {
	Item map[string]any
	// Place says where it is in the snapshot: a line, an element, a row. It may be nil.
	Place fmt.Stringer
	// Damaged says that the item is there and cannot be relied on: it is neither sent nor
	// missing.
	Damaged bool
}

// Snapshot is all that a source has at one time, read once.
type Snapshot interface {
	// Next returns io.EOF after a complete and valid end only.
	Next() (Record, error)
	// At is when the snapshot was true.
	At() time.Time
	// Fingerprint is equal for equal snapshots; "" where that is not known.
	Fingerprint() string
	// Unreadable counts what gave no record so far: any of it may be an item.
	Unreadable() int64
	// Findings are those since the last call.
	Findings() []Finding
	// Bytes counts what was read so far.
	Bytes() int64
	Close() error
}

// ErrUnchanged is returned by an open function whose source has not changed since the
// fingerprint that it was given.
var ErrUnchanged = errors.New("the source is unchanged since the last run")

// Finding says what is wrong with an item or a column.
type Finding struct {
	Kind string `json:"kind"`
	// Severity is "error" where the item is not sent because of it, else "warning".
	Severity string `json:"severity"`
	Place    string `json:"place,omitempty"`
	Route    string `json:"route,omitempty"`
	ItemID   string `json:"item_id,omitempty"`
	Field    string `json:"field,omitempty"`
	Value    string `json:"value,omitempty"`
	Rule     string `json:"rule"`
}

// Mapped is what a mapping made of a record.
type Mapped struct {
	Item difference.Item
	// Skipped says that the route's filter leaves the item out: it counts as missing there.
	Skipped bool
	// Foreign says that the record is of another language than the route's; it is Skipped,
	// too. It says nothing about the item of its id there: another record may have it.
	Foreign bool
	// Invalid says that the item cannot be sent: one of the findings says why.
	Invalid  bool
	Findings []Finding
}

// Route is a destination of the source.
type Route struct {
	Lane catalog.Lane
	// Map makes the destination's item of a record. Its id is set wherever it can be made.
	Map func(record map[string]any) Mapped
	// Language is that of the records that Map takes, "" where it takes all: others are
	// Foreign. Routes of one language have the same last record of each id.
	Language string
	// Revision digests all that Map depends on.
	Revision string

	Operation catalog.Operation
	// Replaces and Clears are those of difference.Route.
	Replaces bool
	Clears   func(attribute string) bool
	// Refresh is after how long an unchanged item is sent again; 0 means never.
	Refresh     time.Duration
	Missing     difference.Missing
	MissingRuns int
	Unavailable json.RawMessage
	Guard       difference.Guard
}

func (r Route) String() string {
	return r.Lane.Account + "/" + r.Lane.Catalog + "/" + string(r.Lane.Type)
}

// Source is a source with its destinations.
type Source struct {
	Name string
	// ItemID is the template of the item ids, which is fixed at the first run.
	ItemID string
	Routes []Route
	// Open reads the source. former is the fingerprint of the last run that sent all it
	// found; the error is ErrUnchanged where the source is still the same.
	Open func(ctx context.Context, former string) (Snapshot, error)
	// SilentAfter is after how long without a run or a webhook the source counts as silent;
	// 0 means never.
	SilentAfter time.Duration
	// MaxDuplicates is how many percent of the records may repeat an id. More stop the run:
	// the id column is probably the wrong one. 0 means 20.
	MaxDuplicates float64
}

// Publish stores mutations in the stream and returns once all are stored. The error is a
// [*RefusedError] where all are stored but some.
type Publish func(ctx context.Context, mutations []publish.Mutation) error

// Store is what is kept of sources: *persistence.Sources.
type Store interface {
	Open(ctx context.Context, name, itemID string, routes []catalog.Lane) (persistence.Source, error)
	Hold(ctx context.Context, source int32, runner string, during time.Duration) (token int64, err error)
	Release(ctx context.Context, source int32, token int64) error
	StartRun(ctx context.Context, source int32, token int64, trigger string, approved int) (int64, error)
	SaveRun(ctx context.Context, run persistence.SourceRun) error
	LastDone(ctx context.Context, source string) (persistence.RunRow, error)
	SetSilence(ctx context.Context, source int32, after time.Duration) error
	SetItemID(ctx context.Context, source int32, token int64, itemID string) error
	FinishSource(ctx context.Context, source persistence.Source, token int64) error
	Items(ctx context.Context, route int32, ids []string) (map[string]persistence.SourceItem, error)
	ItemsAfter(ctx context.Context, route int32, after string, limit int) ([]persistence.SourceItem, error)
	ChangeItems(ctx context.Context, route int32, ids []string,
		change func(ctx context.Context, known map[string]persistence.SourceItem) ([]persistence.SourceItem, error)) error
}

var _ Store = (*persistence.Sources)(nil)

// Runner runs sources.
type Runner struct {
	Store   Store
	Publish Publish
	Logger  *slog.Logger
	// Name says who holds a source, to people.
	Name string
	// Folder is for the changes of a plan; "" is the system's for temporary files.
	Folder string
	// MaxSpool bounds what a plan's changes take there, in bytes before compression. 0
	// means 16 GiB.
	MaxSpool int64
	// Progress, when not nil, is called a few times a second.
	Progress func(Progress)
	// Hold is how long a source is held without a sign of life. 0 means 30 s.
	Hold time.Duration
}

// Progress is how far a run is.
type Progress struct {
	State                          persistence.RunState
	Read, Bytes, Published, ToCome int64
}

const (
	// chunk is how many items are compared, and published, at a time.
	chunk = 500
	// page is how many rows of a destination are looked through at a time.
	page = 5_000
	// maxFindings bounds the findings that are kept of a run, samplesOfKind those of one kind.
	maxFindings   = 200
	samplesOfKind = 10
	// samplesOfRoute is how many changes of a route a plan shows.
	samplesOfRoute = 5
	defaultHold    = 30 * time.Second
	defaultSpool   = 16 << 30
	// maxDuplicates is Source.MaxDuplicates where it is not set.
	maxDuplicates = 20
)

func stateOf(item persistence.SourceItem) difference.State {
	return difference.State{
		Hash: item.Hash, Names: item.Names, Group: item.Group, Revision: item.Revision,
		ChangedAt: item.ChangedAt, Gone: item.Gone, Missing: item.Missing, MissingAt: item.MissingAt, SentAt: item.SentAt, Doubtful: item.Doubtful,
	}
}

func rowOf(id string, state difference.State) persistence.SourceItem {
	return persistence.SourceItem{
		ItemID: id, Hash: state.Hash, Names: state.Names, Group: state.Group, Revision: state.Revision,
		ChangedAt: state.ChangedAt, Gone: state.Gone, Missing: state.Missing, MissingAt: state.MissingAt, Doubtful: state.Doubtful,
	}
}

// difference is the route as the comparison knows it.
func (s Source) difference(route Route, now time.Time) difference.Route {
	return difference.Route{
		Source: s.Name, Lane: route.Lane, Operation: route.Operation, Replaces: route.Replaces, Clears: route.Clears,
		Refresh: route.Refresh, Now: now,
		Missing: route.Missing, Runs: route.MissingRuns, Unavailable: route.Unavailable,
	}
}

// Lanes lists where the routes go, in their order.
func (s Source) Lanes() (lanes []catalog.Lane) {
	for _, route := range s.Routes {
		lanes = append(lanes, route.Lane)
	}
	return lanes
}

// mutation is the message of a change.
func mutation(lane catalog.Lane, change difference.Change) publish.Mutation {
	m := publish.Mutation{
		Account: lane.Account, Catalog: lane.Catalog, Type: lane.Type, ItemID: change.ItemID,
		Operation: change.Operation, ID: change.MutationID, OccurredAt: change.State.ChangedAt,
	}
	if change.Attributes != nil {
		m.Attributes = change.Attributes
	}
	return m
}

// hold takes the source and keeps it until ctx ends or the returned function is called. The
// context it returns ends when the source is lost.
func (r *Runner) hold(ctx context.Context, source int32) (held context.Context, token int64, release func(), err error) {
	during := r.Hold
	if during == 0 {
		during = defaultHold
	}
	token, err = r.Store.Hold(ctx, source, r.Name, during)
	if err != nil {
		return nil, 0, nil, err
	}
	held, lose := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.keepHold(held, source, token, during, lose)
	}()
	return held, token, func() {
		lose(context.Canceled)
		<-done
		if err := r.Store.Release(context.WithoutCancel(ctx), source, token); err != nil {
			r.Logger.WarnContext(ctx, "the source could not be released; others can run it when the hold is over", slog.Any("error", err))
		}
	}, nil
}

func (r *Runner) keepHold(ctx context.Context, source int32, token int64, during time.Duration, lose context.CancelCauseFunc) {
	ticker := time.NewTicker(during / 3)
	defer ticker.Stop()
	until := time.Now().Add(during)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		began := time.Now()
		now, err := r.Store.Hold(ctx, source, r.Name, during)
		switch {
		case err == nil && now == token:
			until = began.Add(during)
		case err == nil || errors.Is(err, persistence.ErrSourceHeld):
			lose(persistence.ErrHoldLost)
			return
		case time.Now().After(until):
			lose(fmt.Errorf("%w: %w", persistence.ErrHoldLost, err))
			return
		}
	}
}
