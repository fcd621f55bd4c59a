-- name: AddOutcomeDelivery :batchexec
INSERT INTO courier.outcome_delivery (webhook, message_id, events, body) VALUES ($1, $2, $3, $4);

-- name: OutcomeWebhookState :one
-- How many POSTs of a webhook are pending, up to a bound, and whether it is disabled.
SELECT (SELECT count(*) FROM (SELECT FROM courier.outcome_delivery d
        WHERE d.webhook = sqlc.arg(webhook) AND d.state = 'pending' LIMIT sqlc.arg(most)) x) AS pending,
    EXISTS (SELECT FROM courier.outcome_webhook_disabled w WHERE w.webhook = sqlc.arg(webhook)) AS disabled;

-- name: ClaimOutcomeDeliveries :many
-- Each claim counts as an attempt, also of a worker that ends before it knows the answer.
UPDATE courier.outcome_delivery d SET attempts = d.attempts + 1, last_at = now(),
    next_at = now() + make_interval(secs => sqlc.arg(lost_after)::double precision)
FROM (
    SELECT c.id FROM courier.outcome_delivery c
    WHERE c.webhook = sqlc.arg(webhook) AND c.state = 'pending' AND c.next_at <= now()
        AND NOT EXISTS (SELECT FROM courier.outcome_webhook_disabled w WHERE w.webhook = sqlc.arg(webhook))
    ORDER BY c.next_at, c.id LIMIT sqlc.arg(lim) FOR UPDATE SKIP LOCKED
) due
WHERE d.id = due.id
RETURNING d.id, d.message_id, d.events, d.attempts, d.created_at, d.body;

-- name: OutcomeDelivered :execrows
UPDATE courier.outcome_delivery SET state = 'delivered', body = NULL, last_status = sqlc.arg(status)::int, last_error = NULL
WHERE id = sqlc.arg(id) AND attempts = sqlc.arg(attempts) AND state = 'pending';

-- name: OutcomeNotDelivered :execrows
-- It is sent again after a while, until it is too old: then it is given up.
UPDATE courier.outcome_delivery SET last_status = sqlc.narg(status)::int, last_error = sqlc.arg(error)::text,
    next_at = now() + make_interval(secs => sqlc.arg(again_in)::double precision),
    state = CASE WHEN created_at < now() - make_interval(secs => sqlc.arg(give_up)::double precision) THEN 'failed' ELSE 'pending' END
WHERE id = sqlc.arg(id) AND attempts = sqlc.arg(attempts) AND state = 'pending';

-- name: DisableOutcomeWebhook :exec
WITH disabled AS (
    INSERT INTO courier.outcome_webhook_disabled (webhook) VALUES (sqlc.arg(webhook)) ON CONFLICT DO NOTHING
)
UPDATE courier.outcome_delivery d SET state = 'failed', last_error = coalesce(d.last_error, 'the receiver disabled the webhook: 410 Gone')
WHERE d.webhook = sqlc.arg(webhook) AND d.state = 'pending';

-- name: ListOutcomeDeliveries :many
SELECT id, webhook, message_id, created_at, events, state, attempts, next_at, last_at, last_status, last_error
FROM courier.outcome_delivery
WHERE (sqlc.arg(webhook)::text = '' OR webhook = sqlc.arg(webhook)::text) AND (sqlc.arg(every)::boolean OR state <> 'delivered')
ORDER BY id DESC LIMIT sqlc.arg(lim);

-- name: ResendOutcomeDeliveries :execrows
-- Those that were given up, or all that a webhook has of them; a webhook that was disabled
-- is sent to again.
WITH again AS (
    UPDATE courier.outcome_delivery d SET state = 'pending', next_at = now(), created_at = now()
    WHERE d.body IS NOT NULL AND d.state IN ('failed', 'pending')
        AND (d.id = ANY (sqlc.arg(ids)::bigint[]) OR cardinality(sqlc.arg(ids)::bigint[]) = 0 AND d.webhook = sqlc.arg(webhook))
    RETURNING d.webhook
), enabled AS (
    DELETE FROM courier.outcome_webhook_disabled w WHERE w.webhook = sqlc.arg(webhook) OR w.webhook IN (SELECT a.webhook FROM again a)
)
SELECT a.webhook FROM again a;

-- name: DeleteOldOutcomeDeliveries :execrows
DELETE FROM courier.outcome_delivery WHERE id IN (
    SELECT d.id FROM courier.outcome_delivery d WHERE d.created_at < sqlc.arg(before) ORDER BY d.created_at LIMIT sqlc.arg(lim));
