package persistence_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/persistence"
)

func accountOf(t *testing.T, pool *pgxpool.Pool, name string) map[string]any {
	t.Helper()
	return one(t, pool, "select * from courier.account_status where account = $1", name)
}

func reasonOf(t *testing.T, pool *pgxpool.Pool, id string) any {
	t.Helper()
	return one(t, pool, "select reason from courier.mutation_status where mutation_id = $1", id)["reason"]
}

// beat makes a worker run that has accounts in its configuration; nil says nothing of them.
func beat(t *testing.T, pool *pgxpool.Pool, name string, accounts []persistence.Account) uuid.UUID {
	t.Helper()
	table, worker := persistence.NewLeaseTable(pool), uuid.New()
	if accounts != nil {
		table.Configure(accounts)
	}
	_, err := table.Heartbeat(t.Context(), worker, name)
	require.NoError(t, err)
	return worker
}

// TestFailingAccountInTheView: with the reason, since when and the next try, as long as
// something is open, and not after the next success.
func TestFailingAccountInTheView(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	accounts := []persistence.Account{{Name: "acme", Platform: "meta", Scopes: []string{"s"}, Catalogs: []string{"us"}}}
	require.NoError(t, store.RegisterAccounts(t.Context(), accounts))
	beat(t, pool, "w", accounts)
	now := time.Now().UTC().Truncate(time.Second)
	health := ledger.AccountHealth{
		Account: "acme", SucceededAt: now.Add(-time.Minute), FailingSince: now.Add(-10 * time.Second), Reason: "POST: connection refused", NextTry: now.Add(time.Hour),
	}
	require.NoError(t, store.SaveHealth(t.Context(), lease, []ledger.AccountHealth{health}))
	require.Equal(t, "active", accountOf(t, pool, "acme")["state"], "nothing is open")

	batch := ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(1, "a")))
	commit(t, store, lease, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{batch} })
	require.NoError(t, store.AppendAttempts(t.Context(), []ledger.Attempt{{BatchID: batch.ID, Number: 1, Result: ledger.Ambiguous, At: now, Error: "no answer"}}))
	account := accountOf(t, pool, "acme")
	require.Equal(t, "failing", account["state"])
	require.Equal(t, "POST: connection refused", account["reason"])
	require.Equal(t, health.FailingSince, account["since"].(time.Time).UTC())
	require.Equal(t, health.NextTry, account["next_attempt_at"].(time.Time).UTC())
	require.Equal(t, health.SucceededAt, account["last_succeeded_at"].(time.Time).UTC())
	require.EqualValues(t, 1, account["in_flight_items"])
	require.NotNil(t, account["oldest_unfinished_at"])
	require.Contains(t, reasonOf(t, pool, "m1"), "calls to the platform fail since")
	require.Contains(t, reasonOf(t, pool, "m1"), "connection refused; next try")

	later := health
	later.FailingSince = now
	require.NoError(t, store.SaveHealth(t.Context(), lease, []ledger.AccountHealth{later}))
	require.Equal(t, health.FailingSince, accountOf(t, pool, "acme")["since"].(time.Time).UTC(), "since the first failure")
	stranger := ledger.Lease{Partition: 0, Token: uuid.New()}
	works := []ledger.AccountHealth{{Account: "acme", SucceededAt: now}}
	require.NoError(t, store.SaveHealth(t.Context(), stranger, works))
	require.Equal(t, "failing", accountOf(t, pool, "acme")["state"], "a lease that is lost says nothing")
	require.NoError(t, store.SaveHealth(t.Context(), lease, works))
	account = accountOf(t, pool, "acme")
	require.Equal(t, "active", account["state"])
	require.Nil(t, account["reason"])
	require.Equal(t, now, account["last_succeeded_at"].(time.Time).UTC())
}

