-- The read model: package status. It reads views only, so that a role that may read nothing
-- else is enough. Empty arguments choose all.

-- name: ItemSuccesses :many
-- The last change of an item that succeeded, at each destination.
SELECT DISTINCT ON (s.account, s.catalog, s.catalog_type, s.localization) s.account, s.catalog, s.catalog_type, coalesce(s.localization, '')::text AS localization,
    s.mutation_id, coalesce(s.operation, '')::text AS operation, s.finished_at
FROM courier.mutation_status s
WHERE s.item_id = sqlc.arg(item) AND (sqlc.arg(account)::text = '' OR s.account = sqlc.arg(account)) AND (sqlc.arg(catalog)::text = '' OR s.catalog = sqlc.arg(catalog))
    AND (sqlc.arg(catalog_type)::text = '' OR s.catalog_type = sqlc.arg(catalog_type)) AND s.status = 'succeeded'
ORDER BY s.account, s.catalog, s.catalog_type, s.localization, s.stream_generation DESC, s.stream_sequence DESC, s.stream_line DESC
LIMIT sqlc.arg(lim);

-- name: Mutations :many
-- A producer's ids are its own: several accounts may have the same, and a replay has it again.
SELECT s.mutation_id, s.account, s.catalog, s.catalog_type, s.item_id, coalesce(s.localization, '')::text AS localization,
    coalesce(s.operation, '')::text AS operation, s.status::text AS status, coalesce(s.superseded_by, '')::text AS superseded_by, s.batch_id, coalesce(s.handle, '')::text AS handle, s.attempts::integer AS attempts, s.errors, s.warnings, coalesce(s.reason, '')::text AS reason,
    s.published_at, s.received_at, s.submitted_at, s.finished_at, s.stream_generation, s.stream_sequence, s.stream_line
FROM courier.mutation_status s
WHERE s.mutation_id = sqlc.arg(id) AND (sqlc.arg(account)::text = '' OR s.account = sqlc.arg(account))
ORDER BY s.stream_generation DESC, s.stream_sequence DESC, s.stream_line DESC
LIMIT sqlc.arg(lim);

-- name: Batches :many
-- The newest first; an id begins with the time when the batch was made.
SELECT b.batch_id, b.account, b.catalog, b.catalog_type, b.state::text AS state, b.item_count, b.mutation_count, b.succeeded, b.failed, b.warned, b.handles, b.attempts::integer AS attempts,
    b.next_attempt_at, coalesce(b.last_error, '')::text AS last_error, coalesce(b.recovered_error, '')::text AS recovered_error, b.created_at, b.submitted_at, b.finished_at, b.request_group
FROM courier.batch_status b
WHERE (sqlc.arg(account)::text = '' OR b.account = sqlc.arg(account)) AND (sqlc.arg(catalog)::text = '' OR b.catalog = sqlc.arg(catalog))
    AND (sqlc.arg(catalog_type)::text = '' OR b.catalog_type = sqlc.arg(catalog_type)) AND (sqlc.arg(state)::text = '' OR b.state = sqlc.arg(state))
    AND (NOT sqlc.arg(unfinished)::boolean OR b.finished_at IS NULL) AND b.batch_id < sqlc.arg(before)::uuid
ORDER BY b.batch_id DESC
LIMIT sqlc.arg(lim);

-- name: Batch :one
SELECT b.batch_id, b.account, b.catalog, b.catalog_type, b.state::text AS state, b.item_count, b.mutation_count, b.succeeded, b.failed, b.warned, b.handles, b.attempts::integer AS attempts,
    b.next_attempt_at, coalesce(b.last_error, '')::text AS last_error, coalesce(b.recovered_error, '')::text AS recovered_error, b.created_at, b.submitted_at, b.finished_at, b.request_group
FROM courier.batch_status b WHERE b.batch_id = sqlc.arg(id)::uuid;

-- name: Attempts :many
SELECT a.number, a.result::text AS result, a.at, a.next_at, a.handles, coalesce(a.reason, '')::text AS reason, coalesce(a.error, '')::text AS error, a.notes
FROM courier.batch_attempts a WHERE a.batch_id = sqlc.arg(batch)::uuid ORDER BY a.number DESC LIMIT sqlc.arg(lim);

-- name: Answers :many
-- The last one first.
SELECT coalesce(a.attempt, 0)::integer AS attempt, a.at, coalesce(a.answer, '')::text AS answer
FROM courier.batch_answers a WHERE a.batch_id = sqlc.arg(batch)::uuid ORDER BY a.attempt DESC NULLS FIRST LIMIT sqlc.arg(lim);

-- name: RecordOutcomes :many
SELECT o.record, o.result::text AS result, o.errors, o.warnings
FROM courier.batch_outcomes o WHERE o.batch_id = sqlc.arg(batch)::uuid AND o.record >= sqlc.arg(first)::integer AND o.record < sqlc.arg(beyond)::integer
ORDER BY o.record LIMIT sqlc.arg(lim);

