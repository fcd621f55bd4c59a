-- name: AskFor :execrows
-- Asks the owner of a partition for a graceful hand-over.
UPDATE courier.lease SET wanted_by = sqlc.arg(me)::uuid
WHERE partition = $1 AND owner = sqlc.arg(owner)::uuid AND token IS NOT DISTINCT FROM sqlc.narg(seen)::uuid
    AND wanted_by IS NOT DISTINCT FROM sqlc.narg(instead_of)::uuid;

-- name: StopAsking :exec
UPDATE courier.lease SET wanted_by = NULL WHERE wanted_by = sqlc.arg(me)::uuid;

-- name: ReleaseLease :execrows
-- Hands the partition to whoever asked for it, if that worker is still there, and
-- frees it otherwise. The new token keeps the old owner out at once.
UPDATE courier.lease l SET
    owner = (SELECT w.id FROM courier.worker w WHERE w.id = l.wanted_by AND NOT w.draining),
    token = sqlc.arg(fresh)::uuid, last_transaction = sqlc.arg(fresh)::uuid, wanted_by = NULL
WHERE l.partition = $1 AND l.owner = sqlc.arg(me)::uuid AND l.token = sqlc.arg(token)::uuid;

-- name: FreeOwnLease :execrows
UPDATE courier.lease SET owner = NULL, wanted_by = NULL
WHERE partition = $1 AND owner = sqlc.arg(me)::uuid AND token = sqlc.arg(token)::uuid;

-- name: DrainWorker :exec
UPDATE courier.worker SET draining = true, counter = counter + 1, seen_at = now() WHERE id = $1;

-- name: RemoveWorker :exec
DELETE FROM courier.worker WHERE id = $1;

-- name: FreeLeasesOf :exec
UPDATE courier.lease SET owner = NULL WHERE owner = sqlc.arg(owner)::uuid;

-- name: RemoveStillWorker :execrows
-- Forgets a worker that died long ago and owns nothing.
DELETE FROM courier.worker w WHERE w.id = $1 AND w.counter = $2
    AND NOT EXISTS (SELECT FROM courier.lease l WHERE l.owner = w.id);
