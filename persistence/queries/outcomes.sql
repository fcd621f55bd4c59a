-- name: OpenOutcomeCursor :exec
INSERT INTO courier.outcome_cursor (partition, consumer, number)
SELECT l.partition, sqlc.arg(consumer), coalesce((SELECT min(o.number) - 1 FROM courier.outcome o WHERE o.partition = l.partition), l.commits)
FROM courier.lease l WHERE l.partition = sqlc.arg(partition)
ON CONFLICT (partition, consumer) DO NOTHING;

-- name: OutcomeCursor :one
SELECT c.number, l.token FROM courier.lease l
LEFT JOIN courier.outcome_cursor c ON c.partition = l.partition AND c.consumer = sqlc.arg(consumer)
WHERE l.partition = sqlc.arg(partition);

-- name: MoveOutcomeCursor :one
-- Guarded by the lease's token and by where the cursor is: of two owners one moves it. What
-- all consumers are done with is deleted. The lower bound keeps the scan from the rows that
-- were deleted before; what two consumers that move at once leave is for DeleteOldOutcomes.
WITH moved AS (
    UPDATE courier.outcome_cursor c SET number = sqlc.arg(to_number), updated_at = now()
    WHERE c.partition = sqlc.arg(partition) AND c.consumer = sqlc.arg(consumer) AND c.number = sqlc.arg(from_number)::bigint
        AND EXISTS (SELECT FROM courier.lease l WHERE l.partition = c.partition AND l.token = sqlc.arg(token)::uuid)
    RETURNING c.number
), others AS (
    SELECT min(c.number) AS number FROM courier.outcome_cursor c
    WHERE c.partition = sqlc.arg(partition) AND c.consumer <> sqlc.arg(consumer)
), seen AS (
    DELETE FROM courier.outcome o
    WHERE o.partition = sqlc.arg(partition) AND EXISTS (SELECT FROM moved)
        AND o.number > least(sqlc.arg(from_number), (SELECT number FROM others))
        AND o.number <= least((SELECT number FROM moved), (SELECT number FROM others))
)
SELECT count(*) FROM moved;

-- name: DropOutcomeCursors :exec
DELETE FROM courier.outcome_cursor WHERE consumer = sqlc.arg(consumer);

-- name: OutcomeCursors :many
SELECT partition, consumer, number FROM courier.outcome_cursor ORDER BY partition, consumer;

-- name: OutboxAfter :many
SELECT o.number, o.at, o.batches, o.days, o.lanes, o.generations, o.sequences, o.lines, o.mutation_ids
FROM courier.outcome o
WHERE o.partition = sqlc.arg(partition) AND o.number > sqlc.arg(after)::bigint
ORDER BY o.number LIMIT sqlc.arg(lim);

-- name: BatchSizes :many
-- The mutations and bytes of batches, without reading the payloads. Here and below each batch is
-- looked up by itself, so that only the days of the batches are read, and first and last, the
-- least and the greatest of the ids, keep the server from planning for all others.
SELECT f.id, f.mutations, f.bytes
FROM unnest(sqlc.arg(ids)::uuid[]) AS u(id) CROSS JOIN LATERAL (
    SELECT b.id, b.mutations, octet_length(b.payload)::bigint AS bytes FROM courier.batch b
    WHERE b.id = u.id AND b.id BETWEEN sqlc.arg(first_id)::uuid AND sqlc.arg(last_id)::uuid OFFSET 0
) f;

-- name: EndedBatches :many
SELECT f.id, f.lane, f.created_at, f.oldest_received_at, f.finished_at, f.mutations, f.payload, f.attempts, coalesce(f.handle, '')::text AS handle
FROM unnest(sqlc.arg(ids)::uuid[]) AS u(id) CROSS JOIN LATERAL (
    SELECT b.id, b.lane, b.created_at, b.oldest_received_at, b.finished_at, b.mutations, b.payload,
        (SELECT greatest(coalesce(max(t.number), 1) - count(*) FILTER (WHERE t.result = 4), 0)::integer
            FROM courier.attempt t WHERE t.batch_id = u.id AND t.batch_id BETWEEN sqlc.arg(first_id)::uuid AND sqlc.arg(last_id)::uuid) AS attempts,
        (SELECT (array_agg(t.handles[1] ORDER BY t.number DESC) FILTER (WHERE t.result = 1))[1]
            FROM courier.attempt t WHERE t.batch_id = u.id AND t.batch_id BETWEEN sqlc.arg(first_id)::uuid AND sqlc.arg(last_id)::uuid) AS handle
    FROM courier.batch b
    WHERE b.id = u.id AND b.id BETWEEN sqlc.arg(first_id)::uuid AND sqlc.arg(last_id)::uuid AND b.finished_at IS NOT NULL OFFSET 0
) f;

