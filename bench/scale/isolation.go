package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/bench/internal/apart"
	"github.com/catalog-courier/catalog-courier/bench/internal/figures"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
	"github.com/catalog-courier/catalog-courier/queue"
)

// mostTroubled is how many times as long as in quiet ordinary accounts may wait while
// others are in trouble: the median of the pairs, each by its p99.
const mostTroubled = 2.0

const (
	ordinaryRate = 160 // changes a second, of all ordinary accounts together
	stuckRate    = 50  // of the account that times out, and of the paused one

	// warmUp is how long a run flows before it is measured, and measured for how long.
	warmUp   = 10 * time.Second
	measured = 30 * time.Second

	// gateway is when a call that is never answered is cut off: the account keeps
	// timing out in a run of half a minute.
	gateway = 3 * time.Second
	// floodWindow is that of the quota of the account that floods.
	floodWindow = 10 * time.Second
	// sharedApp is the app of the accounts in trouble and of half of the others.
	sharedApp = "4711"
)

// Accounts in trouble.
const (
	silentAccount = "silent"
	pausedAccount = "paused"
	floodAccount  = "flood"
)

var inTrouble = []string{silentAccount, pausedAccount, floodAccount}

// isolation compares what ordinary accounts wait beside three accounts that are well,
// and beside the same in trouble, in pairs of runs.
func isolation(ctx context.Context, out io.Writer, o options) error {
	t := figures.NewTable(out, "pair", "quiet p50", "p99", "most", "troubled p50", "p99", "most", "p99 troubled/quiet")
	ratios := make([]float64, 0, o.pairs)
	for pair := range o.pairs {
		// Whatever else the machine does changes slowly: every other pair begins with trouble.
		var quiet, troubled []time.Duration
		runs := []func() error{
			func() (err error) { quiet, err = isolationRun(ctx, out, o, false); return err },
			func() (err error) { troubled, err = isolationRun(ctx, out, o, true); return err },
		}
		if pair%2 == 1 {
			slices.Reverse(runs)
		}
		for _, run := range runs {
			if err := run(); err != nil {
				return err
			}
		}
		ratio := quantile(troubled, 0.99).Seconds() / quantile(quiet, 0.99).Seconds()
		ratios = append(ratios, ratio)
		row := []any{pair + 1}
		for _, sorted := range [][]time.Duration{quiet, troubled} {
			row = append(row, seconds(quantile(sorted, 0.5)), seconds(quantile(sorted, 0.99)), seconds(quantile(sorted, 1)))
		}
		t.AppendRow(append(row, fmt.Sprintf("%.2f", ratio)))
	}
	t.Render()
	if len(ratios) == 0 {
		return errors.New("no pairs of runs")
	}
	slices.Sort(ratios)
	median := ratios[len(ratios)/2]
	fmt.Fprintf(out, "median of the pairs: %.2f, at most %.0f\n", median, mostTroubled)
	if median > mostTroubled {
		return fmt.Errorf("beside accounts in trouble the others wait %.2f times as long, more than %.0f", median, mostTroubled)
	}
	return nil
}

// ordinary accounts: four in the partition of each account in trouble and four in
// others. Half of them are of the app of those in trouble, and a quarter Pinterest's.
func ordinaryAccounts() (names []string, all map[string]settings) {
	all = map[string]settings{}
	for _, beside := range inTrouble {
		names = append(names, accountsIn(queue.PartitionOf(beside, partitions), 4, "beside-"+beside+"-")...)
	}
	for number := range 4 {
		names = append(names, "apart-"+strconv.Itoa(number))
	}
	for i, name := range names {
		one := metaAccount(100 + i)
		switch {
		case i%2 == 0:
			one["app_id"] = sharedApp
		case i%4 == 1:
			one = pinterestAccount(100 + i)
		}
		all[name] = one
	}
	return names, all
}

func isolationSettings() (ordinary []string, tree settings) {
	ordinary, all := ordinaryAccounts()
	for i, name := range inTrouble {
		one := metaAccount(i + 1)
		one["app_id"] = sharedApp
		one["access_token"] = name // by which the crossing below knows it
		all[name] = one
	}
	all[floodAccount]["batch"] = settings{"max_items": 1000, "max_age": "100ms"}
	all[floodAccount]["quota_window"] = floodWindow.String()
	return ordinary, settingsOf(all)
}

