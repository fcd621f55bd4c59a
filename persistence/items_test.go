package persistence_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
)

// manyItems writes two days of changes by SQL: of 50,000 items one each, the first
// thousand of them changed twice, beside as many of another catalog. Their batches hold
// 1,000 each and succeeded, but for one record in a hundred.
func manyItems(tb testing.TB, pool *pgxpool.Pool) {
	tb.Helper()
	const items = 50_000
	for _, statement := range []string{
		`insert into courier.lane (partition, account, catalog, catalog_type) values (0, 'acme', 'us', 'RETAIL'), (0, 'acme', 'de', 'RETAIL')`,
		`select courier.ensure_day(current_date - 1)`, `select courier.ensure_day(current_date)`,
		fmt.Sprintf(`create table public.made as select n, (courier.first_id(current_date))::text as base,
			(select id from courier.lane where catalog = case n %% 2 when 0 then 'us' else 'de' end) as lane,
			case when n / 2 < %d then n / 2 else n / 2 - %d end as item,
			n / 1000 as batch from generate_series(0, %d) n`, items, items, 2*items+1999),
		`insert into courier.batch (id, created_at, finished_at, partition, lane, records, mutations, succeeded, failed, state, payload)
			select overlay(base placing lpad(batch::text, 12, '0') from 25)::uuid, now(), now(), 0, min(lane), 1000, 1000, 990, 10, 'completed', ''
			from public.made group by base, batch`,
		`insert into courier.attempt (batch_id, number, result, at, handles)
			select id, 1, 1, created_at, array['h'] from courier.batch`,
		`insert into courier.mutation (sequence, published_ns, received_at, day, lane, generation, record, operation, state, attempts, batch_id, mutation_id, item_id)
			select n + 1, 1, d, (d at time zone 'UTC')::date, lane, 0, n % 1000, 2, 0, 0,
				overlay(base placing lpad(batch::text, 12, '0') from 25)::uuid, 'm' || n, 'SKU-' || md5(item::text)
			from public.made, lateral (select current_date + interval '1 hour' - case when n < 20000 then interval '1 day' else interval '0' end as d) t
			order by n`,
		`insert into courier.record_outcome (batch_id, record, result, errors)
			select b.id, r, 2, '[{"message":"no"}]' from courier.batch b, generate_series(0, 999, 100) r`,
		`select brin_summarize_new_values(c.oid) from pg_class c join pg_am a on a.oid = c.relam where a.amname = 'brin' and c.relkind = 'i'`,
		`analyze courier.mutation, courier.batch, courier.attempt, courier.record_outcome, courier.lane, courier.dead_letter`,
	} {
		_, err := pool.Exec(context.Background(), statement)
		require.NoError(tb, err, statement)
	}
}

type listed struct {
	Place, Item, Status string
}

func itemsPage(tb testing.TB, pool *pgxpool.Pool, catalogName string, before *string, page int) []listed {
	tb.Helper()
	rows, err := pool.Query(context.Background(), "select place, coalesce(item_id, ''), coalesce(status, '') from courier.items('acme', $1, $2, $3)", catalogName, before, page)
	require.NoError(tb, err)
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[listed])
	require.NoError(tb, err)
	return found
}

// TestItemsOfACatalog: every item once, newest first, page by page, without reading what
// is not shown.
func TestItemsOfACatalog(t *testing.T) {
	t.Parallel()
	_, pool := newDatabase(t)
	manyItems(t, pool)

	var before *string
	seen := map[string]bool{}
	for page := range 15 {
		began := time.Now()
		rows := itemsPage(t, pool, "us", before, 100)
		require.Len(t, rows, 100, "page %d", page)
		require.Less(t, time.Since(began), 10*time.Second, "page %d", page)
		for _, row := range rows {
			require.False(t, seen[row.Item], "%s is on two pages", row.Item)
			require.Contains(t, []string{"succeeded", "failed"}, row.Status)
			seen[row.Item] = true
		}
		before = &rows[99].Place
	}
	var newest []string
	rows, err := pool.Query(t.Context(), `select item_id from courier.mutation m join courier.lane l on l.id = m.lane where l.catalog = 'us'
		group by item_id order by max(sequence) desc limit 1500`)
	require.NoError(t, err)
	newest, err = pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	for _, item := range newest {
		require.True(t, seen[item], item)
	}
	end := "0.3"
	require.Empty(t, itemsPage(t, pool, "us", &end, 100), "the first change's item was changed again")
	require.Empty(t, itemsPage(t, pool, "nope", nil, 100))
}

// node is a node of EXPLAIN's plan.
type node struct {
	Kind    string  `json:"Node Type"`
	Table   string  `json:"Relation Name"`
	Rows    float64 `json:"Actual Rows"`
	Removed float64 `json:"Rows Removed by Filter"`
	Recheck float64 `json:"Rows Removed by Index Recheck"`
	Loops   float64 `json:"Actual Loops"`
	Plans   []node  `json:"Plans"`
}

func (n node) each(look func(node)) {
	look(n)
	for _, child := range n.Plans {
		child.each(look)
	}
}

// read is how many rows of tables were read, those that did not match too.
func (n node) read() (rows float64) {
	n.each(func(n node) {
		if n.Table != "" {
			rows += (n.Rows + n.Removed + n.Recheck) * n.Loops
		}
	})
	return rows
}

