-- name: LeaseRow :one
SELECT token, last_transaction, generation, sequence, message_ns, message_id, commits, slowest_ns, sent, noted FROM courier.lease WHERE partition = $1;

-- name: LeaseProofs :many
SELECT partition, token, last_transaction FROM courier.lease WHERE partition = ANY (sqlc.arg(partitions)::int[]);

-- name: RecordedRanges :many
SELECT first_each, last_each, lines_each FROM courier.recorded WHERE partition = $1 AND generation = $2;

-- name: OpenBatches :many
SELECT b.id, b.lane, b.request_group, b.created_at, b.payload, l.account, l.catalog, l.catalog_type
FROM courier.batch b JOIN courier.lane l ON l.id = b.lane
WHERE b.partition = $1 AND b.finished_at IS NULL
ORDER BY b.id;

-- name: AttemptsOf :many
SELECT batch_id, number, result, at, next_at, handles, error, notes
FROM courier.attempt WHERE batch_id = ANY (sqlc.arg(batches)::uuid[])
ORDER BY batch_id, number;

-- name: WaitingLanes :many
SELECT l.account, l.catalog, l.catalog_type FROM courier.lane l
WHERE l.partition = $1 AND EXISTS (SELECT FROM courier.waiting w WHERE w.lane = l.id);

-- name: WaitingPage :many
-- A page is bounded by rows and by bytes: what comes after max_bytes is left out.
SELECT b.generation, b.sequence, b.line, b.received_at, b.payload FROM (
    SELECT p.payload, p.generation, p.sequence, p.line, p.received_at,
        sum(octet_length(p.payload)) OVER (ORDER BY p.generation, p.sequence, p.line) - octet_length(p.payload) AS before
    FROM (
        SELECT w.payload, w.generation, w.sequence, w.line, w.received_at FROM courier.waiting w
        WHERE w.lane = (SELECT l.id FROM courier.lane l WHERE l.account = sqlc.arg(account) AND l.catalog = sqlc.arg(catalog) AND l.catalog_type = sqlc.arg(catalog_type))
            -- The first condition is the index's.
            AND (w.generation, w.sequence) >= (sqlc.arg(generation)::int, sqlc.arg(sequence)::bigint)
            AND (w.generation, w.sequence, w.line) > (sqlc.arg(generation)::int, sqlc.arg(sequence)::bigint, sqlc.arg(line)::smallint)
        ORDER BY w.generation, w.sequence, w.line LIMIT sqlc.arg(lim)
    ) p
) b
WHERE b.before < sqlc.arg(max_bytes)::bigint
ORDER BY b.generation, b.sequence, b.line;

-- name: NewestVersions :many
-- Lanes by their names: an id that a worker remembers may be another's after a
-- failover that lost the tail.
SELECT l.account, l.catalog, l.catalog_type, v.item_id, v.localization, v.version, v.mutation_id, v.generation, v.sequence, v.line
FROM (SELECT unnest(sqlc.arg(accounts)::text[]) AS account, unnest(sqlc.arg(catalogs)::text[]) AS catalog,
    unnest(sqlc.arg(types)::text[]) AS catalog_type, unnest(sqlc.arg(items)::text[]) AS item_id,
    unnest(sqlc.arg(localizations)::text[]) AS localization) k
JOIN courier.lane l ON l.account = k.account AND l.catalog = k.catalog AND l.catalog_type = k.catalog_type
JOIN courier.item_version v ON v.lane = l.id AND v.item_id = k.item_id AND v.localization = k.localization;

-- name: NewestMutationBetween :one
-- Above the one sequence, and not above the other. By ranges of blocks: "lane + 0" keeps
-- the server from going through whole lanes.
SELECT m.sequence, m.published_ns, coalesce(m.message_id, m.mutation_id)::text AS message_id
FROM courier.mutation m JOIN courier.lane l ON l.id = m.lane + 0
WHERE l.partition = $1 AND m.generation = sqlc.arg(generation)::int AND m.sequence > sqlc.arg(above)::bigint AND m.sequence <= sqlc.arg(up_to)::bigint
ORDER BY m.sequence DESC LIMIT 1;

-- name: RewindOf :one
SELECT from_generation, sequence FROM courier.rewind WHERE partition = $1 AND generation = $2;

-- name: NextGeneration :one
UPDATE courier.stream SET generation = generation + 1 RETURNING generation;

-- name: MutationsAt :many
-- The row of a message whose payload cannot be read. The block lets mutation_block find it.
SELECT m.day, m.mutation_id, m.item_id, m.localization, m.operation, m.attempts, m.published_ns, m.received_at, m.generation, m.sequence, m.line
FROM courier.mutation m WHERE m.lane = $1 AND m.generation = $2 AND m.sequence = $3 AND m.line = $4 AND courier.block(m.sequence) = courier.block($3)
LIMIT 1;

-- name: MutationsOfBatch :many
-- The rows of a batch whose payload cannot be read.
SELECT m.record, m.day, m.mutation_id, m.item_id, m.localization, m.operation, m.attempts, m.published_ns, m.received_at, m.generation, m.sequence, m.line
FROM courier.mutation m WHERE m.batch_id = sqlc.arg(batch)::uuid AND m.state = 0 AND m.record IS NOT NULL
ORDER BY m.record, m.generation, m.sequence, m.line;