// isolationRun tells how long each change of the ordinary accounts took, sorted.
func isolationRun(ctx context.Context, out io.Writer, o options, trouble bool) (latencies []time.Duration, err error) {
	how := "quiet"
	if trouble {
		how = strings.Join(o.trouble, ", ")
	}
	fmt.Fprintf(out, "%s:\n", how)
	ordinary, tree := isolationSettings()
	text, err := tree.text()
	if err != nil {
		return nil, err
	}
	crossing := newCrossing(o)
	defer crossing.close()
	c, err := startCluster(ctx, o, clusterOptions{configuration: text, platforms: quick(), around: crossing.around})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	for _, name := range []string{"w1", "w2"} {
		if _, err := c.startWorker(ctx, name); err != nil {
			return nil, err
		}
	}
	if err := c.awaitEven(ctx, []string{"w1", "w2"}, time.Minute); err != nil {
		return nil, err
	}
	flows := []*flow{{cluster: c, rate: ordinaryRate}}
	for _, name := range ordinary {
		flows[0].turns = append(flows[0].turns, c.upserts(name))
	}
	if trouble {
		if err := c.operate(ctx, "accounts", "pause", pausedAccount); err != nil {
			return nil, err
		}
		for _, name := range o.trouble {
			rate := stuckRate
			if name == floodAccount {
				rate = o.flood
			}
			flows = append(flows, &flow{cluster: c, rate: rate, turns: []turn{c.upserts(name)}})
		}
	}
	var from, until time.Time
	err = during(ctx, flows, func(ctx context.Context) error {
		apart.Pause(ctx, warmUp)
		from = time.Now()
		apart.Pause(ctx, measured)
		until = time.Now()
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	latencies, err = c.latenciesOf(ctx, out, ordinary, from, until)
	if err != nil {
		return nil, err
	}
	if trouble {
		err = c.checkTrouble(ctx, out, o.trouble, flows[1:], crossing)
	}
	return latencies, err
}

// latenciesOf waits until the accounts' changes are final and tells how long those
// took that were published in a span of time.
func (c *cluster) latenciesOf(ctx context.Context, out io.Writer, accounts []string, from, until time.Time) ([]time.Duration, error) {
	err := c.await(ctx, time.Minute, `SELECT count(*) FILTER (WHERE status <> 'succeeded') = 0 AND
		count(*) >= $3::float8 FROM courier.mutation_status WHERE account = ANY($1) AND published_at < $2`,
		accounts, until, ordinaryRate*until.Sub(from).Seconds())
	if err != nil {
		return nil, err
	}
	rows, err := c.Database.Query(ctx, `SELECT regexp_replace(account, '-[0-9]+$', ''), extract(epoch FROM finished_at - published_at)::float8
		FROM courier.mutation_status WHERE account = ANY($1) AND published_at >= $2 AND published_at < $3 ORDER BY 2`, accounts, from, until)
	if err != nil {
		return nil, err
	}
	byGroup := map[string][]time.Duration{}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (took time.Duration, err error) {
		var group string
		var inSeconds float64
		err = row.Scan(&group, &inSeconds)
		took = time.Duration(inSeconds * float64(time.Second))
		byGroup[group] = append(byGroup[group], took)
		return took, err
	})
	for _, group := range slices.Sorted(maps.Keys(byGroup)) {
		fmt.Fprintf(out, "  %s: p50 %s, p99 %s\n", group, seconds(quantile(byGroup[group], 0.5)), seconds(quantile(byGroup[group], 0.99)))
	}
	return all, err
}

// checkTrouble says how much trouble there was, and fails where there was none.
func (c *cluster) checkTrouble(ctx context.Context, out io.Writer, trouble []string, flows []*flow, crossing *crossing) error {
	var silent, paused, flooded int
	if err := c.Database.QueryRow(ctx, `SELECT
			count(*) FILTER (WHERE account = $1 AND status = 'succeeded'), count(*) FILTER (WHERE account = $2 AND status = 'succeeded'),
			count(*) FILTER (WHERE account = $3 AND status = 'succeeded') FROM courier.mutation_status`,
		silentAccount, pausedAccount, floodAccount).Scan(&silent, &paused, &flooded); err != nil {
		return err
	}
	published := 0
	for _, f := range flows {
		published += f.count()
	}
	hung := crossing.silent.Counters().Faults[sandbox.Hang]
	fmt.Fprintf(out, "  in trouble: %d changes; %d calls hung; succeeded: %d of the account that floods, %d of the others\n",
		published, hung, flooded, silent+paused)
	if hung == 0 && slices.Contains(trouble, silentAccount) || flooded == 0 && slices.Contains(trouble, floodAccount) || silent+paused > 0 {
		return errors.New("the accounts that should be in trouble were not, or all were")
	}
	return nil
}

// crossing leads the calls of accounts in trouble to simulated platforms of their
// own, behind the same address as all others.
type crossing struct {
	silent, flood *metasim.Platform
}

func newCrossing(o options) *crossing {
	hangs := quick()
	hangs.Plan = []sandbox.PlannedFault{
		{Call: sandbox.Submit, Fault: sandbox.Fault{Kind: sandbox.Hang}, Rate: 1},
		{Call: sandbox.Poll, Fault: sandbox.Fault{Kind: sandbox.Hang}, Rate: 1},
	}
	// A flood that is more than its platform takes piles up.
	limited := quick()
	limited.Writes = sandbox.RateLimit{Calls: o.floodPosts, Window: floodWindow}
	return &crossing{silent: metasim.New(hangs), flood: metasim.New(limited)}
}

func (c *crossing) close() {
	c.silent.Close()
	c.flood.Close()
}

func (c *crossing) around(platform http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") {
		case silentAccount:
			ctx, cancel := context.WithTimeout(r.Context(), gateway)
			defer cancel()
			c.silent.ServeHTTP(w, r.WithContext(ctx))
		case floodAccount:
			c.flood.ServeHTTP(w, r)
		default:
			platform.ServeHTTP(w, r)
		}
	})
}
