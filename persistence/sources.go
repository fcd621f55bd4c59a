package persistence

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// Errors of Sources.
var (
	// ErrItemIDChanged says that the source's item id template is not the one of its first
	// run: with another one every item would be sent twice and none deleted.
	ErrItemIDChanged = errors.New("the item_id of the source was fixed at its first run")
	// ErrSourceHeld says that another process runs the source.
	ErrSourceHeld = errors.New("another process runs the source")
	// ErrHoldLost says that the source is no longer held by who wants to write.
	ErrHoldLost = errors.New("the source is held by another process now")
	// ErrNoSuchRun and ErrNoSuchDelivery say that there is no row with the id.
	ErrNoSuchRun      = errors.New("there is no such run")
	ErrNoSuchDelivery = errors.New("there is no such webhook delivery")
)

// Sources keeps what was sent of the items of sources, their runs and their webhook
// deliveries. It is safe for concurrent use.
type Sources struct {
	pool    *pgxpool.Pool
	query   *query.Queries
	timeout time.Duration

	mu     sync.Mutex
	shapes map[string]int32   // by the names, joined
	names  map[int32][]string // the other way round
}

// maxShapes bounds the lists of names that are kept in memory; past it they are read again.
const maxShapes = 10_000

// NewSources reads and writes through the pool, which stays the caller's. timeout bounds
// each call; 0 means a minute.
func NewSources(pool *pgxpool.Pool, timeout time.Duration) *Sources {
	if timeout == 0 {
		timeout = time.Minute
	}
	return &Sources{
		pool: pool, query: query.New(pool), timeout: timeout,
		shapes: make(map[string]int32), names: make(map[int32][]string),
	}
}

// Source is a source's row.
type Source struct {
	ID int32
	// SnapshotAt is the time of the newest snapshot that was worked through; zero before
	// the first.
	SnapshotAt time.Time
	// Fingerprint is what the last download was, such as its ETag.
	Fingerprint string
	// Routes has the rows of the routes, in the order asked for.
	Routes []SourceRoute
}

// SourceRoute is the row of one destination of a source.
type SourceRoute struct {
	ID              int32
	MappingRevision string
	// GuardKnown is how many items the destination had when deletes were withheld first; 0
	// while none are.
	GuardKnown int
}

// Open makes the rows of a source and its routes at the first run and reads them later.
// The error is ErrItemIDChanged when the template is not that of the first run; the source
// is valid even so.
func (s *Sources) Open(ctx context.Context, name, itemID string, routes []catalog.Lane) (Source, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	row, err := s.query.AddSource(ctx, query.AddSourceParams{Name: name, ItemID: itemID})
	if err != nil {
		return Source{}, fmt.Errorf("read the source %q: %w", name, err)
	}
	source := Source{ID: row.ID, SnapshotAt: deref(row.SnapshotAt), Fingerprint: deref(row.Fingerprint)}
	for _, lane := range routes {
		route, err := s.query.AddSourceRoute(ctx, query.AddSourceRouteParams{
			Source: row.ID, Account: lane.Account, Catalog: lane.Catalog, CatalogType: string(lane.Type),
		})
		if err != nil {
			return Source{}, fmt.Errorf("read a route of %q: %w", name, err)
		}
		source.Routes = append(source.Routes, SourceRoute{ID: route.ID, MappingRevision: route.MappingRevision, GuardKnown: int(route.GuardKnown)})
	}
	if row.ItemID != itemID {
		return source, fmt.Errorf("%w: it is %q, the configuration of %q has %q. Other ids would send every item twice; enqueue feed migrate shows what a change does", ErrItemIDChanged, row.ItemID, name, itemID)
	}
	return source, nil
}

func deref[T any](pointer *T) (value T) {
	if pointer != nil {
		value = *pointer
	}
	return value
}

func pointer[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}

// Hold takes the source for a runner, for the given time from now, or holds it longer. The
// token guards what the runner writes. The error is ErrSourceHeld while another runner's hold lasts.
func (s *Sources) Hold(ctx context.Context, source int32, runner string, during time.Duration) (token int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	token, err = s.query.HoldSource(ctx, query.HoldSourceParams{ID: source, Runner: runner, Seconds: during.Seconds()})
	if errors.Is(err, pgx.ErrNoRows) {
		if row, err := s.query.SourceRunner(ctx, source); err == nil {
			return 0, fmt.Errorf("%w: %s", ErrSourceHeld, row.Runner)
		}
		return 0, ErrSourceHeld
	}
	if err != nil {
		return 0, fmt.Errorf("take the source: %w", err)
	}
	return token, nil
}