// TestPacedAccountInTheViews: what waits because requests are spread says so, and until when.
func TestPacedAccountInTheViews(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	accounts := []persistence.Account{{Name: "acme", Platform: "meta", Scopes: []string{"s"}, Catalogs: []string{"us"}}}
	require.NoError(t, store.RegisterAccounts(t.Context(), accounts))
	beat(t, pool, "w", accounts)
	commit(t, store, lease, func(tx *ledger.Transaction) { tx.Waiting = []*catalog.Mutation{ledgertest.Mutation(1, "a")} })
	until := time.Now().UTC().Truncate(time.Second).Add(time.Hour)
	paced := ledger.AccountHealth{Account: "acme", PacedUntil: until, PacedBy: "meta:1:batch"}
	require.NoError(t, store.SaveHealth(t.Context(), lease, []ledger.AccountHealth{paced}))
	account := accountOf(t, pool, "acme")
	require.Equal(t, "throttled", account["state"])
	require.Equal(t, "requests are spread to keep within the quota of meta:1:batch", account["reason"])
	require.Equal(t, until, account["resumes_at"].(time.Time).UTC())
	require.Equal(t, until, account["next_attempt_at"].(time.Time).UTC())
	require.Contains(t, reasonOf(t, pool, "m1"), "to keep within the quota of meta:1:batch; the next goes at "+until.Format(time.DateTime))
	withheld := ledger.AccountHealth{Account: "acme", PacedUntil: until, Withheld: "the database may have lost its last commits"}
	require.NoError(t, store.SaveHealth(t.Context(), lease, []ledger.AccountHealth{withheld}))
	account = accountOf(t, pool, "acme")
	require.Equal(t, []any{"held", withheld.Withheld}, []any{account["state"], account["reason"]})
	require.Equal(t, until, account["resumes_at"].(time.Time).UTC())
	require.Contains(t, reasonOf(t, pool, "m1"), withheld.Withheld+"; until "+until.Format(time.DateTime))
	paced.PacedUntil = time.Now().Add(-time.Second)
	require.NoError(t, store.SaveHealth(t.Context(), lease, []ledger.AccountHealth{paced}))
	require.Equal(t, "active", accountOf(t, pool, "acme")["state"], "it is over")
	require.Equal(t, "collected for the next batch", reasonOf(t, pool, "m1"))
}

// TestStraysInTheViews: an account that nobody has is there as soon as a change of it
// waits, and says what was perhaps meant and until when it waits.
func TestStraysInTheViews(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	accounts := []persistence.Account{{Name: "acme", Platform: "meta", Catalogs: []string{"us"}}}
	require.NoError(t, store.RegisterAccounts(t.Context(), accounts))
	beat(t, pool, "w", accounts)
	stray, unknown := ledgertest.Mutation(1, "a"), ledgertest.Mutation(2, "b")
	stray.Lane.Account, unknown.Lane.Catalog = "acne", "uss"
	commit(t, store, lease, func(tx *ledger.Transaction) { tx.Waiting = []*catalog.Mutation{stray, unknown} })
	require.Equal(t, "not configured", accountOf(t, pool, "acne")["state"], "at once")
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	lanes := []ledger.StrayLane{
		{Lane: stray.Lane, Problem: `account "acne" is unknown; the nearest known name is "acme"`, Since: time.Now(), InvalidAt: at},
		{Lane: unknown.Lane, Problem: `catalog "uss" is unknown`, Since: time.Now(), InvalidAt: at},
	}
	require.NoError(t, store.SaveStrays(t.Context(), lease, lanes))
	account := accountOf(t, pool, "acne")
	require.Equal(t, `account "acne" is unknown; the nearest known name is "acme"; becomes invalid at 2030-01-02 03:04:05 UTC`, account["reason"])
	require.EqualValues(t, 1, account["waiting_items"])
	require.Equal(t, account["reason"], reasonOf(t, pool, "m1"))
	account = accountOf(t, pool, "acme")
	require.Equal(t, "active", account["state"])
	require.Equal(t, `1 change waits: catalog "uss" is unknown; becomes invalid at 2030-01-02 03:04:05 UTC`, account["reason"])
	require.NoError(t, store.SaveStrays(t.Context(), lease, nil))
	require.Nil(t, accountOf(t, pool, "acme")["reason"])
	require.Equal(t, "collected for the next batch", reasonOf(t, pool, "m2"))
}

