-- name: SaveAccount :exec
-- A pause by hand is left alone while it lasts, unless it is an operator who speaks. Of
-- two pauses the one that ends later stays: calls that were under way together may ask
-- for both.
INSERT INTO courier.account AS a (name, state, reason, by_hand, resumes_at, pause_ns, since) VALUES ($1, $2, $3, $4, $5, $6, now())
ON CONFLICT (name) DO UPDATE SET state = excluded.state, reason = excluded.reason, by_hand = excluded.by_hand,
    resumes_at = CASE WHEN a.state = 'paused' AND NOT a.by_hand AND excluded.state = 'paused' AND NOT excluded.by_hand
        THEN greatest(a.resumes_at, excluded.resumes_at) ELSE excluded.resumes_at END,
    pause_ns = excluded.pause_ns, updated_at = now(),
    since = CASE WHEN a.state = excluded.state AND a.by_hand = excluded.by_hand THEN coalesce(a.since, now()) ELSE now() END
WHERE NOT a.by_hand OR excluded.by_hand OR a.resumes_at <= now();

-- name: AccountsNamed :many
-- A pause by hand whose time is over is none.
SELECT a.name, CASE WHEN a.by_hand AND a.resumes_at <= now() THEN 'active' ELSE a.state END::text AS state,
    CASE WHEN a.by_hand AND a.resumes_at <= now() THEN '' ELSE a.reason END::text AS reason,
    (a.by_hand AND coalesce(a.resumes_at > now(), true))::boolean AS by_hand,
    a.resumes_at, a.pause_ns,
    (a.removing_at IS NOT NULL)::boolean AS removing
FROM courier.account a WHERE a.name = ANY (sqlc.arg(names)::text[]);

-- name: AccountsOf :many
-- The accounts that have lanes in the partition.
SELECT a.name, CASE WHEN a.by_hand AND a.resumes_at <= now() THEN 'active' ELSE a.state END::text AS state,
    CASE WHEN a.by_hand AND a.resumes_at <= now() THEN '' ELSE a.reason END::text AS reason,
    (a.by_hand AND coalesce(a.resumes_at > now(), true))::boolean AS by_hand,
    a.resumes_at, a.pause_ns,
    (a.removing_at IS NOT NULL)::boolean AS removing
FROM courier.account a
WHERE a.name IN (SELECT l.account FROM courier.lane l WHERE l.partition = $1);

-- name: ResumeAccount :execrows
UPDATE courier.account SET state = 'active', reason = '', by_hand = false, resumes_at = NULL, pause_ns = 0, updated_at = now(), since = now() WHERE name = $1;

-- name: PauseAccounts :many
-- Those named, or all. The times are the database's: workers and people go by them.
UPDATE courier.account SET state = 'paused', reason = sqlc.arg(reason), by_hand = true, pause_ns = 0, updated_at = now(), since = now(),
    resumes_at = coalesce(sqlc.narg(until)::timestamptz, CASE WHEN sqlc.arg(seconds)::double precision > 0 THEN now() + make_interval(secs => sqlc.arg(seconds)::double precision) END)
WHERE sqlc.arg(every)::boolean OR name = sqlc.arg(name)::text
RETURNING name;

-- name: ResumeAccounts :many
-- Those that are paused by hand, all of them.
UPDATE courier.account SET state = 'active', reason = '', by_hand = false, resumes_at = NULL, pause_ns = 0, updated_at = now(), since = now()
WHERE by_hand
RETURNING name;

-- name: RegisterAccount :batchexec
-- An account that is configured is not removed, whoever asked for that before.
INSERT INTO courier.account (name, platform, scopes) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET platform = excluded.platform, scopes = excluded.scopes, removing_at = NULL
WHERE courier.account.platform <> excluded.platform OR courier.account.scopes <> excluded.scopes OR courier.account.removing_at IS NOT NULL;

