-- name: OpenMutationsOn :one
-- Whether a day has a mutation that is not final.
SELECT EXISTS (SELECT FROM courier.mutation m WHERE m.day = sqlc.arg(day) AND m.state = 1)
    OR EXISTS (SELECT FROM courier.batch b JOIN courier.mutation m ON m.batch_id = b.id
        WHERE b.finished_at IS NULL AND m.day = sqlc.arg(day) AND m.state = 0);

-- name: OpenBatchesBetween :one
SELECT EXISTS (SELECT FROM courier.batch b WHERE b.finished_at IS NULL
    AND b.id >= courier.first_id(sqlc.arg(day)::date) AND b.id < courier.first_id(sqlc.arg(day)::date + 1));

-- name: DeleteDeadLetters :execrows
DELETE FROM courier.dead_letter WHERE id IN (
    SELECT d.id FROM courier.dead_letter d WHERE d.failed_at < sqlc.arg(failed_before) ORDER BY d.id LIMIT sqlc.arg(lim));

-- name: Clock :one
SELECT clock_timestamp()::timestamptz AS clock;

-- name: LookAtClock :one
SELECT clock::timestamptz AS clock, doubted, why FROM courier.look_at_clock(make_interval(secs => sqlc.arg(tolerance)::double precision));

-- name: CheckClock :exec
SELECT courier.check_clock(sqlc.arg(theirs), make_interval(secs => sqlc.arg(tolerance)::double precision));

-- name: CheckDayIsOld :exec
SELECT courier.check_day_is_old(sqlc.arg(day)::date, make_interval(secs => sqlc.arg(keep)::double precision),
    sqlc.arg(theirs), make_interval(secs => sqlc.arg(tolerance)::double precision));

-- name: SizeOf :one
-- How much a table holds: bytes with its indexes, and rows as the statistics have it,
-- negative where there are none.
SELECT c.reltuples::bigint AS rows, pg_total_relation_size(c.oid)::bigint AS bytes
FROM pg_catalog.pg_class c WHERE c.oid = to_regclass(sqlc.arg(name)::text);

-- name: ClockDoubt :one
SELECT doubted_since, doubt FROM courier.retention_clock WHERE doubted_since IS NOT NULL;

-- name: CountDeadLetters :exec
-- Counts again what the messages of dead letters take. The length of a body is known
-- without reading it.
INSERT INTO courier.dead_letter_size AS s (account, bytes)
SELECT l.account, sum(octet_length(d.body) + pg_column_size(d.headers))::bigint
FROM courier.dead_letter d JOIN courier.lane l ON l.id = d.lane
GROUP BY l.account ORDER BY l.account
ON CONFLICT (account) DO UPDATE SET bytes = excluded.bytes, dropped_to = 0;

-- name: ForgetDeadLetterSizes :exec
DELETE FROM courier.dead_letter_size s WHERE NOT EXISTS (
    SELECT FROM courier.lane l JOIN courier.dead_letter d ON d.lane = l.id WHERE l.account = s.account);

-- name: DeadLetterSizesOver :many
SELECT account, bytes FROM courier.dead_letter_size WHERE bytes > sqlc.arg(most)::bigint ORDER BY account;