// TestManyAccountsAreSaidInParts: so many that one heartbeat cannot say them all, and then
// fewer; a row that is lost in between has all of them said again.
func TestManyAccountsAreSaidInParts(t *testing.T) {
	t.Parallel()
	_, pool := newDatabase(t)
	accounts := make([]persistence.Account, 0, 12_001)
	for i := range cap(accounts) {
		accounts = append(accounts, persistence.Account{Name: fmt.Sprintf("Ä-%d_%d", i%7, i), Catalogs: []string{"us"}})
	}
	table, worker := persistence.NewLeaseTable(pool), uuid.New()
	said := func() (rows int, all bool) {
		require.NoError(t, pool.QueryRow(t.Context(), `select (select count(*) from courier.configured c where c.worker = w.id), configured_at is not null
			from courier.worker w where id = $1`, worker).Scan(&rows, &all))
		return rows, all
	}
	beat := func() {
		_, err := table.Heartbeat(t.Context(), worker, "w")
		require.NoError(t, err)
	}
	table.Configure(accounts)
	for range 2 {
		beat()
		rows, all := said()
		require.Less(t, rows, 2*len(accounts))
		require.False(t, all)
	}
	_, err := pool.Exec(t.Context(), "delete from courier.worker")
	require.NoError(t, err)
	for _, configured := range [][]persistence.Account{accounts, accounts[3:11_000]} {
		table.Configure(configured)
		beat()
		rows, all := said()
		for beats := 0; (rows != 2*len(configured) || !all) && beats < 100; beats++ {
			beat() // one that takes too long is repeated
			rows, all = said()
		}
		require.Equal(t, 2*len(configured), rows)
		require.True(t, all)
	}
}

// TestConfiguredIsWhatAnyRunningWorkerHas: of two workers with different configurations,
// one of which may be of a version that does not say what it has.
func TestConfiguredIsWhatAnyRunningWorkerHas(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	old := []persistence.Account{{Name: "old", Catalogs: []string{"c"}}, {Name: "both"}}
	fresh := []persistence.Account{{Name: "fresh"}, {Name: "both"}}
	require.NoError(t, store.RegisterAccounts(t.Context(), slices.Concat(old, fresh)))
	configured := func() (names []string) {
		require.NoError(t, pool.QueryRow(t.Context(), "select coalesce(array_agg(account order by account), '{}') from courier.account_status where configured and state = 'active'").Scan(&names))
		return names
	}
	require.Equal(t, []string{"both", "fresh", "old"}, configured(), "no worker runs: nobody knows better")
	first := beat(t, pool, "first", old)
	require.Equal(t, []string{"both", "old"}, configured())
	beat(t, pool, "second", fresh)
	require.Equal(t, []string{"both", "fresh", "old"}, configured())
	require.NoError(t, persistence.NewLeaseTable(pool).Leave(t.Context(), first))
	require.Equal(t, []string{"both", "fresh"}, configured())
	require.Equal(t, "not configured", accountOf(t, pool, "old")["state"])
	_, err := store.AskForRemoval(t.Context(), "both")
	require.ErrorIs(t, err, persistence.ErrConfigured)
	silent := beat(t, pool, "of an older version", nil)
	require.Equal(t, []string{"both", "fresh", "old"}, configured())
	_, err = store.AskForRemoval(t.Context(), "old")
	require.ErrorIs(t, err, persistence.ErrConfigured)
	require.NoError(t, persistence.NewLeaseTable(pool).Leave(t.Context(), silent))
	_, err = store.AskForRemoval(t.Context(), "old")
	require.NoError(t, err)
	require.NoError(t, store.RegisterAccounts(t.Context(), old), "a worker starts that has it")
	removed, err := store.EndRemoval(t.Context(), "old")
	require.NoError(t, err)
	require.False(t, removed, "that takes the wish back")
	_, err = store.AskForRemoval(t.Context(), "old")
	require.NoError(t, err)
	removed, err = store.EndRemoval(t.Context(), "old")
	require.NoError(t, err)
	require.True(t, removed)
	_, err = store.AccountRemains(t.Context(), "old")
	require.ErrorIs(t, err, persistence.ErrNoAccount)
}

