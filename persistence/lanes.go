package persistence

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

const (
	// maxLanes bounds the dictionary in memory: messages for made-up catalogs could
	// fill it otherwise. Past it the cache starts empty again.
	maxLanes = 100_000
	// laneLife is how long an id is used without another look. A lane is deleted only
	// when nobody looked it up for days, so that an id in memory is never of a lane
	// that is gone.
	laneLife = 6 * time.Hour
)

// laneCache holds the ids of lanes that were looked up lately. They change only when the
// database loses its last commits, or when a lane was not in use for days; so each
// transaction has those that it uses checked, see courier.check_lanes.
type laneCache struct {
	mu  sync.Mutex
	ids map[catalog.Lane]knownLane
}

type knownLane struct {
	id   int32
	at   time.Time // of the look, by the monotonic clock
	used bool      // the database heard that the lane is in use
}

// get finds an id; toWrite asks for one that new rows may bear.
func (c *laneCache) get(lane catalog.Lane, toWrite bool) (int32, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.ids[lane]
	return known.id, ok && time.Since(known.at) < laneLife && (known.used || !toWrite)
}

func (c *laneCache) put(lane catalog.Lane, known knownLane) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ids == nil || len(c.ids) >= maxLanes {
		c.ids = make(map[catalog.Lane]knownLane)
	}
	c.ids[lane] = known
}

func (c *laneCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids = nil
}

// useLanes finds the ids of lanes, for rows that are about to be written, and makes those that are
// seen for the first time: all in one round trip, as an owner begins with many. Rows of lanes are
// not fenced: one too many does no harm.
func (s *Store) useLanes(ctx context.Context, partition int, lanes []catalog.Lane) ([]int32, error) {
	asked := monotonic()
	params := make([]query.UseLaneParams, len(lanes))
	for i, lane := range lanes {
		params[i] = query.UseLaneParams{
			Partition: int32(partition), //nolint:gosec // at most maxPartitions
			Account:   clean(lane.Account), Catalog: clean(lane.Catalog), CatalogType: clean(string(lane.Type)),
		}
	}
	ids := make([]int32, len(lanes))
	var failed error
	batch := s.query.UseLane(ctx, params)
	batch.QueryRow(func(i int, id int32, err error) {
		ids[i] = id
		failed = cmp.Or(failed, err)
	})
	if failed = cmp.Or(failed, batch.Close()); failed != nil {
		return nil, fmt.Errorf("looking up lanes: %w", rejected(failed))
	}
	for i, lane := range lanes {
		s.lanes.put(lane, knownLane{id: ids[i], at: asked, used: true})
	}
	return ids, nil
}

// knownLaneID finds the id of a lane to read what there is of it; it is pgx.ErrNoRows
// for a lane that was never written.
func (s *Store) knownLaneID(ctx context.Context, lane catalog.Lane) (int32, error) {
	if id, ok := s.lanes.get(lane, false); ok {
		return id, nil
	}
	asked := monotonic()
	id, err := s.query.LaneID(ctx, query.LaneIDParams{
		Account: clean(lane.Account), Catalog: clean(lane.Catalog), CatalogType: clean(string(lane.Type)),
	})
	if err != nil {
		return 0, fmt.Errorf("looking up a lane: %w", err)
	}
	s.lanes.put(lane, knownLane{id: id, at: asked})
	return id, nil
}

// monotonic is a moment for time.Since alone.
func monotonic() time.Time {
	return time.Now() //nolint:forbidigo // only its monotonic reading is looked at
}

// dayCache holds the days whose partitions are known to exist.
type dayCache struct {
	mu   sync.Mutex
	days map[time.Time]struct{}
}

func (c *dayCache) has(day time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.days[day]
	return ok
}

func (c *dayCache) add(day time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.days == nil || len(c.days) > 10_000 {
		c.days = make(map[time.Time]struct{})
	}
	c.days[day] = struct{}{}
}

func (c *dayCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.days = nil
}

// ensureDay makes the partitions of a day unless they are known to exist.
func (s *Store) ensureDay(ctx context.Context, day time.Time) error {
	if s.days.has(day) {
		return nil
	}
	if err := s.query.StartDay(ctx, day); err != nil {
		return fmt.Errorf("making the partitions of %s: %w", day.Format(time.DateOnly), clockRefused(rejected(err)))
	}
	s.days.add(day)
	return nil
}

// errBatchID is returned for a batch whose id does not tell its day.
var errBatchID = errors.New("a batch id must be a UUID version 7")

// batchDay is the day in a batch's id, which says where its rows are.
func batchDay(id uuid.UUID) (time.Time, error) {
	if id.Version() != 7 {
		return time.Time{}, fmt.Errorf("%w: %w: %s", ledger.ErrRejected, errBatchID, id)
	}
	var milliseconds int64
	for _, b := range id[:6] {
		milliseconds = milliseconds<<8 | int64(b)
	}
	return day(time.UnixMilli(milliseconds)), nil
}
