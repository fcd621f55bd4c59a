-- name: BeginAudit :one
INSERT INTO courier.audit (who, how, action, target, filter, expected, reason)
VALUES (sqlc.arg(who), sqlc.arg(how), sqlc.arg(action), sqlc.arg(target), sqlc.arg(filter), sqlc.narg(expected), sqlc.arg(reason))
RETURNING id;

-- name: FinishAudit :execrows
UPDATE courier.audit SET result = sqlc.arg(result)::text, message = sqlc.arg(message), changed = sqlc.narg(changed), finished_at = now()
WHERE id = sqlc.arg(id) AND result IS NULL;

-- name: AuditLog :many
-- The newest first, a page.
SELECT id, at, who, how, action, target, filter, expected, changed, reason, result, message, finished_at
FROM courier.audit_log
WHERE (sqlc.narg(before)::bigint IS NULL OR id < sqlc.narg(before))
  AND (sqlc.narg(who)::text IS NULL OR position(lower(sqlc.narg(who)) IN lower(who)) > 0)
  AND (sqlc.narg(target)::text IS NULL OR target = sqlc.narg(target) OR sqlc.narg(target) = ANY (string_to_array(target, ' ')))
  AND (sqlc.narg(result)::text IS NULL OR result = sqlc.narg(result))
  AND (sqlc.narg(since)::timestamptz IS NULL OR at >= sqlc.narg(since))
  AND (sqlc.narg(until)::timestamptz IS NULL OR at < sqlc.narg(until))
  AND (sqlc.narg(action)::text IS NULL OR action = sqlc.narg(action))
ORDER BY id DESC
LIMIT sqlc.arg(lim);