-- name: RecordMembers :many
SELECT DISTINCT m.record::integer AS record
FROM courier.batch_members m WHERE m.batch_id = sqlc.arg(batch)::uuid AND m.record >= sqlc.arg(first)::integer AND m.record < sqlc.arg(beyond)::integer;

-- name: Payload :one
SELECT p.payload FROM courier.batch_payloads p WHERE p.batch_id = sqlc.arg(batch)::uuid;

-- name: Accounts :many
SELECT a.account, a.platform, a.state::text AS state, coalesce(a.reason, '')::text AS reason, a.resumes_at, a.quota, a.waiting_items::bigint AS waiting_items, a.oldest_waiting_at, coalesce(a.paused_by_hand, false)::boolean AS paused_by_hand, a.updated_at,
    a.since, a.next_attempt_at, a.last_succeeded_at, a.in_flight_items::bigint AS in_flight_items, a.failed_last_hour::bigint AS failed_last_hour, a.oldest_unfinished_at,
    a.open_batches::bigint AS open_batches, coalesce(a.configured, false)::boolean AS configured
FROM courier.account_status a WHERE cardinality(sqlc.arg(names)::text[]) = 0 OR a.account = ANY (sqlc.arg(names)::text[])
ORDER BY a.account LIMIT sqlc.arg(lim);

-- name: Workers :many
SELECT w.worker_id, w.name, w.draining, w.started_at, w.seen_at, w.partitions FROM courier.worker_status w ORDER BY w.started_at, w.worker_id LIMIT sqlc.arg(lim);

-- name: Partitions :many
SELECT p.partition, p.worker_id, coalesce(p.worker_name, '')::text AS worker_name, p.wanted_by, p.stream_generation, p.stream_sequence, p.recorded_up_to, p.commits, p.open_batches
FROM courier.partition_status p ORDER BY p.partition LIMIT sqlc.arg(lim);

-- name: Platforms :many
SELECT a.account, a.platform FROM courier.account_platforms a ORDER BY a.account LIMIT sqlc.arg(lim);

-- name: UnfinishedBatches :many
SELECT b.batch_id FROM courier.batch_status b WHERE b.finished_at IS NULL ORDER BY b.batch_id DESC LIMIT sqlc.arg(lim);

-- name: BatchesAbove :many
SELECT b.batch_id FROM courier.batch_status b WHERE b.batch_id > sqlc.arg(above)::uuid ORDER BY b.batch_id LIMIT sqlc.arg(lim);

-- name: FinishedOf :many
SELECT b.batch_id FROM courier.batch_status b WHERE b.batch_id = ANY (sqlc.arg(ids)::uuid[]) AND b.finished_at IS NOT NULL ORDER BY b.finished_at, b.batch_id;

-- name: FinalOfBatch :many
SELECT s.mutation_id, s.account, s.catalog, s.catalog_type, s.item_id, coalesce(s.localization, '')::text AS localization,
    coalesce(s.operation, '')::text AS operation, s.status::text AS status, coalesce(s.superseded_by, '')::text AS superseded_by, s.batch_id, coalesce(s.handle, '')::text AS handle, s.attempts::integer AS attempts, s.errors, s.warnings, coalesce(s.reason, '')::text AS reason,
    s.published_at, s.received_at, s.submitted_at, s.finished_at, s.stream_generation, s.stream_sequence, s.stream_line
FROM courier.mutation_status s
WHERE s.batch_id = sqlc.arg(batch)::uuid AND s.status NOT IN ('waiting', 'submitted')
ORDER BY s.stream_generation, s.stream_sequence, s.stream_line
LIMIT sqlc.arg(lim);

-- name: NewestDeadLetter :one
SELECT coalesce(max(d.id), 0)::bigint AS id FROM courier.dead_letters d;

-- name: LettersAt :many
-- The dead letters of some messages of the stream.
SELECT d.id, d.account, d.item_id, d.mutation_id, d.stream_generation::integer AS stream_generation, d.stream_sequence, d.stream_line, d.state::text AS state,
    coalesce(d.replaced_by, '')::text AS replaced_by
FROM (SELECT unnest(sqlc.arg(sequences)::bigint[]) AS sequence, unnest(sqlc.arg(lines)::smallint[]) AS line) u
JOIN courier.dead_letters d ON d.stream_sequence = u.sequence AND d.stream_line = u.line
ORDER BY d.id LIMIT sqlc.arg(lim);

-- name: NeverSentAbove :many
-- The dead letters of changes that were never sent.
SELECT d.id, d.mutation_id, d.account FROM courier.dead_letters d WHERE d.id > sqlc.arg(above)::bigint AND d.batch_id IS NULL ORDER BY d.id LIMIT sqlc.arg(lim);

-- name: ItemsLike :many
-- Items of some batches whose ids begin as the text does.
SELECT DISTINCT s.item_id FROM courier.mutation_status s
WHERE s.batch_id = ANY (sqlc.arg(batches)::uuid[]) AND starts_with(lower(s.item_id), lower(sqlc.arg(prefix)::text))
    AND (sqlc.arg(account)::text = '' OR s.account = sqlc.arg(account))
ORDER BY s.item_id LIMIT sqlc.arg(lim);
