package filled

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"time"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"
)

// How many mutations wait on the last day, and in how many lanes.
const (
	waitingMutations = 20_000
	waitingLanes     = 20
)

// Fill migrates an empty database and writes the rows. It ends with the maintenance that
// workers do: days that are over have their indexes, and the statistics are made.
func Fill(ctx context.Context, url string, o Options) error {
	o.Partitions = cmp.Or(o.Partitions, 16)
	if o.Mutations < 1 || o.Accounts < 1 || o.Days < 1 || o.Days > 30 {
		return errors.New("there must be mutations, accounts, and 1 to 30 days")
	}
	if _, err := persistence.Migrate(ctx, url); err != nil {
		return err
	}
	pool, err := persistence.Open(ctx, persistence.PoolConfig{URL: url, MaxConns: 6})
	if err != nil {
		return err
	}
	defer pool.Close()
	store, err := persistence.NewStore(pool, persistence.Config{})
	if err != nil {
		return err
	}
	defer store.Close()
	if err := store.EnsurePartitions(ctx, o.Partitions); err != nil {
		return err
	}
	// What is written has no outbox, as if a version without one had done it.
	if _, err := pool.Exec(ctx, "update courier.item_filling set started_at = null, finished_at = null"); err != nil {
		return err
	}
	f := filler{Options: o, pool: pool, lanes: makeLanes(o)}
	if err := f.small(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := f.days(ctx); err != nil {
		return err
	}
	o.Log("%d mutations written in %s", f.written, time.Since(began).Round(time.Second))
	if _, err := store.Retain(ctx, persistence.RetentionPolicy{}); err != nil {
		return fmt.Errorf("indexing the days: %w", err)
	}
	if err := Analyse(ctx, pool); err != nil {
		return err
	}
	o.Log("indexed after %s", time.Since(began).Round(time.Second))
	return nil
}

// Analyse does what autovacuum does in time.
func Analyse(ctx context.Context, pool *pgxpool.Pool) error {
	connection, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer connection.Release()
	for _, statement := range []string{"set statement_timeout = 0", "vacuum analyze", "reset statement_timeout"} {
		if _, err := connection.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("making statistics: %w", err)
		}
	}
	return nil
}

type filler struct {
	Options

	pool     *pgxpool.Pool
	lanes    []lane
	written  int
	sequence int64
	letterID int64
	numbers  []int64
}

// small writes the tables with few rows.
func (f *filler) small(ctx context.Context) error {
	lanes := make([][]any, len(f.lanes))
	accounts, scopes := map[string][]any{}, [][]any{}
	for i, l := range f.lanes {
		lanes[i] = []any{l.id, l.partition, l.account, l.catalog, l.catalogType}
		if accounts[l.account] != nil {
			continue
		}
		scope := l.platform + "/" + l.account
		state, reason := "active", ""
		if i%97 == 0 {
			state, reason = "paused", "the platform rejected the access token"
		}
		accounts[l.account] = []any{l.account, l.platform, []string{scope, scope + "/read"}, state, reason}
		for j, name := range []string{scope, scope + "/read"} {
			scopes = append(scopes, []any{
				name, fmt.Sprintf(`{"told_at":%q,"limit":1000,"remaining":%d,"window_seconds":60}`, f.Now.UTC().Format(time.RFC3339), 100+(i*37+j*11)%900), f.Now,
			})
		}
	}
	var accountRows [][]any
	for _, row := range accounts {
		accountRows = append(accountRows, row)
	}
	var workers [][]any
	for i := range 4 {
		workers = append(workers, []any{uuid.New(), int64(i), fmt.Sprintf("worker-%d", i), f.Now.Add(-time.Hour), f.Now})
	}
	for _, t := range []struct {
		table   string
		columns []string
		rows    [][]any
	}{
		{"lane", []string{"id", "partition", "account", "catalog", "catalog_type"}, lanes},
		{"account", []string{"name", "platform", "scopes", "state", "reason"}, accountRows},
		{"quota_scope", []string{"scope", "quota", "updated_at"}, scopes},
		{"worker", []string{"id", "counter", "name", "started_at", "seen_at"}, workers},
	} {
		if _, err := f.pool.CopyFrom(ctx, pgx.Identifier{"courier", t.table}, t.columns, pgx.CopyFromRows(t.rows)); err != nil {
			return fmt.Errorf("filling %s: %w", t.table, err)
		}
	}
	_, err := f.pool.Exec(ctx, "select setval(pg_get_serial_sequence('courier.lane', 'id'), $1)", len(f.lanes))
	return err
}