-- name: EndedPayloads :many
-- EndedBatches without what the attempts tell, and perhaps without payloads. succeeded counts
-- records, as records does.
SELECT f.id, f.lane, f.created_at, f.oldest_received_at, f.finished_at, f.mutations, f.payload, f.records, f.succeeded
FROM unnest(sqlc.arg(ids)::uuid[]) AS u(id) CROSS JOIN LATERAL (
    SELECT b.id, b.lane, b.created_at, b.oldest_received_at, b.finished_at, b.mutations,
        CASE WHEN sqlc.arg(with_payload)::boolean THEN b.payload ELSE '' END::bytea AS payload, b.records, b.succeeded
    FROM courier.batch b
    WHERE b.id = u.id AND b.id BETWEEN sqlc.arg(first_id)::uuid AND sqlc.arg(last_id)::uuid AND b.finished_at IS NOT NULL OFFSET 0
) f;

-- name: ExceptionsOf :many
SELECT f.batch_id, f.record, f.result, f.errors, f.warnings
FROM unnest(sqlc.arg(ids)::uuid[]) AS u(id) CROSS JOIN LATERAL (
    SELECT o.batch_id, o.record, o.result, o.errors, o.warnings FROM courier.record_outcome o
    WHERE o.batch_id = u.id AND o.batch_id BETWEEN sqlc.arg(first_id)::uuid AND sqlc.arg(last_id)::uuid OFFSET 0
) f;

-- name: LanesNumbered :many
SELECT id, account, catalog, catalog_type FROM courier.lane WHERE id = ANY (sqlc.arg(ids)::int[]);

-- name: LettersAt :many
-- The dead letters of some places, the newest last.
SELECT f.lane, f.generation, f.sequence, f.line, f.reason, f.field, f.text, f.errors, f.failed_at
FROM (SELECT unnest(sqlc.arg(sequences)::bigint[]) AS sequence, unnest(sqlc.arg(lines)::smallint[]) AS line) u CROSS JOIN LATERAL (
    SELECT d.id, d.lane, d.generation, d.sequence, d.line, d.reason, d.field, d.text, d.errors, d.failed_at
    FROM courier.dead_letter d WHERE d.sequence = u.sequence AND d.line = u.line OFFSET 0
) f
ORDER BY f.id;

-- name: DeleteOldOutcomes :execrows
-- What all consumers are done with, what nobody consumes, and what is too old for any.
DELETE FROM courier.outcome o
WHERE o.partition = sqlc.arg(partition) AND o.number IN (
    SELECT x.number FROM courier.outcome x
    LEFT JOIN (SELECT min(c.number) AS seen FROM courier.outcome_cursor c WHERE c.partition = sqlc.arg(partition)) m ON true
    WHERE x.partition = sqlc.arg(partition)
        AND (x.number <= m.seen OR m.seen IS NULL AND x.at < sqlc.arg(unread_before) OR x.at < sqlc.arg(before))
    ORDER BY x.number LIMIT sqlc.arg(lim));

-- name: OutboxPartitions :many
SELECT partition FROM courier.lease ORDER BY partition;

-- name: OutboxLag :many
-- How many transactions a consumer has before it in each partition, up to a bound.
SELECT c.partition, w.rows::bigint AS rows, coalesce(w.oldest, 'epoch')::timestamptz AS oldest
FROM courier.outcome_cursor c CROSS JOIN LATERAL (
    SELECT count(*) AS rows, min(x.at) AS oldest FROM (
        SELECT o.at FROM courier.outcome o WHERE o.partition = c.partition AND o.number > c.number ORDER BY o.number LIMIT sqlc.arg(most)
    ) x
) w
WHERE c.consumer = sqlc.arg(consumer) AND c.partition = ANY (sqlc.arg(partitions)::int[])
ORDER BY c.partition;
