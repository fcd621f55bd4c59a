package rig

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/test/evidence"
)

// Status is a row of mutation_status.
type Status = evidence.Status

// Statuses reads mutation_status in the order of the stream.
func (e *Env) Statuses() []Status {
	e.tb.Helper()
	statuses, err := evidence.Statuses(e.tb.Context(), e.DB)
	require.NoError(e.tb, err)
	return statuses
}

// StatusOf reads the newest row of the mutation; Status is "" while there is none.
func (e *Env) StatusOf(mutationID string) Status {
	e.tb.Helper()
	var found Status
	for _, s := range e.Statuses() {
		if s.MutationID == mutationID {
			found = s
		}
	}
	return found
}

// AwaitStatus waits until the newest row of the mutation has the status.
func (e *Env) AwaitStatus(mutationID, status string, within time.Duration) Status {
	e.tb.Helper()
	var last Status
	defer func() {
		if e.tb.Failed() {
			e.tb.Logf("%s: %+v; owners %v\n%s\n%s\nopen batches:\n%s\nnot final:\n%s", mutationID, last, e.Owners(),
				e.Everything("account_status"), e.Everything("quota_scope"), e.openBatches(), e.unfinished())
		}
	}()
	e.Await(mutationID+" is "+status, within, func() bool {
		last = e.StatusOf(mutationID)
		return last.Status == status
	})
	return last
}

// AwaitFinal waits until as many mutations have a row, and every one is final.
func (e *Env) AwaitFinal(mutations int, within time.Duration) {
	e.tb.Helper()
	var at evidence.Progress
	defer func() {
		if e.tb.Failed() {
			e.tb.Logf("of %d mutations: %+v; owners %v\n%s\n%s\nopen batches:\n%s\nnot final:\n%s", mutations, at, e.Owners(),
				e.Everything("account_status"), e.Everything("quota_scope"), e.openBatches(), e.unfinished())
		}
	}()
	e.Await("all mutations are final", within, func() bool {
		at = e.progress()
		return at.Done(mutations)
	})
	var unfinished int
	e.queryRow(`SELECT count(*) FROM courier.mutation_status WHERE status IN ('waiting', 'submitted')`, &unfinished)
	require.Zero(e.tb, unfinished, "no batch is open and nothing waits, but some mutations are not final")
}

// openBatches shows the batches that are not finished, with their attempts and handles.
func (e *Env) openBatches() string {
	e.tb.Helper()
	var text string
	e.queryRow(`SELECT coalesce(string_agg(concat_ws(' ', b.id, b.created_at, b.partition, b.lane, b.records, b.mutations,
			(SELECT array_agg(a ORDER BY number) FROM courier.attempt a WHERE a.batch_id = b.id)), E'\n'), '')
		FROM courier.batch b WHERE b.finished_at IS NULL`, &text)
	return text
}

// unfinished shows some mutations that are not final.
func (e *Env) unfinished() string {
	e.tb.Helper()
	var text string
	e.queryRow(`SELECT coalesce(string_agg(s::text, E'\n'), '') FROM (SELECT mutation_id, account, catalog, item_id, operation, status,
			batch_id, attempts, errors FROM courier.mutation_status WHERE status IN ('waiting', 'submitted') LIMIT 20) s`, &text)
	return text
}

func (e *Env) progress() evidence.Progress {
	e.tb.Helper()
	at, err := evidence.ReadProgress(e.tb.Context(), e.DB)
	require.NoError(e.tb, err)
	return at
}

// queryRow reads one row; the test fails when it cannot be read. While Postgres
// restarts, that is tried again for a while.
func (e *Env) queryRow(query string, into ...any) {
	e.tb.Helper()
	require.NoError(e.tb, e.DB.QueryRow(e.tb.Context(), query).Scan(into...))
}

// Count reads one number.
func (e *Env) Count(query string, arguments ...any) (n int) {
	e.tb.Helper()
	require.NoError(e.tb, e.DB.QueryRow(e.tb.Context(), query, arguments...).Scan(&n))
	return n
}

// Owners are the workers that own each partition; "" for nobody.
func (e *Env) Owners() map[int]string {
	e.tb.Helper()
	owners := map[int]string{}
	for _, l := range e.leases() {
		owners[l.Partition] = l.Owner
	}
	return owners
}

// Owned counts the partitions of each worker.
func (e *Env) Owned() map[string]int {
	e.tb.Helper()
	return evidence.Owned(e.leases())
}

func (e *Env) leases() []evidence.Lease {
	e.tb.Helper()
	leases, err := evidence.Leases(e.tb.Context(), e.DB)
	require.NoError(e.tb, err)
	return leases
}

// Everything is all that a view or table of the schema shows, as text.
func (e *Env) Everything(relation string) string {
	e.tb.Helper()
	var text string
	e.queryRow(`SELECT coalesce(string_agg(t::text, E'\n'), '') FROM courier.`+relation+` t`, &text)
	return text
}
