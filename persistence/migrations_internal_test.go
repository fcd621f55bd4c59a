package persistence

import (
	"database/sql"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
)

// catalogDump is all that the server knows of the schema: columns, defaults, constraints,
// indexes, views, functions with who may call them. Not the order of columns, which a
// column that comes back does not keep.
const catalogDump = `
	select string_agg(line, e'\n' order by line) from (
		select format('column %s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default) as line
			from information_schema.columns where table_schema = 'courier'
		union all select 'table ' || relname::text || ' ' || relkind::text || ' ' || coalesce(reloptions::text, '') || ' ' || coalesce(relacl::text, '')
			from pg_class where relnamespace = 'courier'::regnamespace and relkind in ('r', 'p', 'v', 'S')
		union all select 'constraint ' || conrelid::regclass::text || ' ' || conname::text || ' ' || pg_get_constraintdef(oid)
			from pg_constraint where connamespace = 'courier'::regnamespace
		union all select 'index ' || indexdef || ' ' || coalesce((select c.reloptions::text from pg_class c
			where c.oid = ('courier.' || quote_ident(indexname))::regclass), '') from pg_indexes where schemaname = 'courier'
		union all select 'view ' || viewname::text || ' ' || definition from pg_views where schemaname = 'courier'
		union all select 'function ' || pg_get_functiondef(oid) || ' ' || coalesce(proacl::text, '')
			from pg_proc where pronamespace = 'courier'::regnamespace
	) s where line !~ '^(column|table|constraint|index .*) ?schema_version'`

func dumpOf(t *testing.T, db *sql.DB) []string {
	t.Helper()
	var dump string
	require.NoError(t, db.QueryRowContext(t.Context(), catalogDump).Scan(&dump))
	return slices.DeleteFunc(strings.Split(dump, "\n"), func(line string) bool {
		line = strings.TrimSpace(line)
		return line == "" || strings.HasPrefix(line, "--") // comments of functions
	})
}