// TestPauseByHandHasAnEnd: by the database's clock, whether a worker runs or not.
func TestPauseByHandHasAnEnd(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	require.NoError(t, store.RegisterAccounts(t.Context(), []persistence.Account{{Name: "acme"}, {Name: "other"}}))
	lease := acquire(t, pool, 0)
	commit(t, store, lease, func(tx *ledger.Transaction) { tx.Waiting = []*catalog.Mutation{ledgertest.Mutation(1, "a")} })
	beat(t, pool, "w", []persistence.Account{{Name: "acme"}, {Name: "other"}})
	paused, err := store.PauseAllAccounts(t.Context(), "stocktaking", persistence.PauseEnd{After: time.Hour})
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"acme", "other"}, paused)
	account := accountOf(t, pool, "acme")
	require.Equal(t, []any{"paused", "stocktaking", true}, []any{account["state"], account["reason"], account["paused_by_hand"]})
	require.WithinDuration(t, time.Now().Add(time.Hour), account["resumes_at"].(time.Time), time.Minute)
	require.Regexp(t, `^account paused by hand since .* UTC until .* UTC: stocktaking$`, reasonOf(t, pool, "m1"))
	_, err = pool.Exec(t.Context(), "update courier.account set resumes_at = now() - interval '1 second' where name = 'acme'")
	require.NoError(t, err)
	account = accountOf(t, pool, "acme")
	require.Equal(t, []any{"active", nil, false, nil}, []any{account["state"], account["reason"], account["paused_by_hand"], account["resumes_at"]})
	states, err := store.Accounts(t.Context(), []string{"acme", "other"})
	require.NoError(t, err)
	require.Equal(t, ledger.AccountState{Account: "acme", State: "active"}, states["acme"])
	require.True(t, states["other"].ByHand)
	stands, err := store.SaveAccount(t.Context(), ledger.AccountState{Account: "acme", State: "throttled", Reason: "429"})
	require.NoError(t, err)
	require.Equal(t, "throttled", stands.State, "it stands in nobody's way any more")
	resumed, err := store.ResumeAllAccounts(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"other"}, resumed)
}

// TestErrorsEndWithTheirCause: of an item that was fixed, and of a batch that was completed
// after trouble.
func TestErrorsEndWithTheirCause(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	send := func(m *catalog.Mutation, end func(b *ledger.Batch) ledger.BatchOutcome) {
		batch := ledgertest.Batch(ledgertest.Record(m))
		commit(t, store, lease, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{batch} })
		require.NoError(t, store.AppendAttempts(t.Context(), []ledger.Attempt{
			{BatchID: batch.ID, Number: 1, Result: ledger.NotTaken, At: ledgertest.At, Error: "HTTP 401"},
			{BatchID: batch.ID, Number: 2, Result: ledger.Accepted, At: ledgertest.At, Handles: []string{"h"}},
		}))
		commit(t, store, lease, func(tx *ledger.Transaction) { tx.Outcomes = []ledger.BatchOutcome{end(&batch)} })
	}
	lastError := func() any {
		return one(t, pool, "select last_error from courier.item_status where item_id = 'a'")["last_error"]
	}
	completed := func(b *ledger.Batch) ledger.BatchOutcome {
		return ledger.BatchOutcome{BatchID: b.ID, Lane: b.Lane, CreatedAt: b.CreatedAt, State: ledger.BatchCompleted, FinishedAt: time.Now(), Succeeded: 1}
	}
	send(ledgertest.Mutation(1, "a"), func(b *ledger.Batch) ledger.BatchOutcome {
		outcome := completed(b)
		outcome.Succeeded, outcome.Failed = 0, 1
		outcome.Exceptions = []ledger.RecordOutcome{{
			Result: ledger.Failed, Reason: catalog.Refused, Constituents: b.Records[0].Constituents, Errors: []ledger.Issue{{Message: "the price is not valid"}},
		}}
		return outcome
	})
	require.NoError(t, store.RegisterAccounts(t.Context(), []persistence.Account{{Name: "acme"}}))
	require.NotNil(t, lastError())
	require.EqualValues(t, 1, accountOf(t, pool, "acme")["failed_last_hour"])
	send(ledgertest.Mutation(2, "a"), completed)
	require.Nil(t, lastError())
	b := one(t, pool, "select * from courier.batch_status order by created_at desc, batch_id desc limit 1")
	require.Equal(t, []any{"completed", nil, "HTTP 401"}, []any{b["state"], b["last_error"], b["recovered_error"]})
	require.Nil(t, reasonOf(t, pool, "m2"))
}