// Release lets others run the source at once.
func (s *Sources) Release(ctx context.Context, source int32, token int64) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.query.ReleaseSource(ctx, query.ReleaseSourceParams{ID: source, Token: token})
}

// SetItemID changes the template of the item ids. The error is ErrHoldLost when the token's
// hold is over.
func (s *Sources) SetItemID(ctx context.Context, source int32, token int64, itemID string) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	changed, err := s.query.SetItemID(ctx, query.SetItemIDParams{ID: source, Token: token, ItemID: itemID})
	if err != nil {
		return fmt.Errorf("change the item ids: %w", err)
	}
	if changed == 0 {
		return ErrHoldLost
	}
	return nil
}

// SourceItem is what was last sent of an item to a destination: see difference.State.
type SourceItem struct {
	ItemID    string
	Hash      [16]byte
	Names     []string
	Group     string
	Revision  int
	ChangedAt time.Time
	Gone      bool
	Missing   int
	MissingAt time.Time
	// Doubtful reports a state that was intended, and perhaps not sent.
	Doubtful bool
	// SentAt is when something was sent of it last; reading sets it, saving does not.
	SentAt time.Time
}

// Items reads what was sent of items to a route. Items that were never sent are not there.
func (s *Sources) Items(ctx context.Context, route int32, ids []string) (map[string]SourceItem, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	rows, err := s.query.SourceItems(ctx, query.SourceItemsParams{Route: route, ItemIds: ids})
	if err != nil {
		return nil, fmt.Errorf("read what was sent: %w", err)
	}
	locked := make([]query.LockSourceItemsRow, len(rows))
	for i, row := range rows {
		locked[i] = query.LockSourceItemsRow(row)
	}
	items, err := s.items(ctx, s.query, locked)
	return byID(items), err
}

func byID(items []SourceItem) map[string]SourceItem {
	found := make(map[string]SourceItem, len(items))
	for _, item := range items {
		found[item.ItemID] = item
	}
	return found
}

// ItemsAfter reads a page of what a route's destination has, in the order of ids.
func (s *Sources) ItemsAfter(ctx context.Context, route int32, after string, limit int) ([]SourceItem, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	rows, err := s.query.SourceItemsAfter(ctx, query.SourceItemsAfterParams{Route: route, After: after, Lim: int32(limit)}) //nolint:gosec // G115: a page
	if err != nil {
		return nil, fmt.Errorf("read what the destination has: %w", err)
	}
	locked := make([]query.LockSourceItemsRow, len(rows))
	for i, row := range rows {
		locked[i] = query.LockSourceItemsRow(row)
	}
	return s.items(ctx, s.query, locked)
}

// ItemsOfGroup lists a page of the items of a group that a route's destination has, in the
// order of ids.
func (s *Sources) ItemsOfGroup(ctx context.Context, route int32, group, after string, limit int) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	ids, err := s.query.SourceItemsOfGroup(ctx, query.SourceItemsOfGroupParams{Route: route, GroupID: group, After: after, Lim: int32(limit)}) //nolint:gosec // G115: a page
	if err != nil {
		return nil, fmt.Errorf("read the items of a group: %w", err)
	}
	return ids, nil
}

// ChangeItems calls change with what was sent of items, while nobody else can change them,
// and keeps the states that it returns. change publishes in between: when it fails, or the
// process ends, nothing is kept, and what was published is found and published again with
// the same ids. The context that change gets ends when the transaction may last no longer.
func (s *Sources) ChangeItems(ctx context.Context, route int32, ids []string,
	change func(ctx context.Context, known map[string]SourceItem) ([]SourceItem, error),
) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // after Commit there is nothing to undo
	q := s.query.WithTx(tx)
	if err := q.AddSourceItems(ctx, query.AddSourceItemsParams{Route: route, ItemIds: ids}); err != nil {
		return fmt.Errorf("add items: %w", err)
	}
	rows, err := q.LockSourceItems(ctx, query.LockSourceItemsParams{Route: route, ItemIds: ids})
	if err != nil {
		return fmt.Errorf("lock items: %w", err)
	}
	known, err := s.items(ctx, q, rows)
	if err != nil {
		return err
	}
	states, err := change(ctx, byID(known))
	if err != nil || len(states) == 0 {
		return err
	}
	added, err := s.save(ctx, q, route, states)
	if err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("keep what was sent: %w", err)
	}
	for id, names := range added {
		s.remember(id, names)
	}
	return nil
}

