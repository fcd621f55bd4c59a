package persistence_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// manyChanges writes so many changes of four days by SQL, into four lanes: of 50,000 items
// of the catalog us, four in ten changes of 50 hot ones; of as many of the catalog de; of a
// few hotels of the catalog us; and of 200 items of the catalog small, one change in a
// thousand. One change in 50 of the first day is of an item that no later one changes. Days
// that are over have their B-tree by item, as Retain makes it.
func manyChanges(tb testing.TB, pool *pgxpool.Pool, changes int, analyze bool) {
	tb.Helper()
	statements := []string{
		`insert into courier.lane (partition, account, catalog, catalog_type) values
			(0, 'acme', 'us', 'RETAIL'), (0, 'acme', 'de', 'RETAIL'), (0, 'acme', 'us', 'HOTEL'), (0, 'acme', 'small', 'RETAIL')`,
		`select courier.start_day(current_date - d) from generate_series(-3, 3) d`,
		fmt.Sprintf(`create table public.made as
			select n, current_date - 3 + n * 4 / %d as day, ('x' || left(md5(n::text), 7))::bit(28)::integer as h,
				case when n %% 1000 = 999 then 4 when n %% 100 >= 97 then 3 when n %% 100 >= 65 then 2 else 1 end as lane
			from generate_series(0, %d) n`, changes, changes-1),
		`create table public.batches as select m.*, overlay((courier.first_id(m.day))::text placing lpad((lane * 100000 + n / 5000)::text, 12, '0') from 25)::uuid as batch
			from public.made m`,
		`insert into courier.batch (id, created_at, finished_at, partition, lane, records, mutations, succeeded, failed, state, payload)
			select batch, now(), now(), 0, min(lane), count(*), count(*), count(*), 0, 'completed', '' from public.batches group by batch`,
		`insert into courier.attempt (batch_id, number, result, at, handles) select id, 1, 1, created_at, array['h'] from courier.batch`,
		fmt.Sprintf(`insert into courier.mutation (sequence, published_ns, received_at, day, lane, generation, record, operation, state, attempts, batch_id, mutation_id, item_id, localization)
			select n + 1, 1, day + interval '1 hour', day, lane, 0, n %% 5000, 2, 0, 0, batch, 'm' || n,
				case when lane = 4 then 'SMALL-' || h %% 200 when lane = 3 then 'HOTEL-' || h %% 40
					when n %% 50 = 0 and n < %d then 'OLD-' || n
					when h %% 10 < 4 then 'HOT-' || h %% 50 else 'SKU-' || h %% 50000 end,
				case when lane = 1 and h %% 16 = 15 then 'LANGUAGE/pl_PL' end
			from public.batches order by n`, changes/4),
		`drop table public.made, public.batches`,
		`select brin_summarize_new_values(c.oid) from pg_class c join pg_am a on a.oid = c.relam where a.amname = 'brin' and c.relkind = 'i'`,
	}
	for _, statement := range statements {
		_, err := pool.Exec(context.Background(), statement)
		require.NoError(tb, err, statement)
	}
	for _, ago := range []int{2, 3} {
		var name string
		require.NoError(tb, pool.QueryRow(context.Background(), "select 'mutation_' || to_char(current_date - $1::integer, 'YYYYMMDD')", ago).Scan(&name))
		_, err := pool.Exec(context.Background(), fmt.Sprintf("create index %[1]s_by_item on courier.%[1]s (item_id, lane, coalesce(localization, ''))", name))
		require.NoError(tb, err)
	}
	if analyze {
		_, err := pool.Exec(context.Background(), "analyze courier.mutation, courier.batch, courier.attempt, courier.record_outcome, courier.lane, courier.dead_letter")
		require.NoError(tb, err)
	}
}