-- name: SaveHealth :exec
-- Only the owner of the partition speaks. A stale one that is overtaken in this very
-- moment is corrected within seconds: its successor writes too.
INSERT INTO courier.account_health AS h (account, succeeded_at, failing_since, reason, next_try_at, paced_until, paced_since, paced_by, withheld)
SELECT k.account, courier.from_ns(k.succeeded), courier.from_ns(k.since), k.reason, courier.from_ns(k.next), courier.from_ns(k.paced),
    CASE WHEN courier.from_ns(k.paced) > now() THEN now() END, k.paced_by, k.withheld
FROM (SELECT unnest(sqlc.arg(accounts)::text[]) AS account, unnest(sqlc.arg(succeeded)::bigint[]) AS succeeded,
    unnest(sqlc.arg(since)::bigint[]) AS since, unnest(sqlc.arg(reasons)::text[]) AS reason, unnest(sqlc.arg(next)::bigint[]) AS next,
    unnest(sqlc.arg(paced)::bigint[]) AS paced, unnest(sqlc.arg(paced_by)::text[]) AS paced_by,
    unnest(sqlc.arg(withheld)::text[]) AS withheld) k
WHERE EXISTS (SELECT FROM courier.lease e WHERE e.partition = sqlc.arg(partition) AND e.token = sqlc.arg(token)::uuid)
ON CONFLICT (account) DO UPDATE SET succeeded_at = greatest(h.succeeded_at, excluded.succeeded_at),
    failing_since = CASE WHEN excluded.failing_since IS NOT NULL THEN least(h.failing_since, excluded.failing_since) END,
    reason = excluded.reason, next_try_at = excluded.next_try_at,
    paced_since = CASE WHEN h.paced_until > now() AND (h.withheld = '') = (excluded.withheld = '') THEN coalesce(h.paced_since, excluded.paced_since) ELSE excluded.paced_since END,
    paced_until = excluded.paced_until, paced_by = excluded.paced_by, withheld = excluded.withheld, updated_at = now();

-- name: SaveStrays :exec
-- Locks what it changes by name, as everybody who locks several lanes.
UPDATE courier.lane l SET problem = n.problem, problem_since = n.since, invalid_at = n.invalid_at
FROM (
    SELECT c.id, k.problem, courier.from_ns(k.since) AS since, courier.from_ns(k.invalid) AS invalid_at
    FROM courier.lane c
    LEFT JOIN (SELECT unnest(sqlc.arg(accounts)::text[]) AS account, unnest(sqlc.arg(catalogs)::text[]) AS catalog,
        unnest(sqlc.arg(types)::text[]) AS catalog_type, unnest(sqlc.arg(problems)::text[]) AS problem,
        unnest(sqlc.arg(since)::bigint[]) AS since, unnest(sqlc.arg(invalid)::bigint[]) AS invalid) k
        ON k.account = c.account AND k.catalog = c.catalog AND k.catalog_type = c.catalog_type
    WHERE c.partition = sqlc.arg(partition)
        AND (c.problem, c.problem_since, c.invalid_at) IS DISTINCT FROM (k.problem, courier.from_ns(k.since), courier.from_ns(k.invalid))
        AND EXISTS (SELECT FROM courier.lease e WHERE e.partition = sqlc.arg(partition) AND e.token = sqlc.arg(token)::uuid)
    ORDER BY c.account COLLATE "C", c.catalog COLLATE "C", c.catalog_type COLLATE "C" FOR NO KEY UPDATE OF c
) n
WHERE l.id = n.id;

-- name: LockAccount :one
SELECT (a.removing_at IS NOT NULL)::boolean AS removing FROM courier.account a WHERE a.name = $1 FOR UPDATE;

-- name: AccountInUse :one
-- Who has the account in its configuration, and whether anybody may have it who does not
-- say so: a worker of an older version.
SELECT (SELECT coalesce(array_agg(DISTINCT w.name ORDER BY w.name), '{}') FROM courier.configured c JOIN courier.worker w ON w.id = c.worker
        WHERE c.account = sqlc.arg(account) AND w.seen_at > now() - interval '30 seconds')::text[] AS workers,
    EXISTS (SELECT FROM courier.worker w WHERE w.configured_at IS NULL AND w.seen_at > now() - interval '30 seconds') AS untold,
    EXISTS (SELECT FROM courier.worker w WHERE w.seen_at > now() - interval '30 seconds') AS running;