// save writes states and returns the lists of names that are new, which are true once the
// transaction is.
func (s *Sources) save(ctx context.Context, q *query.Queries, route int32, states []SourceItem) (map[int32][]string, error) {
	added := make(map[int32][]string)
	shapes := make(map[string]int32)
	params := query.SaveSourceItemsParams{Route: route}
	for _, state := range states {
		joined := strings.Join(state.Names, "\x00")
		shape, ok := shapes[joined]
		if !ok {
			var fresh bool
			var err error
			if shape, fresh, err = s.shapeOf(ctx, q, joined, state.Names); err != nil {
				return nil, err
			}
			if shapes[joined] = shape; fresh {
				added[shape] = state.Names
			}
		}
		params.ItemIds = append(params.ItemIds, state.ItemID)
		params.Hashes = append(params.Hashes, state.Hash[:])
		params.Shapes = append(params.Shapes, shape)
		params.Revisions = append(params.Revisions, int32(state.Revision)) //nolint:gosec // G115: counts what was sent of an item
		params.Gone = append(params.Gone, state.Gone)
		params.Missing = append(params.Missing, int16(min(state.Missing, maxMissing))) //nolint:gosec // G115: bounded
		params.MissingAt = append(params.MissingAt, state.MissingAt)
		params.ChangedAt = append(params.ChangedAt, state.ChangedAt)
		params.GroupIds = append(params.GroupIds, state.Group)
		params.Doubtful = append(params.Doubtful, state.Doubtful)
	}
	saved, err := q.SaveSourceItems(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("keep what was sent: %w", err)
	}
	if int(saved) != len(states) {
		return nil, fmt.Errorf("keep what was sent: %d rows instead of %d", saved, len(states))
	}
	return added, nil
}

const maxMissing = 1000

// items reads rows, with the names of their shapes.
func (s *Sources) items(ctx context.Context, q *query.Queries, rows []query.LockSourceItemsRow) ([]SourceItem, error) {
	names := make(map[int32][]string)
	var unknown []int32
	s.mu.Lock()
	for _, row := range rows {
		if row.Shape == nil || names[*row.Shape] != nil {
			continue
		}
		if names[*row.Shape] = s.names[*row.Shape]; names[*row.Shape] == nil {
			names[*row.Shape] = []string{}
			unknown = append(unknown, *row.Shape)
		}
	}
	s.mu.Unlock()
	if len(unknown) > 0 {
		shapes, err := q.SourceShapes(ctx, unknown)
		if err != nil {
			return nil, fmt.Errorf("read the names of attributes: %w", err)
		}
		for _, shape := range shapes {
			names[shape.ID] = shape.Names
			s.remember(shape.ID, shape.Names)
		}
	}
	items := make([]SourceItem, len(rows))
	for i, row := range rows {
		items[i] = SourceItem{
			ItemID: row.ItemID, Group: deref(row.GroupID), Revision: int(row.Revision), ChangedAt: deref(row.ChangedAt),
			Gone: row.Gone, Missing: int(row.Missing), MissingAt: deref(row.MissingAt), SentAt: deref(row.SentAt), Doubtful: row.Revision > 0 && row.SentAt == nil,
		}
		copy(items[i].Hash[:], row.Hash)
		if row.Shape != nil {
			items[i].Names = names[*row.Shape]
		}
	}
	return items, nil
}

func (s *Sources) remember(id int32, names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.names) >= maxShapes {
		clear(s.names)
		clear(s.shapes)
	}
	s.names[id], s.shapes[strings.Join(names, "\x00")] = names, id
}

// shapeOf finds or makes the row of a list of names; 0 is that of none.
func (s *Sources) shapeOf(ctx context.Context, q *query.Queries, joined string, names []string) (id int32, fresh bool, err error) {
	if len(names) == 0 {
		return 0, false, nil
	}
	s.mu.Lock()
	id = s.shapes[joined]
	s.mu.Unlock()
	if id != 0 {
		return id, false, nil
	}
	digest := sha256.Sum256([]byte(joined))
	id, err = q.AddSourceShape(ctx, query.AddSourceShapeParams{Digest: digest[:16], Names: names})
	if err != nil {
		return 0, false, fmt.Errorf("keep the names of attributes: %w", err)
	}
	return id, true, nil
}
