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
