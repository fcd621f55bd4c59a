package service_test

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// guardedPostgres is a server that takes connections over TLS with a password only,
// with the roles of deploy/postgres/roles.sql.
type guardedPostgres struct {
	admin     string // URL of the superuser
	port      string
	authority *authority
}

const rolePassword = "canary-role-password-51fe"

func startGuardedPostgres(t *testing.T) *guardedPostgres {
	t.Helper()
	g := &guardedPostgres{port: freePort(t), authority: newAuthority(t)}
	cert, key := g.authority.issue(t, "postgres")
	rules := filepath.Join(g.authority.folder, "pg_hba.conf")
	require.NoError(t, os.WriteFile(rules, []byte("local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n"), 0o600))
	giveToPostgres(t, cert, key, rules)
	server, err := embedded.StartPostgres(t.Context(), embedded.PostgresOptions{Parameters: map[string]string{
		"listen_addresses": "127.0.0.1", "port": g.port, "hba_file": rules,
		"ssl": "on", "ssl_cert_file": cert, "ssl_key_file": key,
	}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	g.admin = server.URL()
	g.applyRoles(t)
	for _, role := range []string{"courier_migrate", "courier_worker", "courier_enqueue", "courier_reader", "courier_operator"} {
		g.administer(t, "ALTER ROLE "+role+" PASSWORD '"+rolePassword+"'")
	}
	return g
}

func (g *guardedPostgres) administer(t *testing.T, statements string) {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), g.admin)
	require.NoError(t, err)
	defer connection.Close(context.Background())
	_, err = connection.Exec(t.Context(), statements) // several at once are one transaction, as psql -1 has it
	require.NoError(t, err)
}

func (g *guardedPostgres) applyRoles(t *testing.T) {
	t.Helper()
	roles, err := os.ReadFile("../deploy/postgres/roles.sql")
	require.NoError(t, err)
	g.administer(t, string(roles))
}

// url is how a role connects, as docs/security.md tells people to.
func (g *guardedPostgres) url(role string) string {
	query := url.Values{"sslmode": {"verify-full"}, "sslrootcert": {g.authority.file}}
	return (&url.URL{
		Scheme: "postgres", User: url.UserPassword(role, rolePassword), Host: "127.0.0.1:" + g.port, Path: "/courier",
		RawQuery: query.Encode(),
	}).String()
}

