-- name: HoldNotices :one
-- Takes the sending of notices, or holds it longer. Another runner's expired hold is taken
-- over with a new token, so that what it still writes is refused.
UPDATE courier.notice_runner SET
    run_token = run_token + CASE WHEN runner = sqlc.arg(runner)::text AND runner_until > now() THEN 0 ELSE 1 END,
    runner = sqlc.arg(runner)::text,
    runner_until = now() + make_interval(secs => sqlc.arg(seconds)::double precision)
WHERE runner IS NULL OR runner = sqlc.arg(runner)::text OR runner_until <= now()
RETURNING run_token;

-- name: ReleaseNotices :exec
UPDATE courier.notice_runner SET runner = NULL, runner_until = NULL WHERE run_token = sqlc.arg(token);

-- name: GuardNotices :one
-- Locks the hold for the transaction; no row when it is over.
SELECT run_token FROM courier.notice_runner WHERE run_token = sqlc.arg(token) AND runner_until > now() FOR UPDATE;

-- name: NoticeMark :one
SELECT dead_letter, now()::timestamptz AS now, coalesce((SELECT max(id) FROM courier.dead_letter), 0)::bigint AS newest FROM courier.notice_runner;

-- name: NoticeAccounts :many
SELECT account, coalesce(state, '')::text AS state, coalesce(reason, '')::text AS reason FROM courier.account_status ORDER BY account;

-- name: NoticeSources :many
SELECT source, account, catalog, catalog_type, coalesce(state, '')::text AS state, coalesce(reason, '')::text AS reason, coalesce(silent, false)::boolean AS silent, coalesce(running, false)::boolean AS running
FROM courier.source_status ORDER BY source, account, catalog, catalog_type;

-- name: NoticeLetters :many
-- Kinds of the dead letters after the mark.
SELECT l.account, d.reason, coalesce(d.field, '')::text AS field, count(*) AS letters, max(d.id)::bigint AS newest, min(d.text)::text AS example
FROM (SELECT x.id, x.lane, x.reason, x.field, x.text FROM courier.dead_letter x WHERE x.id > sqlc.arg(after) ORDER BY x.id LIMIT sqlc.arg(lim)) d
JOIN courier.lane l ON l.id = d.lane
GROUP BY l.account, d.reason, d.field
ORDER BY l.account, d.reason, d.field;

-- name: NoticeStates :many
SELECT subject, told, told_at, coalesce(pending, '')::text AS pending, pending_since FROM courier.notice_state;

-- name: SaveNoticeState :exec
INSERT INTO courier.notice_state (subject, told, told_at, pending, pending_since)
VALUES (sqlc.arg(subject), sqlc.arg(told), sqlc.narg(told_at), sqlc.narg(pending), sqlc.narg(pending_since))
ON CONFLICT (subject) DO UPDATE SET told = excluded.told, told_at = excluded.told_at, pending = excluded.pending, pending_since = excluded.pending_since;

-- name: DropNoticeState :exec
DELETE FROM courier.notice_state WHERE subject = sqlc.arg(subject);

-- name: MarkNoticeLetters :exec
UPDATE courier.notice_runner SET dead_letter = greatest(dead_letter, sqlc.arg(mark)::bigint);

-- name: AddNotice :exec
INSERT INTO courier.notice (target, message_id, content) VALUES (sqlc.arg(target), sqlc.arg(message_id), sqlc.arg(content));

-- name: BoundNotices :execrows
-- Drops the oldest notices of a target beyond the bound.
DELETE FROM courier.notice n WHERE n.target = sqlc.arg(target)
    AND n.id <= (SELECT x.id FROM courier.notice x WHERE x.target = sqlc.arg(target) ORDER BY x.id DESC OFFSET sqlc.arg(keep)::integer LIMIT 1);

-- name: NextNotice :one
-- The oldest notice of a target: a target gets them in order.
SELECT id, message_id, created_at, content, attempts, (now() - created_at > make_interval(secs => sqlc.arg(give_up)::double precision))::boolean AS too_old,
    greatest(extract(epoch FROM retry_at - now()), 0)::double precision AS wait
FROM courier.notice WHERE target = sqlc.arg(target) ORDER BY id LIMIT 1;

-- name: NoticeDone :exec
DELETE FROM courier.notice WHERE id = sqlc.arg(id);

-- name: NoticeFailed :exec
UPDATE courier.notice SET attempts = attempts + 1, retry_at = now() + make_interval(secs => sqlc.arg(wait)::double precision), last_error = sqlc.arg(reason)::text
WHERE id = sqlc.arg(id);

-- name: DropForeignNotices :execrows
-- Drops what is left of targets that are not configured any more.
DELETE FROM courier.notice WHERE NOT target = ANY(sqlc.arg(targets)::text[]);

-- name: NoticeOutcomes :many
-- How old the oldest row is that a consumer of the outbox has not done, in seconds.
SELECT c.consumer, coalesce(max(extract(epoch FROM now() - o.at)), 0)::double precision AS seconds
FROM courier.outcome_cursor c
LEFT JOIN LATERAL (
    SELECT x.at FROM courier.outcome x WHERE x.partition = c.partition AND x.number > c.number ORDER BY x.number LIMIT 1
) o ON true
GROUP BY c.consumer ORDER BY c.consumer;
