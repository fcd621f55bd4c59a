-- name: ScopesNamed :many
SELECT scope, blocked_until, quota, updated_at, patience_ns FROM courier.quota_scope WHERE scope = ANY (sqlc.arg(scopes)::text[]);

-- name: SaveScope :batchexec
-- A later block wins; of the rest what was told last.
INSERT INTO courier.quota_scope AS s (scope, blocked_until, quota, updated_at, patience_ns, blocked_since)
VALUES ($1, $2, $3, coalesce(sqlc.narg(updated_at)::timestamptz, now()), $4, CASE WHEN $2 > now() THEN now() END)
ON CONFLICT (scope) DO UPDATE SET
    blocked_since = CASE WHEN s.blocked_until > now() THEN coalesce(s.blocked_since, now()) ELSE excluded.blocked_since END,
    blocked_until = greatest(s.blocked_until, excluded.blocked_until),
    quota = CASE WHEN excluded.updated_at >= s.updated_at THEN coalesce(excluded.quota, s.quota) ELSE coalesce(s.quota, excluded.quota) END,
    patience_ns = CASE WHEN excluded.updated_at >= s.updated_at THEN excluded.patience_ns ELSE s.patience_ns END,
    updated_at = greatest(s.updated_at, excluded.updated_at);