// rowQuerier is a pool or one connection of it.
type rowQuerier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// executed runs the statement and returns its plan.
func executed(tb testing.TB, db rowQuerier, statement string) node {
	tb.Helper()
	var text []byte
	require.NoError(tb, db.QueryRow(context.Background(), "explain (analyze, format json) "+statement).Scan(&text))
	var plans []struct {
		Plan node `json:"Plan"`
	}
	require.NoError(tb, json.Unmarshal(text, &plans))
	return plans[0].Plan
}

func explain(tb testing.TB, pool *pgxpool.Pool, whole float64, query string) (read float64) {
	tb.Helper()
	plan := executed(tb, pool, query)
	plan.each(func(n node) {
		require.False(tb, n.Kind == "Seq Scan" && n.Loops > 0 && n.Rows+n.Removed > whole, "%s is read whole: %+v", n.Table, n)
	})
	return plan.read()
}

// smallDay is how many rows a day may have that the server rather reads whole than by its
// filters: that takes some 10 ms.
const smallDay = 100_000

// TestOneItemIsFoundQuickly: the state of an item by account and id reads no more than
// the blocks that its filters name.
func TestOneItemIsFoundQuickly(t *testing.T) {
	t.Parallel()
	_, pool := newDatabase(t)
	manyItems(t, pool)
	var item string
	require.NoError(t, pool.QueryRow(t.Context(), "select item_id from courier.mutation where mutation_id = 'm77776'").Scan(&item))
	read := explain(t, pool, smallDay, "select * from courier.item_status where account = 'acme' and item_id = '"+item+"'")
	require.Less(t, read, 110_000.0, "rows read: each day once at most")
	// The whole view, each mutation read once: this took minutes.
	began := time.Now()
	var items int
	require.NoError(t, pool.QueryRow(t.Context(), "select count(*) from (select status, last_error from courier.item_status offset 0) s").Scan(&items))
	require.Equal(t, 100_000, items)
	require.Less(t, time.Since(began), time.Minute)
}

// TestFailedSaysWhy: a row that failed, is unconfirmed or invalid has words, whatever the
// platform said, and whatever the reason.
func TestFailedSaysWhy(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	sequence := uint64(0)
	for _, result := range []ledger.RecordResult{ledger.Failed, ledger.Unconfirmed} {
		for _, reason := range catalog.DeadLetterReasons() {
			for _, said := range [][]ledger.Issue{nil, {}, {{}}, {{Code: "7"}}, {{Attribute: "price"}}, {{Message: "no"}}} {
				sequence++
				batch := ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(sequence, strconv.FormatUint(sequence, 10))))
				commit(t, store, lease, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{batch} })
				commit(t, store, lease, func(tx *ledger.Transaction) {
					tx.Outcomes = []ledger.BatchOutcome{{
						BatchID: batch.ID, Lane: batch.Lane, CreatedAt: batch.CreatedAt, State: ledger.BatchCompleted, FinishedAt: ledgertest.At, Failed: 1,
						Exceptions: []ledger.RecordOutcome{{Result: result, Reason: reason, Errors: said, Constituents: batch.Records[0].Constituents}},
					}}
				})
			}
		}
	}
	for _, reason := range catalog.DeadLetterReasons() {
		sequence++
		m := ledgertest.Mutation(sequence, strconv.FormatUint(sequence, 10))
		commit(t, store, lease, func(tx *ledger.Transaction) {
			tx.Invalid = []ledger.InvalidMutation{{Mutation: m, Problem: catalog.Problem{Reason: reason, Text: "because"}}}
		})
	}
	silent := func() {
		for _, query := range []string{
			"select count(*) from courier.mutation_status where status in ('failed', 'unconfirmed', 'invalid') and not courier.has_words(errors)",
			"select count(*) from courier.item_status where status in ('failed', 'unconfirmed', 'invalid') and not (courier.has_words(errors) and courier.has_words(last_error))",
		} {
			var wordless int
			require.NoError(t, pool.QueryRow(t.Context(), query).Scan(&wordless))
			require.Zero(t, wordless, query)
		}
	}
	silent()
	_, err := pool.Exec(t.Context(), "delete from courier.dead_letter") // by hand
	require.NoError(t, err)
	silent()
	var all int
	require.NoError(t, pool.QueryRow(t.Context(), "select count(*) from courier.mutation_status where status in ('failed', 'unconfirmed', 'invalid')").Scan(&all))
	require.EqualValues(t, sequence, all)
}

// BenchmarkItems reads pages of 50 of a million changes: the first, and far down, where
// nearly every item has newer changes.
func BenchmarkItems(b *testing.B) {
	_, pool := newDatabase(b)
	manyChanges(b, pool, 1_000_000, true)
	for _, catalogName := range []string{"us", "de", "small"} {
		for _, from := range []string{"0.1000001", "0.950000", "0.700000", "0.510000", "0.300000"} {
			b.Run(catalogName+" from "+from, func(b *testing.B) {
				for b.Loop() {
					itemsPage(b, pool, catalogName, &from, 50)
				}
				rows, did := workOf(b, pool, pageOfItems, catalogName, from, 50)
				b.ReportMetric(float64(len(rows)), "rows")
				b.ReportMetric(float64(did.Rows), "rows-read")
				b.ReportMetric(float64(did.Looks), "looks")
			})
		}
	}
}