// days makes each day in one goroutine while another one writes the day before.
func (f *filler) days(ctx context.Context) error {
	f.numbers = make([]int64, f.Partitions)
	made := make(chan *day, 1)
	group, working := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(made)
		pack, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(true), zstd.WithEncoderConcurrency(1))
		if err != nil {
			return err
		}
		today := f.Now.UTC().Truncate(24 * time.Hour)
		left := f.Mutations
		for ago := f.Days - 1; ago >= 0; ago-- {
			d := f.makeDay(pack, today.AddDate(0, 0, -ago), left/(ago+1), ago == 0)
			left -= d.made
			select {
			case made <- d:
			case <-working.Done():
				return working.Err()
			}
		}
		return nil
	})
	group.Go(func() error {
		for d := range made {
			if err := f.write(working, d); err != nil {
				return fmt.Errorf("writing %s: %w", d.on.Format(time.DateOnly), err)
			}
			f.written += d.made
			f.Log("%s: %d mutations so far", d.on.Format(time.DateOnly), f.written)
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	for partition, commits := range f.numbers {
		if _, err := f.pool.Exec(ctx, "update courier.lease set commits = $2, sequence = $3 where partition = $1", partition, commits, f.sequence); err != nil {
			return err
		}
	}
	return nil
}

func (f *filler) makeDay(pack *zstd.Encoder, on time.Time, mutations int, last bool) *day {
	d := &day{
		on: on, random: rand.New(rand.NewPCG(f.Seed, uint64(on.Unix()))), pack: pack, sequence: &f.sequence, numbers: f.numbers, last: last, //nolint:gosec // after 1970
		letterID: &f.letterID, span: 23 * time.Hour,
	}
	if last {
		d.outboxLeft = f.Outbox
		d.span = max(f.Now.Sub(on)-2*time.Minute, time.Minute)
		for i := range min(waitingMutations, mutations/10) {
			f.sequence++
			d.waitingRow(&f.lanes[i%min(waitingLanes, len(f.lanes))], f.sequence, on.Add(d.span/2))
		}
	}
	d.fill(f.lanes, mutations)
	return d
}

// write fills tables of the day's own, and attaches them: their indexes are made by
// sorting then, which is quicker than row by row.
func (f *filler) write(ctx context.Context, d *day) error {
	suffix, next := d.on.Format("_20060102"), d.on.AddDate(0, 0, 1)
	group, ctx := errgroup.WithContext(ctx)
	for _, t := range []struct {
		parent string
		rows   *rows
	}{{"mutation", &d.mutations}, {"batch", &d.batches}, {"attempt", &d.attempts}, {"record_outcome", &d.outcomes}} {
		group.Go(func() error {
			return pgx.BeginFunc(ctx, f.pool, func(tx pgx.Tx) error {
				name := "courier." + t.parent + suffix
				from, to := fmt.Sprintf("courier.first_id('%s')", d.on.Format(time.DateOnly)), fmt.Sprintf("courier.first_id('%s')", next.Format(time.DateOnly))
				if t.parent == "mutation" {
					from, to = "'"+d.on.Format(time.DateOnly)+"'", "'"+next.Format(time.DateOnly)+"'"
				}
				for _, statement := range []string{
					"set local statement_timeout = 0", "set local maintenance_work_mem = '256MB'",
					"create table " + name + " (like courier." + t.parent + " including defaults including constraints including storage)",
				} {
					if _, err := tx.Exec(ctx, statement); err != nil {
						return err
					}
				}
				if err := copyRows(ctx, tx, name+" ("+columnsOf[t.parent]+")", t.rows); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, fmt.Sprintf("alter table courier.%s attach partition %s for values from (%s) to (%s)", t.parent, name, from, to))
				return err
			})
		})
	}
	for table, these := range map[string]*rows{"dead_letter": &d.letters, "waiting": &d.waiting, "outcome": &d.outbox} {
		if len(these.buf) == 0 {
			continue
		}
		group.Go(func() error {
			return pgx.BeginFunc(ctx, f.pool, func(tx pgx.Tx) error {
				return copyRows(ctx, tx, "courier."+table+" ("+columnsOf[table]+")", these)
			})
		})
	}
	return group.Wait()
}

// columnsOf are the columns in the order in which day writes them.
var columnsOf = map[string]string{
	"mutation": `sequence, published_ns, received_at, day, lane, generation, record, operation, state, attempts,
		batch_id, mutation_id, item_id, localization, superseded_by, message_id, warnings`,
	"batch": `id, created_at, finished_at, partition, lane, records, mutations, succeeded, failed, warned, state, request_group, error,
		payload, oldest_received_at`,
	"attempt":        "batch_id, number, result, at, next_at, handles, reason, error, notes",
	"record_outcome": "batch_id, record, result, errors, warnings",
	"dead_letter": `sequence, failed_at, replayed_at, batch_id, lane, generation, operation, mutation_id, item_id, localization, subject,
		reason, field, text, headers, body, errors`,
	"waiting": "lane, generation, sequence, received_at, payload",
	"outcome": "partition, number, at, batches",
}

// dated are the tables of a day, which the transaction made: their rows need no later look.
var dated = regexp.MustCompile(`_[0-9]{8} `)

func copyRows(ctx context.Context, tx pgx.Tx, into string, r *rows) error {
	if len(r.buf) == 0 {
		return nil
	}
	freeze := ""
	if dated.MatchString(into) {
		freeze = ", freeze"
	}
	all := bytes.NewReader(append(append([]byte(copySignature), r.buf...), copyEnd...))
	r.buf = nil
	_, err := tx.Conn().PgConn().CopyFrom(ctx, all, "copy "+into+" from stdin (format binary"+freeze+")")
	return err
}
