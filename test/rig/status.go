package rig

import (
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// Status is a row of mutation_status.
type Status struct {
	MutationID   string
	Lane         catalog.Lane
	ItemID       string
	Operation    string
	Status       string
	SupersededBy string // "" for none
	InBatch      bool
	Handle       string
	Attempts     int
	Errors       []ledger.Issue
	Warnings     []ledger.Issue
	PublishedAt  time.Time
	FinishedAt   time.Time
	Position     catalog.Position
}

// Statuses reads mutation_status in the order of the stream.
func (b *Bed) Statuses() []Status {
	b.tb.Helper()
	rows, err := b.DB.Query(b.tb.Context(), `
		SELECT mutation_id, account, catalog, catalog_type, item_id, coalesce(operation, ''), status,
			coalesce(superseded_by, ''), batch_id IS NOT NULL, coalesce(handle, ''), attempts, coalesce(errors, '[]'),
			coalesce(warnings, '[]'), published_at, coalesce(finished_at, '-infinity'::timestamptz) = '-infinity',
			coalesce(finished_at, 'epoch'), stream_generation, stream_sequence
		FROM courier.mutation_status ORDER BY stream_generation, stream_sequence`)
	require.NoError(b.tb, err)
	statuses, err := pgx.CollectRows(rows, scanStatus)
	require.NoError(b.tb, err)
	return statuses
}

func scanStatus(row pgx.CollectableRow) (s Status, err error) {
	var errors, warnings []byte
	var unfinished bool
	var sequence int64
	err = row.Scan(&s.MutationID, &s.Lane.Account, &s.Lane.Catalog, &s.Lane.Type, &s.ItemID, &s.Operation, &s.Status,
		&s.SupersededBy, &s.InBatch, &s.Handle, &s.Attempts, &errors, &warnings, &s.PublishedAt, &unfinished,
		&s.FinishedAt, &s.Position.Generation, &sequence)
	if err != nil {
		return s, err
	}
	s.Position.Sequence = uint64(sequence) //nolint:gosec // written from one
	if unfinished {
		s.FinishedAt = time.Time{}
	}
	if err := json.Unmarshal(errors, &s.Errors); err != nil {
		return s, err
	}
	return s, json.Unmarshal(warnings, &s.Warnings)
}

// StatusOf reads the newest row of the mutation; Status is "" while there is none.
func (b *Bed) StatusOf(mutationID string) Status {
	b.tb.Helper()
	var found Status
	for _, s := range b.Statuses() {
		if s.MutationID == mutationID {
			found = s
		}
	}
	return found
}

// AwaitStatus waits until the newest row of the mutation has the status.
func (b *Bed) AwaitStatus(mutationID, status string, within time.Duration) Status {
	b.tb.Helper()
	var last Status
	b.Await(mutationID+" is "+status, within, func() bool {
		last = b.StatusOf(mutationID)
		return last.Status == status
	})
	return last
}

// AwaitFinal waits until as many mutations have a row, and every one is final.
func (b *Bed) AwaitFinal(mutations int, within time.Duration) {
	b.tb.Helper()
	var at progress
	defer func() {
		if b.tb.Failed() {
			b.tb.Logf("of %d mutations: %+v; owners %v\n%s\n%s\nopen batches:\n%s\nnot final:\n%s", mutations, at, b.Owners(),
				b.Everything("account_status"), b.Everything("quota_scope"), b.openBatches(), b.unfinished())
		}
	}()
	b.Await("all mutations are final", within, func() bool {
		at = b.progress()
		return at.Rows >= mutations && at.OpenBatches == 0 && at.Waiting == 0
	})
	var unfinished int
	b.queryRow(`SELECT count(*) FROM courier.mutation_status WHERE status IN ('waiting', 'submitted')`, &unfinished)
	require.Zero(b.tb, unfinished, "no batch is open and nothing waits, but some mutations are not final")
}

// openBatches shows the batches that are not finished, with their attempts and handles.
func (b *Bed) openBatches() string {
	b.tb.Helper()
	var text string
	b.queryRow(`SELECT coalesce(string_agg(concat_ws(' ', b.id, b.created_at, b.partition, b.lane, b.records, b.mutations,
			(SELECT array_agg(a ORDER BY number) FROM courier.attempt a WHERE a.batch_id = b.id)), E'\n'), '')
		FROM courier.batch b WHERE b.finished_at IS NULL`, &text)
	return text
}

// unfinished shows some mutations that are not final.
func (b *Bed) unfinished() string {
	b.tb.Helper()
	var text string
	b.queryRow(`SELECT coalesce(string_agg(s::text, E'\n'), '') FROM (SELECT mutation_id, account, catalog, item_id, operation, status,
			batch_id, attempts, errors FROM courier.mutation_status WHERE status IN ('waiting', 'submitted') LIMIT 20) s`, &text)
	return text
}

// progress is what can be told cheaply of many mutations.
type progress struct {
	Rows        int
	OpenBatches int
	Waiting     int
}

func (b *Bed) progress() (p progress) {
	b.tb.Helper()
	b.queryRow(`SELECT (SELECT count(*) FROM courier.mutation),
		(SELECT count(*) FROM courier.batch WHERE finished_at IS NULL),
		(SELECT count(*) FROM courier.waiting)`, &p.Rows, &p.OpenBatches, &p.Waiting)
	return p
}

// queryRow reads one row; the test fails when it cannot be read. While Postgres
// restarts, that is tried again for a while.
func (b *Bed) queryRow(query string, into ...any) {
	b.tb.Helper()
	require.NoError(b.tb, b.DB.QueryRow(b.tb.Context(), query).Scan(into...))
}

// Count reads one number.
func (b *Bed) Count(query string, arguments ...any) (n int) {
	b.tb.Helper()
	require.NoError(b.tb, b.DB.QueryRow(b.tb.Context(), query, arguments...).Scan(&n))
	return n
}

// Owners tells which worker owns each partition; "" for nobody.
func (b *Bed) Owners() map[int]string {
	b.tb.Helper()
	rows, err := b.DB.Query(b.tb.Context(), `
		SELECT l.partition, coalesce(w.name, '') FROM courier.lease l LEFT JOIN courier.worker w ON w.id = l.owner`)
	require.NoError(b.tb, err)
	owners := map[int]string{}
	var partition int
	var name string
	_, err = pgx.ForEachRow(rows, []any{&partition, &name}, func() error {
		owners[partition] = name
		return nil
	})
	require.NoError(b.tb, err)
	return owners
}

// Owned counts the partitions of each worker.
func (b *Bed) Owned() map[string]int {
	b.tb.Helper()
	owned := map[string]int{}
	for _, name := range b.Owners() {
		owned[name]++
	}
	return owned
}

// Everything is all that a view or table of the schema shows, as text.
func (b *Bed) Everything(relation string) string {
	b.tb.Helper()
	var text string
	b.queryRow(`SELECT coalesce(string_agg(t::text, E'\n'), '') FROM courier.`+relation+` t`, &text)
	return text
}
