package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/test/evidence"
	"github.com/catalog-courier/catalog-courier/test/oracle"
)

// awaitFinal waits until so many mutations are final.
func (c *cluster) awaitFinal(ctx context.Context, mutations int, within time.Duration) error {
	// Batches are few: looking at them disturbs little. mutation_status has the rest.
	const batchesDone = `SELECT NOT EXISTS (SELECT FROM courier.batch WHERE finished_at IS NULL)
		AND NOT EXISTS (SELECT FROM courier.waiting)
		AND (SELECT count(*) FROM courier.mutation) >= $1`
	if err := c.await(ctx, within, batchesDone, mutations); err != nil {
		return err
	}
	return c.await(ctx, within, `SELECT count(*) FILTER (WHERE status IN ('waiting', 'submitted')) = 0 FROM courier.mutation_status`)
}

// check has the oracle hold what was published, in the order of the stream, against the
// rows and against the platforms' items. It returns the rows by status.
func (c *cluster) check(rows []evidence.Status, published []publish.Publication) (statuses map[string]int, broken error) {
	h := &oracle.History{}
	for _, one := range published {
		h.Messages = append(h.Messages, oracle.Message{Key: oracle.Key{ID: one.ID}, Mutation: evidence.Decode(one, publish.Result{}, time.Now())})
	}
	for _, r := range rows {
		h.Rows = append(h.Rows, r.Row(oracle.Key{ID: r.MutationID}))
	}
	lanes := make([]catalog.Lane, 0, len(c.Config.Accounts))
	for _, account := range c.Config.AccountNames() {
		lanes = append(lanes, laneOf(c.Config, account))
	}
	verdict := c.Judge(h, lanes, nil)
	for _, violation := range verdict.Violations {
		broken = errors.Join(broken, errors.New(violation.String()))
	}
	if broken != nil {
		return nil, fmt.Errorf("an invariant does not hold: %w", broken)
	}
	return verdict.Statuses, nil
}
