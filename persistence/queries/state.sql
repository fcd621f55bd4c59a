-- name: ScopesNamed :many
SELECT scope, blocked_until, quota, updated_at, patience_ns FROM courier.quota_scope WHERE scope = ANY (sqlc.arg(scopes)::text[]);

-- name: SaveScope :batchexec
-- A later block wins; of the rest what was told last.
INSERT INTO courier.quota_scope AS s (scope, blocked_until, quota, updated_at, patience_ns)
VALUES ($1, $2, $3, coalesce(sqlc.narg(updated_at)::timestamptz, now()), $4)
ON CONFLICT (scope) DO UPDATE SET
    blocked_until = greatest(s.blocked_until, excluded.blocked_until),
    quota = CASE WHEN excluded.updated_at >= s.updated_at THEN coalesce(excluded.quota, s.quota) ELSE coalesce(s.quota, excluded.quota) END,
    patience_ns = CASE WHEN excluded.updated_at >= s.updated_at THEN excluded.patience_ns ELSE s.patience_ns END,
    updated_at = greatest(s.updated_at, excluded.updated_at);

-- name: SaveAccount :exec
-- A pause by hand is left alone, unless it is an operator who speaks. Of two pauses the
-- one that ends later stays: calls that were under way together may ask for both.
INSERT INTO courier.account AS a (name, state, reason, by_hand, resumes_at, pause_ns) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (name) DO UPDATE SET state = excluded.state, reason = excluded.reason, by_hand = excluded.by_hand,
    resumes_at = CASE WHEN a.state = 'paused' AND excluded.state = 'paused' AND NOT excluded.by_hand
        THEN greatest(a.resumes_at, excluded.resumes_at) ELSE excluded.resumes_at END,
    pause_ns = excluded.pause_ns, updated_at = now()
WHERE NOT a.by_hand OR excluded.by_hand;

-- name: AccountsNamed :many
SELECT name, state, reason, by_hand, resumes_at, pause_ns FROM courier.account WHERE name = ANY (sqlc.arg(names)::text[]);

-- name: ResumeAccount :execrows
UPDATE courier.account SET state = 'active', reason = '', by_hand = false, resumes_at = NULL, pause_ns = 0, updated_at = now() WHERE name = $1;

-- name: PauseAccount :execrows
UPDATE courier.account SET state = 'paused', reason = $2, by_hand = true, resumes_at = NULL, pause_ns = 0, updated_at = now() WHERE name = $1;

-- name: RegisterAccount :batchexec
INSERT INTO courier.account (name, platform, scopes) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET platform = excluded.platform, scopes = excluded.scopes
WHERE courier.account.platform <> excluded.platform OR courier.account.scopes <> excluded.scopes;

-- name: AppendAttempt :batchexec
-- Repeating it is harmless, and a handle once known is never forgotten.
INSERT INTO courier.attempt AS a (batch_id, number, result, at, next_at, handles, error, notes)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (batch_id, number) DO UPDATE SET
    result = excluded.result,
    at = excluded.at,
    next_at = excluded.next_at,
    handles = CASE WHEN cardinality(excluded.handles) > 0 THEN excluded.handles ELSE a.handles END,
    error = excluded.error,
    notes = coalesce(excluded.notes, a.notes)
WHERE a.result IS DISTINCT FROM 1 OR excluded.result = 1;

-- name: DeadLetters :many
SELECT d.id, d.mutation_id, l.account, l.catalog, l.catalog_type, d.item_id, d.localization, d.operation, d.subject,
    d.headers, d.body, d.reason, d.field, d.text, d.failed_at, d.replayed_at, d.generation, d.sequence
FROM courier.dead_letter d JOIN courier.lane l ON l.id = d.lane
WHERE d.id > sqlc.arg(after_id)
    AND (sqlc.narg(ids)::bigint[] IS NULL OR d.id = ANY (sqlc.narg(ids)::bigint[]))
    AND (sqlc.narg(account)::text IS NULL OR l.account = sqlc.narg(account))
    AND (sqlc.narg(catalog)::text IS NULL OR l.catalog = sqlc.narg(catalog))
    AND (sqlc.narg(catalog_type)::text IS NULL OR l.catalog_type = sqlc.narg(catalog_type))
    AND (sqlc.narg(reason)::text IS NULL OR d.reason = sqlc.narg(reason))
    AND (sqlc.narg(mutation_id)::text IS NULL OR d.mutation_id = sqlc.narg(mutation_id))
    AND (sqlc.narg(failed_before)::timestamptz IS NULL OR d.failed_at < sqlc.narg(failed_before))
    AND (sqlc.arg(with_replayed)::boolean OR d.replayed_at IS NULL)
ORDER BY d.id LIMIT sqlc.arg(lim);

-- name: NewerChanges :many
-- Which dead letters have a newer change of the same item that was not itself
-- given up.
SELECT d.id FROM courier.dead_letter d
WHERE d.id = ANY (sqlc.arg(ids)::bigint[]) AND d.item_id <> '' AND EXISTS (
    SELECT FROM courier.mutation m
    WHERE m.item_id = d.item_id AND m.lane = d.lane AND m.localization IS NOT DISTINCT FROM d.localization
        AND (m.generation, m.sequence) > (d.generation, d.sequence) AND m.state <> 2
        AND NOT EXISTS (SELECT FROM courier.dead_letter x WHERE x.sequence = m.sequence AND x.generation = m.generation AND x.lane = m.lane));

-- name: MarkReplayed :execrows
UPDATE courier.dead_letter SET replayed_at = sqlc.arg(at) WHERE id = ANY (sqlc.arg(ids)::bigint[]) AND replayed_at IS NULL;

-- name: WaitingCounts :many
SELECT l.account, l.partition, count(*) AS items, min(w.received_at)::timestamptz AS oldest
FROM courier.waiting w JOIN courier.lane l ON l.id = w.lane
GROUP BY l.account, l.partition;

-- name: OpenBatchCounts :many
SELECT l.account, count(*) AS batches, sum(b.records)::bigint AS records
FROM courier.batch b JOIN courier.lane l ON l.id = b.lane
WHERE b.finished_at IS NULL
GROUP BY l.account;

-- name: DeadLetterCounts :many
SELECT l.account, d.reason, count(*) AS letters
FROM courier.dead_letter d JOIN courier.lane l ON l.id = d.lane
WHERE d.replayed_at IS NULL
GROUP BY l.account, d.reason;

-- name: OwnedPartitions :many
SELECT owner, count(*) AS partitions FROM courier.lease WHERE owner IS NOT NULL GROUP BY owner;