// TestAccountStatusStaysFast: with 1,000 accounts and many days of mutations the view reads
// no mutation, and answers at once.
func TestAccountStatusStaysFast(t *testing.T) {
	t.Parallel()
	_, pool := newDatabase(t)
	for _, statement := range []string{
		"select courier.ensure_day(current_date - n) from generate_series(0, 29) n",
		"insert into courier.account (name, platform, scopes) select 'a' || n, 'meta', array['s' || n] from generate_series(1, 1000) n",
		"insert into courier.quota_scope (scope, updated_at) select 's' || n, now() from generate_series(1, 1000) n",
		"insert into courier.lane (partition, account, catalog, catalog_type) select n % 8, 'a' || n, 'c', 'T' from generate_series(1, 1000) n",
		`insert into courier.batch (id, created_at, finished_at, partition, lane, records, mutations, succeeded, failed, state, payload)
			select (substr(courier.first_id(current_date - d)::text, 1, 24) || lpad(to_hex(n), 12, '0'))::uuid, now(), now() - d * interval '1 day' - n * interval '1 second', 0,
				(select min(id) from courier.lane) + n % 1000, 1000, 1000, 1000, (n % 50 = 0)::int, 'completed', ''
			from generate_series(0, 9) d, generate_series(1, 4000) n`,
		`insert into courier.batch (id, created_at, partition, lane, records, mutations, payload)
			select (substr(courier.first_id(current_date)::text, 1, 24) || lpad(to_hex(1000000 + n), 12, '0'))::uuid, now(), 0, (select min(id) from courier.lane) + n % 1000, 10, 10, ''
			from generate_series(1, 1000) n`,
		"insert into courier.attempt (batch_id, number, result, at) select id, 1, 1, now() from courier.batch where finished_at is null",
		`insert into courier.waiting (lane, generation, sequence, received_at, payload)
			select (select min(id) from courier.lane) + n % 1000, 1, n, now(), repeat('x', 300)::bytea from generate_series(1, 20000) n`,
	} {
		_, err := pool.Exec(t.Context(), statement)
		require.NoError(t, err, statement)
	}
	for _, table := range []string{"batch", "attempt", "waiting", "lane", "account"} {
		_, err := pool.Exec(t.Context(), "vacuum analyze courier."+table)
		require.NoError(t, err)
	}
	rows, err := pool.Query(t.Context(), "explain select * from courier.account_status")
	require.NoError(t, err)
	var lines strings.Builder
	for rows.Next() {
		var line string
		require.NoError(t, rows.Scan(&line))
		lines.WriteString(line + "\n")
	}
	plan := lines.String()
	require.NoError(t, rows.Err())
	require.NotContains(t, plan, "mutation", "it reads no mutation")
	var today string
	require.NoError(t, pool.QueryRow(t.Context(), "select to_char(current_date, 'YYYYMMDD')").Scan(&today))
	require.NotContains(t, plan, "Seq Scan on batch_"+today, "nor all batches of a day")
	require.Contains(t, plan, "Index Only Scan using batch_"+today+"_finished_at_lane_failed_idx")
	fastest := time.Hour
	for range 5 {
		began := time.Now()
		var accounts, waiting, under, failed int
		require.NoError(t, pool.QueryRow(context.Background(), "select count(*), sum(waiting_items), sum(in_flight_items), sum(failed_last_hour) from courier.account_status").
			Scan(&accounts, &waiting, &under, &failed))
		require.Equal(t, []int{1000, 20_000, 10_000}, []int{accounts, waiting, under})
		require.InDelta(t, 70, failed, 3, "those of the last hour, whose end moves on")
		fastest = min(fastest, time.Since(began))
	}
	fmt.Fprintln(t.Output(), "account_status of 1,000 accounts takes", fastest)
	require.Less(t, fastest, 2*time.Second, "on a busy machine too")
}

