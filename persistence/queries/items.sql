-- name: ItemFilling :one
-- Ready once every partition reads the outbox, and no worker runs that writes none: it says
-- nothing of its configuration either.
SELECT f.day, f.block, f.blocks, f.finished_at,
    least(f.outbox_from, CASE WHEN f.started_at IS NULL THEN (SELECT min(o.at) FROM courier.outcome o) END, now())::timestamptz AS counted_from,
    (NOT EXISTS (SELECT FROM courier.lease l WHERE NOT EXISTS (
        SELECT FROM courier.outcome_cursor c WHERE c.partition = l.partition AND c.consumer = 'items'))
        AND NOT EXISTS (SELECT FROM courier.worker w WHERE w.configured_at IS NULL AND w.seen_at > now() - interval '30 seconds'))::boolean AS ready
FROM courier.item_filling f;

-- name: MutationDays :many
-- The days of mutations, the newest first, from a day down, with their size.
SELECT right(c.relname, 8)::date AS day, (pg_relation_size(c.oid) / current_setting('block_size')::bigint)::bigint AS blocks
FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'courier.mutation'::regclass AND c.relname ~ '^mutation_[0-9]{8}$'
    AND right(c.relname, 8)::date <= coalesce(sqlc.narg(day)::date, 'infinity')
ORDER BY 1 DESC;

-- name: MoveItemFilling :execrows
UPDATE courier.item_filling SET day = sqlc.narg(next_day)::date, block = sqlc.arg(next_block), blocks = sqlc.narg(next_blocks), mutations = mutations + sqlc.arg(mutations),
    outbox_from = least(outbox_from, sqlc.arg(counted_from)::timestamptz), started_at = coalesce(started_at, now()),
    finished_at = CASE WHEN sqlc.narg(next_day)::date IS NULL THEN now() END
WHERE day IS NOT DISTINCT FROM sqlc.narg(day)::date AND block = sqlc.arg(block) AND finished_at IS NULL
    AND EXISTS (SELECT FROM courier.lease l WHERE l.partition = sqlc.arg(partition) AND l.token = sqlc.arg(token)::uuid);

-- name: LockItemSweep :one
SELECT f.swept_block, (pg_relation_size('courier.item') / current_setting('block_size')::bigint)::bigint AS blocks
FROM courier.item_filling f FOR UPDATE SKIP LOCKED;

-- name: ItemBlocks :one
SELECT (pg_relation_size('courier.item') / current_setting('block_size')::bigint)::bigint AS blocks;

-- name: RemovedLanes :many
-- Those of some lanes whose account was removed. All are locked, so that a removal waits for
-- what the index writes at this moment; by name, the order in which owners lock lanes that are
-- new to them.
SELECT l.id, l.removed_at FROM courier.lane l WHERE l.id = ANY (sqlc.arg(lanes)::integer[])
ORDER BY l.account COLLATE "C", l.catalog COLLATE "C", l.catalog_type COLLATE "C" FOR SHARE;

-- name: LanesOfAccount :many
SELECT l.id FROM courier.lane l WHERE l.account = sqlc.arg(account);

-- name: RemoveLanes :exec
-- Locks the lanes by name, as everybody who locks several.
UPDATE courier.lane l SET removed_at = clock_timestamp()
FROM (SELECT c.id FROM courier.lane c WHERE c.account = sqlc.arg(account)
    ORDER BY c.catalog COLLATE "C", c.catalog_type COLLATE "C" FOR NO KEY UPDATE) n
WHERE l.id = n.id;

-- name: DeleteIssuesOf :exec
-- What the index took in since the items of the lanes were deleted.
DELETE FROM courier.item i WHERE i.lane = ANY (sqlc.arg(lanes)::integer[]) AND i.failed_at IS NOT NULL;

-- name: MoveItemSweep :exec
UPDATE courier.item_filling SET swept_block = $1;

-- name: DeleteSeries :execrows
-- Of quotas the hours are kept as long as the rest, what is between them less long.
WITH counts AS (
    DELETE FROM courier.lane_series WHERE ctid = ANY (ARRAY(
        SELECT s.ctid FROM courier.lane_series s WHERE s.at < sqlc.arg(before) LIMIT sqlc.arg(lim))) RETURNING 1
), quotas AS (
    DELETE FROM courier.quota_series WHERE ctid = ANY (ARRAY(
        SELECT s.ctid FROM courier.quota_series s
        WHERE s.at < sqlc.arg(before) OR s.at < sqlc.arg(detail) AND s.at <> date_trunc('hour', s.at) LIMIT sqlc.arg(lim))) RETURNING 1
), empty AS (
    DELETE FROM courier.item_count c WHERE c.items = 0 RETURNING 1
)
SELECT FROM counts UNION ALL SELECT FROM quotas;

-- name: SampleQuotas :exec
-- The least that was left, in steps of some seconds. Only what was told of lately.
INSERT INTO courier.quota_series AS q (at, scope, remaining, "limit", used_percent)
SELECT date_bin(make_interval(secs => sqlc.arg(step)::double precision), now(), 'epoch'), s.scope, (s.quota ->> 'remaining')::bigint, (s.quota ->> 'limit')::bigint,
    (s.quota ->> 'used_percent')::double precision
FROM courier.quota_scope s
WHERE s.quota IS NOT NULL AND s.updated_at > now() - 2 * make_interval(secs => sqlc.arg(step)::double precision)
ORDER BY s.scope
ON CONFLICT (scope, at) DO UPDATE SET remaining = least(q.remaining, excluded.remaining), "limit" = excluded."limit",
    used_percent = greatest(q.used_percent, excluded.used_percent)
WHERE excluded.remaining < q.remaining OR excluded.used_percent > q.used_percent OR excluded."limit" <> q."limit";
