-- name: CredentialNamed :one
SELECT version, key_id, sealed,
    coalesce(extract(epoch FROM expires_at - now()), 0)::double precision AS expires_in,
    coalesce(extract(epoch FROM refresh_at - now()), 0)::double precision AS refresh_in,
    -- Of a time to come, which the database's clock wrote while it was ahead, nothing
    -- is known. Nobody is told to wait longer than an hour.
    CASE WHEN refreshed_at <= now() THEN extract(epoch FROM now() - refreshed_at) ELSE 1e9 END::double precision AS age,
    CASE WHEN retry_at <= now() + interval '1 hour' THEN extract(epoch FROM retry_at - now()) ELSE 0 END::double precision AS retry_in,
    failures, refused, problem
FROM courier.credential WHERE name = $1;

-- name: PlantCredential :exec
-- Whoever comes first makes the row; the others find it.
INSERT INTO courier.credential (name, key_id, sealed) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING;

-- name: ClaimCredential :execrows
-- Times further ahead than they can be set are of a clock that was ahead: they bind
-- nobody.
UPDATE courier.credential SET claimed_by = sqlc.arg(claimer)::uuid, claimed_until = now() + make_interval(secs => sqlc.arg(hold)::double precision)
WHERE name = $1 AND version = $2
    AND (claimed_until IS NULL OR claimed_until <= now()
        OR claimed_until > now() + 2 * make_interval(secs => sqlc.arg(hold)::double precision))
    AND (retry_at IS NULL OR retry_at <= now() OR retry_at > now() + interval '1 hour')
    AND (refreshed_at IS NULL OR refreshed_at > now() OR refreshed_at <= now() - make_interval(secs => sqlc.arg(rest)::double precision));

-- name: RenewCredential :execrows
-- Not bound to the claim: new tokens are written as long as nobody else's are.
UPDATE courier.credential SET version = version + 1, key_id = $3, sealed = $4,
    expires_at = now() + make_interval(secs => sqlc.arg(expires_in)::double precision),
    refresh_at = now() + make_interval(secs => sqlc.arg(refresh_in)::double precision),
    refreshed_at = now(), claimed_by = NULL, claimed_until = NULL, failures = 0, retry_at = NULL, refused = false, problem = ''
WHERE name = $1 AND version = $2;

-- name: ResealCredential :execrows
UPDATE courier.credential SET version = version + 1, key_id = $3, sealed = $4 WHERE name = $1 AND version = $2;

-- name: FailCredential :exec
UPDATE courier.credential SET claimed_by = NULL, claimed_until = NULL, failures = failures + 1,
    retry_at = now() + make_interval(secs => sqlc.arg(retry_in)::double precision), refused = $2, problem = $3
WHERE name = $1 AND claimed_by = sqlc.arg(claimer)::uuid;