// TestReasonsEndWithTheirCause: a refusal that paused the account says nothing after it was
// resumed, neither alone nor beside what holds it up now; and each state says since when.
func TestReasonsEndWithTheirCause(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	const app = "meta/app/0123456789abcdef"
	accounts := []persistence.Account{{Name: "acme", Platform: "meta", Scopes: []string{"meta/catalog/1234567890123456/batch", app}, Catalogs: []string{"us"}}}
	require.NoError(t, store.RegisterAccounts(t.Context(), accounts))
	beat(t, pool, "w", accounts)
	batches := []ledger.Batch{ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(1, "a"))), ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(2, "b")))}
	commit(t, store, lease, func(tx *ledger.Transaction) { tx.Batches = batches })
	soon := time.Now().Add(time.Hour)
	attempt := func(batch, number int, result ledger.AttemptResult, why string) {
		t.Helper()
		require.NoError(t, store.AppendAttempts(t.Context(), []ledger.Attempt{
			{BatchID: batches[batch].ID, Number: number, Result: result, At: time.Now(), Error: why, NextAt: soon},
		}))
	}
	shown := func() []any {
		t.Helper()
		account := accountOf(t, pool, "acme")
		return []any{account["state"], account["reason"]}
	}
	recent := func() {
		t.Helper()
		since, told := accountOf(t, pool, "acme")["since"].(time.Time)
		require.True(t, told, "since when")
		require.WithinDuration(t, time.Now(), since, time.Minute)
	}
	attempt(0, 1, ledger.NotTaken, "HTTP 401: the token is not valid")
	require.Equal(t, []any{"active", "HTTP 401: the token is not valid"}, shown())
	require.NoError(t, store.PauseAccountUntil(t.Context(), "acme", "paused by hand", persistence.PauseEnd{}))
	attempt(1, 1, ledger.Unsent, "not sent yet: the account is paused")
	require.Equal(t, []any{"paused", "paused by hand"}, shown())
	require.NoError(t, store.ResumeAccount(t.Context(), "acme"))
	require.Equal(t, []any{"active", "what was not taken before is sent again"}, shown())
	require.NotContains(t, reasonOf(t, pool, "m2"), "paused")

	attempt(1, 2, ledger.Unsent, "not sent yet: the quota is used up")
	require.Equal(t, []any{"throttled", "not sent yet: the quota is used up"}, shown())
	recent()
	_, err := pool.Exec(t.Context(), "update courier.account set state = 'paused', by_hand = true, resumes_at = now(), since = now() - interval '1 hour'")
	require.NoError(t, err)
	require.Equal(t, []any{"active", "what was not taken before is sent again"}, shown(), "a pause by hand whose time is over")

	require.NoError(t, store.SaveHealth(t.Context(), lease, []ledger.AccountHealth{{Account: "acme", PacedUntil: soon, PacedBy: app}}))
	require.Equal(t, []any{"throttled", "requests are spread to keep within the quota of meta/app"}, shown())
	recent()
	began := accountOf(t, pool, "acme")["since"]
	require.NoError(t, store.SaveHealth(t.Context(), lease, []ledger.AccountHealth{{Account: "acme", PacedUntil: soon.Add(time.Minute), PacedBy: app}}))
	require.Equal(t, began, accountOf(t, pool, "acme")["since"], "it goes on")
	require.NoError(t, store.SaveScopes(t.Context(), []ledger.ScopeState{{Scope: accounts[0].Scopes[0], BlockedUntil: soon}}))
	require.Equal(t, []any{"throttled", "quota of meta/catalog/1234567890123456/batch"}, shown(), "a catalog's id is no hash")
	recent()
	began = accountOf(t, pool, "acme")["since"]
	require.NoError(t, store.SaveScopes(t.Context(), []ledger.ScopeState{{Scope: accounts[0].Scopes[0], BlockedUntil: soon.Add(time.Minute)}}))
	require.Equal(t, began, accountOf(t, pool, "acme")["since"])
}

// TestSubmittedAtIsOfAPostThatArrived, or of one that nobody knows of.
func TestSubmittedAtIsOfAPostThatArrived(t *testing.T) {
	t.Parallel()
	store, pool := newDatabase(t)
	lease := acquire(t, pool, 0)
	batch := ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(1, "a")))
	commit(t, store, lease, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{batch} })
	at := ledgertest.At
	for i, step := range []struct {
		result ledger.AttemptResult
		want   any
	}{
		{ledger.Unsent, nil},
		{ledger.NotTaken, nil},
		{ledger.Ambiguous, at.Add(2 * time.Minute)},
		{ledger.NotTaken, at.Add(2 * time.Minute)},
		{ledger.Accepted, at.Add(4 * time.Minute)},
	} {
		require.NoError(t, store.AppendAttempts(t.Context(), []ledger.Attempt{{BatchID: batch.ID, Number: i + 1, Result: step.result, At: at.Add(time.Duration(i) * time.Minute)}}))
		for _, view := range []string{"mutation_status", "batch_status"} {
			found := one(t, pool, "select submitted_at from courier."+view)["submitted_at"]
			if since, ok := found.(time.Time); ok {
				found = since.UTC()
			}
			require.Equal(t, step.want, found, "%s after attempt %d", view, i+1)
		}
	}
}
