package persistence

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/ledger"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// maxLanes bounds the dictionary in memory: messages for made-up catalogs could
// fill it otherwise. Past it the cache starts anew.
const maxLanes = 100_000

// laneCache holds the ids of lanes. They change only when the database loses its last
// commits; so each transaction has those that it uses checked, see courier.check_lanes.
type laneCache struct {
	mu  sync.Mutex
	ids map[catalog.Lane]int32
}

func (c *laneCache) get(lane catalog.Lane) (int32, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, ok := c.ids[lane]
	return id, ok
}

func (c *laneCache) put(lane catalog.Lane, id int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ids == nil || len(c.ids) >= maxLanes {
		c.ids = make(map[catalog.Lane]int32)
	}
	c.ids[lane] = id
}

func (c *laneCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids = nil
}

// laneID finds a lane's id and makes the row at first sight. Rows of lanes are
// not fenced: one too many does no harm.
func (s *Store) laneID(ctx context.Context, partition int, lane catalog.Lane) (int32, error) {
	id, err := s.knownLaneID(ctx, lane)
	if !errors.Is(err, pgx.ErrNoRows) {
		return id, err
	}
	err = s.query.AddLane(ctx, query.AddLaneParams{
		Partition: int32(partition), //nolint:gosec // at most maxPartitions
		Account:   clean(lane.Account), Catalog: clean(lane.Catalog), CatalogType: clean(string(lane.Type)),
	})
	if err != nil {
		return 0, fmt.Errorf("adding a lane: %w", rejected(err))
	}
	return s.knownLaneID(ctx, lane)
}

// knownLaneID is pgx.ErrNoRows for a lane that was never written.
func (s *Store) knownLaneID(ctx context.Context, lane catalog.Lane) (int32, error) {
	if id, ok := s.lanes.get(lane); ok {
		return id, nil
	}
	id, err := s.query.LaneID(ctx, query.LaneIDParams{
		Account: clean(lane.Account), Catalog: clean(lane.Catalog), CatalogType: clean(string(lane.Type)),
	})
	if err != nil {
		return 0, fmt.Errorf("looking up a lane: %w", err)
	}
	s.lanes.put(lane, id)
	return id, nil
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
		return fmt.Errorf("making the partitions of %s: %w", day.Format(time.DateOnly), rejected(err))
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
