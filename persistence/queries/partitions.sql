-- name: FixPartitions :one
-- Records the number of partitions at the first start; later it only reads it.
INSERT INTO courier.stream (partitions) VALUES ($1)
ON CONFLICT (single) DO UPDATE SET partitions = courier.stream.partitions
RETURNING partitions;

-- name: AddLeases :exec
-- Who makes all of them is the first worker of the database. Then the index of items reads the
-- outbox from its first row on, and there is nothing older to fill in. Workers from before there
-- was an outbox leave both to the filling.
WITH added AS (
    INSERT INTO courier.lease (partition)
    SELECT generate_series(0, sqlc.arg(partitions)::int - 1)
    ON CONFLICT (partition) DO NOTHING RETURNING partition
), first AS (
    UPDATE courier.item_filling SET started_at = now(), finished_at = now()
    WHERE started_at IS NULL AND (SELECT count(*) FROM added) = sqlc.arg(partitions)::int AND NOT EXISTS (SELECT FROM courier.mutation)
    RETURNING true
)
INSERT INTO courier.outcome_cursor (partition, consumer, number) SELECT a.partition, 'items', 0 FROM added a, first;

-- name: Partitions :one
SELECT partitions FROM courier.stream;

-- name: Positions :many
SELECT partition, generation, sequence, message_ns, message_id FROM courier.lease ORDER BY partition;

-- name: StartDay :exec
SELECT courier.start_day(sqlc.arg(day)::date);

-- name: UseLane :batchone
-- Finds a lane's id and notes that it is in use. The row is locked either way, so that
-- DeleteLanes leaves it alone; once a day it is written.
INSERT INTO courier.lane AS l (partition, account, catalog, catalog_type) VALUES ($1, $2, $3, $4)
ON CONFLICT (account, catalog, catalog_type) DO UPDATE SET used_on = greatest(l.used_on, current_date)
RETURNING id;

-- name: LaneID :one
SELECT id FROM courier.lane WHERE account = $1 AND catalog = $2 AND catalog_type = $3;

-- name: DeleteLanes :execrows
-- Deletes lanes that nobody looked up since before the oldest day there is, so that no
-- row of any day can name them, and that nothing outside the days names either. A lane
-- that is locked is being looked up, so that it is in use; and who waits for no lock need
-- not take them in the order of others.
DELETE FROM courier.lane l WHERE l.id IN (
    SELECT c.id FROM courier.lane c
    WHERE c.used_on < sqlc.arg(before)::date
        AND NOT EXISTS (SELECT FROM courier.waiting w WHERE w.lane = c.id)
        AND NOT EXISTS (SELECT FROM courier.dead_letter d WHERE d.lane = c.id)
        AND NOT EXISTS (SELECT FROM courier.item_version v WHERE v.lane = c.id)
        AND NOT EXISTS (SELECT FROM courier.item_count n WHERE n.lane = c.id AND n.items <> 0)
    LIMIT sqlc.arg(lim) FOR UPDATE OF c SKIP LOCKED
) AND l.used_on < sqlc.arg(before)::date;

-- name: MarkStream :one
SELECT courier.mark_stream(sqlc.arg(last)::bigint, make_interval(secs => sqlc.arg(seconds)::double precision));

-- name: StreamIdentity :one
SELECT installation_id, stream_id FROM courier.stream;

-- name: BindStream :execrows
-- Of two workers that start at once with different streams, one is refused.
UPDATE courier.stream SET stream_id = sqlc.arg(stream)::uuid
WHERE stream_id IS NULL OR stream_id = sqlc.arg(stream)::uuid;

-- name: AdoptStream :execrows
-- Guarded by what was judged, and by workers that may still work the former stream:
-- each beats at least every two seconds.
UPDATE courier.stream SET stream_id = sqlc.arg(stream)::uuid
WHERE stream_id IS NOT DISTINCT FROM sqlc.narg(former)::uuid
    AND NOT EXISTS (SELECT 1 FROM courier.worker WHERE seen_at > now() - interval '30 seconds');

-- name: RunningWorkers :many
SELECT name, (extract(epoch FROM now() - seen_at))::bigint AS silent_seconds FROM courier.worker
WHERE seen_at > now() - interval '30 seconds' ORDER BY seen_at DESC;

-- name: CommitCount :one
SELECT coalesce(sum(commits), 0)::bigint FROM courier.lease;

-- name: Unfinished :one
-- What the ledger will bring to its end whatever the stream holds.
SELECT (SELECT count(*) FROM courier.batch WHERE finished_at IS NULL) AS batches,
    (SELECT count(*) FROM courier.waiting) AS waiting;