func (g *guardedPostgres) open(t *testing.T, role string) *pgxpool.Pool {
	t.Helper()
	pool, err := persistence.Open(t.Context(), persistence.PoolConfig{URL: g.url(role), MaxConns: 4})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

const insufficientPrivilege = "42501"

// mayNot checks that Postgres refuses the statement for want of rights.
func mayNot(t *testing.T, pool *pgxpool.Pool, statement string) {
	t.Helper()
	_, err := pool.Exec(t.Context(), statement)
	var refused *pgconn.PgError
	require.ErrorAs(t, err, &refused, statement)
	require.Equal(t, insufficientPrivilege, refused.Code, "%s: %s", statement, refused.Message)
}

// TestDatabaseRoles: over TLS, a worker does all its work with the worker's role,
// and the reader's role reads the views and nothing else.
//
//nolint:tparallel // each step stands on the one before
func TestDatabaseRoles(t *testing.T) {
	t.Parallel()
	g := startGuardedPostgres(t)
	_, err := persistence.Migrate(t.Context(), g.url("courier_migrate"))
	require.NoError(t, err)
	g.applyRoles(t)
	g.applyRoles(t) // repeating it changes nothing
	env := rig.Start(t, rig.Options{})
	w := env.StartWorker("a", rig.WorkerOptions{Settings: rig.Settings{"database.url": g.url("courier_worker")}})
	env.Publish(upserts(rig.Retail, "R", 20)...)
	env.PublishRaw("catalog.mutations.acme-pinterest.us.RETAIL", `{"item_id":"X"}`, nil)
	reader, writer := g.open(t, "courier_reader"), g.open(t, "courier_worker")

	t.Run("the reader sees what the worker did", func(t *testing.T) {
		env.Await("all is final in the guarded database", patience, func() bool {
			var succeeded, invalid int
			err := reader.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE status = 'succeeded'), count(*) FILTER (WHERE status = 'invalid')
				FROM courier.mutation_status`).Scan(&succeeded, &invalid)
			require.NoError(t, err)
			return succeeded == 20 && invalid == 1
		})
		for _, view := range []string{"mutation_status", "item_status", "batch_status", "account_status", "dead_letters"} {
			var rows int
			require.NoError(t, reader.QueryRow(t.Context(), "SELECT count(*) FROM (SELECT * FROM courier."+view+") v").Scan(&rows), view)
			require.Positive(t, rows, view)
		}
	})
	require.NoError(t, w.Stop())
	require.NotContains(t, w.Log.String(), rolePassword)
	require.NotContains(t, w.Log.String(), insufficientPrivilege, "nothing that it does by itself is refused")

	for _, role := range []string{"courier_worker", "courier_reader", "courier_operator"} {
		t.Run(role+" reads what pages and commands show", func(t *testing.T) { readsAll(t, g, role) })
	}
	t.Run("functions are for those who may read", func(t *testing.T) { functionsAreClosed(t, g) })
	t.Run("rights that the worker lacks are named", func(t *testing.T) { missingRightsAreNamed(t, g) })
	t.Run("the reader can do nothing else", func(t *testing.T) {
		for _, table := range g.tables(t) {
			mayNot(t, reader, "SELECT * FROM "+table)
			mayNot(t, reader, "DELETE FROM "+table)
		}
		mayNot(t, reader, "SELECT courier.ensure_day('2031-01-01')")
		mayNot(t, reader, "CREATE TABLE courier.mine (a int)")
		mayNot(t, reader, "CREATE TABLE public.mine (a int)")
		mayNot(t, reader, "CREATE TEMP TABLE mine (a int)")
		mayNot(t, reader, "SET ROLE courier_worker")
	})
	t.Run("enqueue keeps what it sent, and sees nothing else", func(t *testing.T) {
		producer := g.open(t, "courier_enqueue")
		_, err := persistence.CheckSchema(t.Context(), g.url("courier_enqueue"))
		require.NoError(t, err)
		sources := persistence.NewSources(producer, 0)
		lane := catalog.Lane{Account: "acme-pinterest", Catalog: "us", Type: "RETAIL"}
		source, err := sources.Open(t.Context(), "shop", "{id}", []catalog.Lane{lane})
		require.NoError(t, err)
		token, err := sources.Hold(t.Context(), source.ID, "test", time.Minute)
		require.NoError(t, err)
		id, err := sources.StartRun(t.Context(), source.ID, token, "test", 0)
		require.NoError(t, err)
		require.NoError(t, sources.SaveRun(t.Context(), persistence.SourceRun{ID: id, State: persistence.RunDone, Finished: true}))
		require.NoError(t, sources.ChangeItems(t.Context(), source.Routes[0].ID, []string{"SKU-1"},
			func(context.Context, map[string]persistence.SourceItem) ([]persistence.SourceItem, error) {
				return []persistence.SourceItem{{ItemID: "SKU-1", Names: []string{"title"}, Revision: 1, ChangedAt: time.Now()}}, nil
			}))
		_, err = sources.Forget(t.Context())
		require.NoError(t, err)
		status, err := sources.Status(t.Context())
		require.NoError(t, err)
		require.Len(t, status, 1)
		for _, statement := range []string{
			"SELECT * FROM courier.mutation", "SELECT * FROM courier.mutation_status", "SELECT * FROM courier.credential", "DELETE FROM courier.lease",
			"CREATE TABLE courier.mine (a int)", "DROP TABLE courier.source_item", "SET ROLE courier_worker",
		} {
			mayNot(t, producer, statement)
		}
		for _, view := range []string{"source_status", "source_runs", "source_items", "webhook_deliveries"} {
			_, err := reader.Exec(t.Context(), "SELECT * FROM courier."+view)
			require.NoError(t, err, view)
		}
		mayNot(t, writer, "DELETE FROM courier.source_item")
	})
	t.Run("the operator does what the console does, and nothing else", func(t *testing.T) { operates(t, g) })
	t.Run("the worker cannot change the schema", func(t *testing.T) {
		for _, statement := range []string{
			"ALTER TABLE courier.lease ADD COLUMN mine int", "DROP TABLE courier.credential", "DROP VIEW courier.dead_letters",
			"CREATE OR REPLACE FUNCTION courier.readable(bytes bytea) RETURNS text LANGUAGE sql AS 'SELECT NULL'",
			"UPDATE courier.schema_version SET version_id = 0", "TRUNCATE courier.credential",
			"CREATE SCHEMA mine", "CREATE TABLE public.mine (a int)", "CREATE ROLE mine", "SET ROLE courier_migrate",
		} {
			mayNot(t, writer, statement)
		}
	})
	t.Run("the worker makes, indexes and drops days", func(t *testing.T) {
		store, err := persistence.NewStore(writer, persistence.Config{})
		require.NoError(t, err)
		defer store.Close()
		_, err = store.Retain(t.Context(), persistence.RetentionPolicy{At: time.Now().AddDate(0, 0, 3)})
		require.NoError(t, err)
		var indexes int
		require.NoError(t, writer.QueryRow(t.Context(), `SELECT count(*) FROM pg_indexes WHERE schemaname = 'courier'
			AND indexname LIKE '%\_by\_item'`).Scan(&indexes))
		require.Positive(t, indexes)
		report, err := store.Retain(t.Context(), persistence.RetentionPolicy{At: time.Now().AddDate(0, 0, 60)})
		require.NoError(t, err)
		require.NotEmpty(t, report.Dropped)
		require.Empty(t, report.Busy)
	})
	t.Run("a reader holds up nothing", func(t *testing.T) {
		// A session as people open them, with every lock it can get.
		idle, err := pgx.Connect(t.Context(), g.url("courier_reader"))
		require.NoError(t, err)
		defer idle.Close(context.Background())
		for setting, want := range map[string]string{"statement_timeout": "1min", "idle_in_transaction_session_timeout": "1min", "lock_timeout": "5s"} {
			var found string
			require.NoError(t, idle.QueryRow(t.Context(), "SELECT current_setting($1)", setting).Scan(&found))
			require.Equal(t, want, found, setting)
		}
		const goose = "5887940537704921958"
		for _, statement := range []string{
			"BEGIN", "SELECT count(*) FROM courier.mutation_status", "SELECT count(*) FROM courier.dead_letters",
			"SELECT pg_advisory_lock(hashtext('courier.ensure_day'))", "SELECT pg_advisory_lock(hashtext('courier.index_day'))",
			"SELECT pg_advisory_lock(hashtext('courier.schema'))", "SELECT pg_advisory_lock(" + goose + ")",
		} {
			_, err := idle.Exec(t.Context(), statement)
			require.NoError(t, err, statement)
		}
		for _, table := range []string{"day_lock", "index_lock", "schema_lock", "mutation", "lease", "stream"} {
			mayNot(t, reader, "DO $$ BEGIN LOCK TABLE courier."+table+" IN ACCESS SHARE MODE; END $$")
		}
		mayNot(t, reader, "DO $$ BEGIN LOCK TABLE courier.mutation_status IN SHARE MODE; END $$")
		for _, day := range []string{"2031-02-01", "2031-02-02"} {
			began := time.Now()
			_, err := writer.Exec(t.Context(), "SELECT courier.start_day($1::text::date)", day)
			require.NoError(t, err)
			require.Less(t, time.Since(began), 5*time.Second)
		}
		_, err = persistence.Migrate(t.Context(), g.url("courier_migrate"))
		require.NoError(t, err)
	})
	t.Run("migrating again, and the grants after it", func(t *testing.T) {
		_, err := persistence.Migrate(t.Context(), g.url("courier_migrate"))
		require.NoError(t, err)
		g.applyRoles(t)
	})
}

// tables are all tables of the schema.
func (g *guardedPostgres) tables(t *testing.T) []string {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), g.admin)
	require.NoError(t, err)
	defer connection.Close(context.Background())
	rows, err := connection.Query(t.Context(), `SELECT 'courier.' || relname FROM pg_class
		WHERE relnamespace = 'courier'::regnamespace AND relkind IN ('r', 'p')`)
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.NotEmpty(t, names)
	return names
}

// TestDatabaseTLS: a server that the authority does not vouch for, and one without
// TLS, are not spoken to.
func TestDatabaseTLS(t *testing.T) {
	t.Parallel()
	g := startGuardedPostgres(t)
	good, err := url.Parse(g.url("courier_worker"))
	require.NoError(t, err)
	connect := func(change func(url.Values)) error {
		query := good.Query()
		change(query)
		changed := *good
		changed.RawQuery = query.Encode()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		pool, err := persistence.Open(ctx, persistence.PoolConfig{URL: changed.String(), MaxConns: 1})
		require.NoError(t, err)
		defer pool.Close()
		return pool.Ping(ctx)
	}
	require.NoError(t, connect(func(url.Values) {}))
	require.ErrorContains(t, connect(func(q url.Values) { q.Set("sslrootcert", newAuthority(t).file) }), "certificate")
	err = connect(func(q url.Values) { q.Set("sslmode", "disable"); q.Del("sslrootcert") })
	require.ErrorContains(t, err, "pg_hba.conf", "the server takes no connection without TLS")
	require.NotContains(t, err.Error(), rolePassword)
}

// operates does with the operator's role what the actions of the console do.
func operates(t *testing.T, g *guardedPostgres) {
	t.Helper()
	pool := g.open(t, "courier_operator")
	_, err := persistence.CheckSchema(t.Context(), g.url("courier_operator"))
	require.NoError(t, err)
	store, err := persistence.NewStore(pool, persistence.Config{})
	require.NoError(t, err)
	defer store.Close()
	for _, view := range []string{"mutation_status", "item_status", "batch_status", "account_status", "dead_letters", "audit_log", "source_runs"} {
		_, err := pool.Exec(t.Context(), "SELECT * FROM courier."+view)
		require.NoError(t, err, view)
	}
	audit := persistence.NewAudit(pool)
	id, err := audit.Begin(t.Context(), persistence.Action{Who: "ala", How: "basic", Name: "pause_account", Target: "acme-pinterest", Expected: -1, Reason: "a test"})
	require.NoError(t, err)
	require.NoError(t, store.PauseAccountUntil(t.Context(), "acme-pinterest", "a test", persistence.PauseEnd{After: time.Hour}))
	require.NoError(t, store.ResumeAccount(t.Context(), "acme-pinterest"))
	require.NoError(t, audit.Finish(t.Context(), id, persistence.ActionDone, -1, ""))
	require.Error(t, audit.Finish(t.Context(), id, persistence.ActionFailed, 1, "again"), "an end is final")
	entries, err := audit.List(t.Context(), persistence.AuditFilter{Who: "ala"})
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, "done", entries[0].Result)

	letters, _, err := store.NewestDeadLetters(t.Context(), persistence.DeadLetterFilter{}, 0)
	require.NoError(t, err)
	require.Len(t, letters, 1)
	_, err = store.NewerChanges(t.Context(), []int64{letters[0].ID})
	require.NoError(t, err)
	_, err = store.StreamIdentity(t.Context())
	require.NoError(t, err)
	marked, err := store.Replay(t.Context(), letters, persistence.ReplayNote{By: "ala"}, func(_ context.Context, ids []int64) ([]int64, error) { return ids, nil })
	require.NoError(t, err)
	require.EqualValues(t, 1, marked)
	admin, err := pgx.Connect(t.Context(), g.admin)
	require.NoError(t, err)
	defer admin.Close(context.Background())
	// As if the letter had not been replayed, and the index knew of it: its issue ends with it.
	_, err = admin.Exec(t.Context(), `UPDATE courier.dead_letter SET replayed_at = NULL;
		INSERT INTO courier.item (item_id, lane, generation, sequence, line, operation, status, mutation_id, changed_at, failed_at)
		SELECT item_id, lane, generation, sequence, line, operation, 4, mutation_id, now(), now() FROM courier.dead_letter
		ON CONFLICT (item_id, lane, localization) DO NOTHING`)
	require.NoError(t, err)
	dismissed, err := store.DismissDeadLetters(t.Context(), []int64{letters[0].ID}, "ala", "a test")
	require.NoError(t, err)
	require.Len(t, dismissed, 1)
	var issues int
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT coalesce(sum(items), 0) FROM courier.item_counts WHERE state = 'invalid'").Scan(&issues))
	require.Zero(t, issues)
	sources := persistence.NewSources(pool, 0)
	source, err := sources.Open(t.Context(), "shop", "{id}", []catalog.Lane{{Account: "acme-pinterest", Catalog: "us", Type: "RETAIL"}})
	require.NoError(t, err)
	token, err := sources.Hold(t.Context(), source.ID, "test", time.Minute)
	require.NoError(t, err)
	run, err := sources.StartRun(t.Context(), source.ID, token, "approval", 1)
	require.NoError(t, err)
	require.NoError(t, sources.SaveRun(t.Context(), persistence.SourceRun{ID: run, State: persistence.RunDone, Finished: true}))

	for _, statement := range []string{
		"DELETE FROM courier.audit", "UPDATE courier.audit SET who = 'ewa'", "UPDATE courier.audit SET reason = ''", "TRUNCATE courier.audit",
		"UPDATE courier.mutation SET state = 4", "DELETE FROM courier.dead_letter", "UPDATE courier.dead_letter SET body = ''",
		"INSERT INTO courier.account (name, platform, scopes) VALUES ('x', 'meta', '{}')", "UPDATE courier.account SET scopes = '{}'",
		"SELECT * FROM courier.credential", "DELETE FROM courier.lease", "SELECT * FROM courier.webhook_delivery",
		"CREATE TABLE courier.mine (a int)", "SET ROLE courier_worker",
	} {
		mayNot(t, pool, statement)
	}
	enqueue := g.open(t, "courier_enqueue")
	approval, err := persistence.NewAudit(enqueue).Begin(t.Context(), persistence.Action{Who: "ala@host", How: "command", Name: persistence.ActApproveDeletes, Target: "run 1 of shop", Expected: 1})
	require.NoError(t, err)
	require.NoError(t, persistence.NewAudit(enqueue).Finish(t.Context(), approval, persistence.ActionDone, -1, ""))
	mayNot(t, enqueue, "SELECT who FROM courier.audit")
	mayNot(t, g.open(t, "courier_worker"), "DELETE FROM courier.audit")
	mayNot(t, g.open(t, "courier_reader"), "INSERT INTO courier.audit (who, how, action) VALUES ('x', 'none', 'x')")
}