// requireSame names the lines that only one of two dumps has.
func requireSame(t *testing.T, want, got []string, where string, version int64) {
	t.Helper()
	var missing, added []string
	for _, line := range want {
		if !slices.Contains(got, line) {
			missing = append(missing, line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			added = append(added, line)
		}
	}
	require.Empty(t, missing, "%s %d: the schema lacks", where, version)
	require.Empty(t, added, "%s %d: the schema has besides", where, version)
	require.Len(t, got, len(want), "%s %d", where, version)
}

// rowsForMigrations are some of every growing table, as version 1 knows them.
const rowsForMigrations = `
	select courier.ensure_day(current_date);
	insert into courier.stream (partitions) values (1);
	insert into courier.lease (partition) values (0);
	insert into courier.lane (partition, account, catalog, catalog_type) values (0, 'acme', 'us', 'RETAIL');
	insert into courier.account (name) values ('acme');
	insert into courier.batch (id, created_at, partition, lane, records, mutations, payload) select courier.first_id(current_date), now(), 0, id, 1, 1, '' from courier.lane;
	insert into courier.attempt (batch_id, number, at) select id, 1, now() from courier.batch;
	insert into courier.record_outcome (batch_id, record, result) select id, 0, 2 from courier.batch;
	insert into courier.mutation (sequence, published_ns, received_at, day, lane, generation, operation, state, attempts, mutation_id, item_id)
		select n, 0, now(), current_date, id, 0, 2, 1, 0, 'm' || n, 'a' from courier.lane, generate_series(1, 100) n;
	insert into courier.waiting (lane, generation, sequence, received_at, payload) select id, 0, 1, now(), '' from courier.lane;
	insert into courier.dead_letter (sequence, failed_at, lane, generation, operation, mutation_id, item_id, subject, reason, text, headers, body)
		select 1, now(), id, 0, 2, 'm1', 'a', 's', 'r', 't', '{}', 'b' from courier.lane;
	insert into courier.item_version (lane, item_id, version, mutation_id) select id, 'a', 1, 'm1' from courier.lane`

// TestMigrationsGoDownAndUpAgain: with rows in the tables, each migration taken back
// leaves the schema that was before it, and applied again the same as the first time.
func TestMigrationsGoDownAndUpAgain(t *testing.T) {
	t.Parallel()
	db, err := openForMigration(pgtest.Database(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.NoError(t, createSchema(t.Context(), db))
	provider, err := newProvider(db)
	require.NoError(t, err)
	schemas := map[int64][]string{}
	var before map[string][]map[string]any
	for _, source := range provider.ListSources() {
		_, err := provider.UpTo(t.Context(), source.Version)
		require.NoError(t, err, "up to %d", source.Version)
		requireKept(t, before, contentOf(t, db), source.Version)
		if source.Version == 2 { // the first with functions
			_, err = db.ExecContext(t.Context(), rowsForMigrations)
			require.NoError(t, err)
		}
		before = contentOf(t, db)
		schemas[source.Version] = dumpOf(t, db)
	}
	rows := func() (n int) {
		require.NoError(t, db.QueryRowContext(t.Context(), "select count(*) from courier.mutation join courier.lane on lane = lane.id").Scan(&n))
		return n
	}
	versions := slices.Sorted(maps.Keys(schemas)) // numbers may be left out
	newest := versions[len(versions)-1]
	for i := len(versions) - 1; versions[i] > 2; i-- {
		version, before := versions[i], versions[i-1]
		_, err := provider.DownTo(t.Context(), before)
		require.NoError(t, err, "down from %d", version)
		requireSame(t, schemas[before], dumpOf(t, db), "down from", version)
		_, err = provider.UpTo(t.Context(), version)
		require.NoError(t, err, "up to %d again", version)
		requireSame(t, schemas[version], dumpOf(t, db), "again up to", version)
		_, err = provider.DownTo(t.Context(), before)
		require.NoError(t, err, "down from %d again", version)
		require.Equal(t, 100, rows(), "down from %d", version)
	}
	_, err = provider.Up(t.Context())
	require.NoError(t, err)
	requireSame(t, schemas[newest], dumpOf(t, db), "all again, up to", newest)
	require.Equal(t, 100, rows())
}

// contentOf reads the rows of each table that rowsForMigrations fills.
func contentOf(t *testing.T, db *sql.DB) map[string][]map[string]any {
	t.Helper()
	content := map[string][]map[string]any{}
	for _, table := range []string{
		"stream", "lease", "lane", "account", "batch", "attempt", "record_outcome", "mutation", "waiting", "dead_letter", "item_version",
	} {
		var text []byte
		query := "select coalesce(jsonb_agg(to_jsonb(t)), '[]') from courier." + table + " t"
		require.NoError(t, db.QueryRowContext(t.Context(), query).Scan(&text), table)
		var rows []map[string]any
		require.NoError(t, json.Unmarshal(text, &rows), table)
		content[table] = rows
	}
	return content
}

// requireKept: each row of the version before is there, with the same values in the
// columns that both versions have.
func requireKept(t *testing.T, before, after map[string][]map[string]any, version int64) {
	t.Helper()
	for table, rows := range before {
		require.Len(t, after[table], len(rows), "%s, up to %d", table, version)
		if len(rows) == 0 {
			continue
		}
		require.ElementsMatch(t, shared(rows, after[table][0]), shared(after[table], rows[0]), "%s, up to %d", table, version)
	}
}

// shared cuts rows to the columns of the other version.
func shared(rows []map[string]any, other map[string]any) []map[string]any {
	cut := make([]map[string]any, len(rows))
	for i, row := range rows {
		cut[i] = maps.Clone(row)
		maps.DeleteFunc(cut[i], func(column string, _ any) bool { _, has := other[column]; return !has })
	}
	return cut
}
