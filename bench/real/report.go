package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/catalog-courier/catalog-courier/bench/internal/figures"
	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// sent is what batch_status says of a lane.
type sent struct {
	batches   int
	posts     int // attempts, those the platform turned away included
	records   int // of the batches that the platform took
	taken     int // batches that the platform took
	succeeded int
}

// batchesOf reads what was sent for a lane.
func batchesOf(ctx context.Context, service *rig.Servers, lane catalog.Lane) (s sent, err error) {
	err = service.Database.QueryRow(ctx, `
		SELECT count(*), coalesce(sum(attempts), 0),
			coalesce(sum(item_count) FILTER (WHERE cardinality(handles) > 0), 0),
			count(*) FILTER (WHERE cardinality(handles) > 0),
			coalesce(sum(succeeded), 0)
		FROM courier.batch_status WHERE account = $1 AND catalog = $2 AND catalog_type = $3`,
		lane.Account, lane.Catalog, lane.Type).Scan(&s.batches, &s.posts, &s.records, &s.taken, &s.succeeded)
	return s, err
}

func (s sent) fill(maxItems int) float64 {
	return float64(s.records) / float64(max(s.taken, 1)*maxItems)
}

var errFill = errors.New("batches are not well filled")

// report prints what happened and checks that it is what should have.
func report(ctx context.Context, out io.Writer, service *rig.Servers, streams []*stream, took time.Duration, leastFill float64) error {
	var capacity, records float64
	sentOf, succeeded := make([]sent, len(streams)), map[string]int{}
	for i, s := range streams {
		done, err := batchesOf(ctx, service, s.lane)
		if err != nil {
			return err
		}
		sentOf[i] = done
		account := service.Config.Accounts[s.lane.Account]
		succeeded[account.Platform] += done.succeeded
		capacity += float64(done.taken * account.Batch.MaxItems)
		records += float64(done.records)
	}
	statuses, broken, err := judge(ctx, service, streams, succeeded)
	if err != nil {
		return err
	}
	problems := []error{broken}
	lanes := figures.NewTable(out, "account", "type", "mutations", "records", "POSTs", "taken", "mean fill", "succeeded", "superseded", "other")
	for i, s := range streams {
		done, maxItems, counts := sentOf[i], service.Config.Accounts[s.lane.Account].Batch.MaxItems, map[string]int{}
		for _, m := range s.mutations {
			counts[statuses[m.ID]]++
		}
		good, superseded := counts["succeeded"], counts["superseded"]
		lanes.AppendRow(table.Row{
			s.lane.Account, s.lane.Type, len(s.mutations), done.records, done.posts, done.taken,
			fmt.Sprintf("%.1f%% of %d", 100*done.fill(maxItems), maxItems), good, superseded, len(s.mutations) - good - superseded,
		})
	}
	lanes.Render()
	for name, counters := range map[string]sandbox.Counters{metaAccount: service.Meta.Counters(), pinterestAccount: service.Pinterest.Counters()} {
		fmt.Fprintf(out, "%s: %d POSTs, %d of calls turned away for the quota, %d polls\n", name, counters.Posts, counters.Limited, counters.Polls)
	}
	fill := records / max(capacity, 1)
	fmt.Fprintf(out, "%d mutations in %.1f s, %.0f mutations/s; mean fill of a batch %.1f%% of the cap\n",
		count(streams), took.Seconds(), float64(count(streams))/took.Seconds(), 100*fill)
	if fill < leastFill {
		problems = append(problems, fmt.Errorf("%w: %.1f%%, at least %.0f%% wanted", errFill, 100*fill, 100*leastFill))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	fmt.Fprintln(out, "every mutation is final, and the platforms hold what the mutations say")
	return nil
}