-- name: AccountRemains :one
-- What is not final of the account, and its dead letters.
SELECT (SELECT count(*) FROM courier.lane l JOIN courier.waiting w ON w.lane = l.id WHERE l.account = sqlc.arg(account)) AS waiting,
    (SELECT count(*) FROM courier.lane l JOIN courier.batch b ON b.lane = l.id WHERE l.account = sqlc.arg(account) AND b.finished_at IS NULL) AS batches,
    (SELECT coalesce(sum(b.mutations), 0) FROM courier.lane l JOIN courier.batch b ON b.lane = l.id WHERE l.account = sqlc.arg(account) AND b.finished_at IS NULL)::bigint AS in_batches,
    (SELECT count(*) FROM courier.lane l JOIN courier.dead_letter d ON d.lane = l.id WHERE l.account = sqlc.arg(account)
        AND d.replayed_at IS NULL AND d.dismissed_at IS NULL AND d.resolved_at IS NULL) AS letters,
    (SELECT count(*) FROM courier.lane l WHERE l.account = sqlc.arg(account)) AS lanes;

-- name: AskForRemoval :exec
-- An account that was never configured has no row yet.
INSERT INTO courier.account (name, removing_at) VALUES ($1, now())
ON CONFLICT (name) DO UPDATE SET removing_at = coalesce(courier.account.removing_at, now());

-- name: StopRemoval :execrows
UPDATE courier.account SET removing_at = NULL WHERE name = $1 AND removing_at IS NOT NULL;

-- name: DeleteAccount :execrows
DELETE FROM courier.account WHERE name = $1 AND removing_at IS NOT NULL;

-- name: DeleteHealth :exec
DELETE FROM courier.account_health WHERE account = $1;

-- name: SayConfigured :exec
-- The accounts behind one name and up to another, by their bytes; the last call has no end
-- and says that all were said. The worker's own row is there: it has just beaten. What it
-- has is not to be removed.
WITH said AS (
    UPDATE courier.worker SET configured_at = CASE WHEN sqlc.arg(last)::boolean THEN now() ELSE configured_at END
    WHERE id = sqlc.arg(worker)::uuid RETURNING id
), kept AS (
    UPDATE courier.account SET removing_at = NULL WHERE name = ANY (sqlc.arg(accounts)::text[]) AND removing_at IS NOT NULL
), gone AS (
    DELETE FROM courier.configured c WHERE c.worker = sqlc.arg(worker)::uuid
        AND c.account COLLATE "C" > sqlc.arg(after)::text AND (sqlc.arg(last)::boolean OR c.account COLLATE "C" <= sqlc.arg(upto)::text)
        AND NOT EXISTS (SELECT FROM (SELECT unnest(sqlc.arg(accounts)::text[]) AS account, unnest(sqlc.arg(catalogs)::text[]) AS catalog) k
            WHERE k.account = c.account AND k.catalog = c.catalog)
)
INSERT INTO courier.configured (worker, account, catalog)
SELECT said.id, k.account, k.catalog
FROM said, (SELECT unnest(sqlc.arg(accounts)::text[]) AS account, unnest(sqlc.arg(catalogs)::text[]) AS catalog) k
ON CONFLICT DO NOTHING;

-- name: Overview :one
SELECT (SELECT count(*) FROM courier.worker w WHERE w.seen_at > now() - interval '30 seconds') AS workers,
    (SELECT count(*) FROM courier.worker w WHERE w.seen_at > now() - interval '30 seconds' AND w.draining) AS draining,
    (SELECT count(*) FROM courier.lease) AS partitions,
    (SELECT count(*) FROM courier.lease l JOIN courier.worker w ON w.id = l.owner WHERE w.seen_at > now() - interval '30 seconds') AS owned,
    (SELECT count(*) FROM courier.dead_letter d WHERE d.replayed_at IS NULL AND d.dismissed_at IS NULL AND d.resolved_at IS NULL) AS dead_letters;
