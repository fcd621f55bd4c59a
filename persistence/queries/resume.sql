-- name: LeaseRow :one
SELECT token, last_transaction, generation, sequence, message_ns, message_id, commits, slowest_ns FROM courier.lease WHERE partition = $1;

-- name: RecordedRanges :many
SELECT first_each, last_each FROM courier.recorded WHERE partition = $1 AND generation = $2;

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

-- name: AccountsOf :many
-- The accounts that have lanes in the partition.
SELECT a.name, a.state, a.reason, a.by_hand, a.resumes_at, a.pause_ns FROM courier.account a
WHERE a.name IN (SELECT l.account FROM courier.lane l WHERE l.partition = $1);

-- name: WaitingPage :many
-- A page is bounded by rows and by bytes: what comes after max_bytes is left out.
SELECT b.payload FROM (
    SELECT p.payload, p.generation, p.sequence,
        sum(octet_length(p.payload)) OVER (ORDER BY p.generation, p.sequence) - octet_length(p.payload) AS before
    FROM (
        SELECT w.payload, w.generation, w.sequence FROM courier.waiting w
        WHERE w.lane = $1 AND (w.generation, w.sequence) > (sqlc.arg(generation)::int, sqlc.arg(sequence)::bigint)
        ORDER BY w.generation, w.sequence LIMIT sqlc.arg(lim)
    ) p
) b
WHERE b.before < sqlc.arg(max_bytes)::bigint
ORDER BY b.generation, b.sequence;

-- name: NewestVersions :many
SELECT v.lane, v.item_id, v.localization, v.version, v.mutation_id, v.generation, v.sequence
FROM courier.item_version v
JOIN (SELECT unnest(sqlc.arg(lanes)::int[]) AS lane, unnest(sqlc.arg(items)::text[]) AS item_id,
    unnest(sqlc.arg(localizations)::text[]) AS localization) k ON v.lane = k.lane AND v.item_id = k.item_id AND v.localization = k.localization;

-- name: NewestMutationBetween :one
-- Above the one sequence, and not above the other.
SELECT m.sequence, m.published_ns, coalesce(m.message_id, m.mutation_id)::text AS message_id
FROM courier.mutation m JOIN courier.lane l ON l.id = m.lane
WHERE l.partition = $1 AND m.generation = sqlc.arg(generation)::int AND m.sequence > sqlc.arg(above)::bigint AND m.sequence <= sqlc.arg(up_to)::bigint
ORDER BY m.sequence DESC LIMIT 1;

-- name: RewindOf :one
SELECT from_generation, sequence FROM courier.rewind WHERE partition = $1 AND generation = $2;

-- name: NextGeneration :one
UPDATE courier.stream SET generation = generation + 1 RETURNING generation;
