-- name: ScopesNamed :many
SELECT scope, blocked_until, quota, updated_at, patience_ns FROM courier.quota_scope WHERE scope = ANY (sqlc.arg(scopes)::text[]);

-- name: SaveScope :batchexec
-- A later block wins; of the rest what was told last.
INSERT INTO courier.quota_scope AS s (scope, blocked_until, quota, updated_at, patience_ns, blocked_since)
VALUES ($1, $2, $3, coalesce(sqlc.narg(updated_at)::timestamptz, now()), $4, CASE WHEN $2 > now() THEN now() END)
ON CONFLICT (scope) DO UPDATE SET
    blocked_since = CASE WHEN s.blocked_until > now() THEN coalesce(s.blocked_since, now()) ELSE excluded.blocked_since END,
    blocked_until = greatest(s.blocked_until, excluded.blocked_until),
    quota = CASE WHEN excluded.updated_at >= s.updated_at THEN coalesce(excluded.quota, s.quota) ELSE coalesce(s.quota, excluded.quota) END,
    patience_ns = CASE WHEN excluded.updated_at >= s.updated_at THEN excluded.patience_ns ELSE s.patience_ns END,
    updated_at = greatest(s.updated_at, excluded.updated_at);

-- name: DropOldestMessages :one
-- Drops the messages of an account's oldest dead letters until so many bytes are free,
-- at most lim of them, and returns how many it dropped, their bytes, and what is left.
WITH candidate AS (
    SELECT d.id, octet_length(d.body) + pg_column_size(d.headers) AS size
    FROM courier.lane l
    JOIN LATERAL (SELECT x.id, x.body, x.headers FROM courier.dead_letter x
        WHERE x.lane = l.id AND x.lost IS NULL
            AND x.id > (SELECT s.dropped_to FROM courier.dead_letter_size s WHERE s.account = sqlc.arg(account))
        ORDER BY x.id LIMIT sqlc.arg(lim)) d ON true
    WHERE l.account = sqlc.arg(account) ORDER BY d.id LIMIT sqlc.arg(lim)
), chosen AS (
    SELECT c.id, c.size FROM (SELECT a.id, a.size, sum(a.size) OVER (ORDER BY a.id) - a.size AS before FROM candidate a) c
    WHERE c.before < sqlc.arg(to_free)::bigint
), dropped AS (
    UPDATE courier.dead_letter d SET lost = octet_length(d.body), body = '', headers = '{}'
    FROM chosen c WHERE d.id = c.id AND d.lost IS NULL RETURNING d.id, c.size
)
UPDATE courier.dead_letter_size s SET
    bytes = greatest(s.bytes - (SELECT coalesce(sum(size), 0) FROM dropped), 0)::bigint,
    dropped_to = greatest(s.dropped_to, (SELECT coalesce(max(id), 0) FROM dropped))
WHERE s.account = sqlc.arg(account)
RETURNING (SELECT count(*) FROM dropped)::bigint AS letters, (SELECT coalesce(sum(size), 0) FROM dropped)::bigint AS freed, s.bytes;

-- name: NewerChanges :many
-- Which dead letters have a newer change of the same item that was not itself
-- given up.
-- "lane + 0" keeps the server from mutation_block: without statistics it may take a
-- lane to have a handful of rows, and read all of it for each letter.
SELECT d.id FROM courier.dead_letter d
WHERE d.id = ANY (sqlc.arg(ids)::bigint[]) AND d.item_id <> '' AND EXISTS (
    SELECT FROM courier.mutation m
    WHERE m.item_id = d.item_id AND m.lane + 0 = d.lane AND m.localization IS NOT DISTINCT FROM d.localization
        AND (m.generation, m.sequence, m.line) > (d.generation, d.sequence, d.line) AND m.state <> 2
        AND NOT EXISTS (SELECT FROM courier.dead_letter x WHERE x.sequence = m.sequence AND x.line = m.line AND x.generation = m.generation AND x.lane = m.lane));

-- name: MarkReplayed :execrows
UPDATE courier.dead_letter SET replayed_at = sqlc.arg(at) WHERE id = ANY (sqlc.arg(ids)::bigint[]) AND replayed_at IS NULL;

-- name: NewestDeadLetter :one
SELECT coalesce(max(d.id), 0)::bigint FROM courier.dead_letter d;

-- name: LockReplays :exec
-- One replay at a time goes through a page; the lock ends with the transaction, also when
-- the process is killed. Rows are not locked: workers must not wait for NATS.
SELECT pg_advisory_xact_lock(hashtextextended('courier.dead_letter.replay', 0)),
    set_config('idle_in_transaction_session_timeout', sqlc.arg(idle_ms)::text, true);

-- name: WaitingCounts :many
SELECT l.account, l.partition, count(*) AS items, min(w.received_at)::timestamptz AS oldest
FROM courier.waiting w JOIN courier.lane l ON l.id = w.lane
GROUP BY l.account, l.partition;

-- name: OpenBatchCounts :many
SELECT l.account, count(*) AS batches, sum(b.records)::bigint AS records
FROM courier.batch b JOIN courier.lane l ON l.id = b.lane
WHERE b.finished_at IS NULL
GROUP BY l.account;

-- name: OwnedPartitions :many
SELECT owner, count(*) AS partitions FROM courier.lease WHERE owner IS NOT NULL GROUP BY owner;
