-- +goose Up

-- Outcomes that are posted to webhooks: one row for each POST, with all its events. It is
-- written with the move of the webhook's cursor, so every outcome is in one.
CREATE TABLE courier.outcome_delivery (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook    text        NOT NULL,
    -- The header webhook-id, the same for every attempt.
    message_id text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    events     integer     NOT NULL,
    state      text        NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts   integer     NOT NULL DEFAULT 0,
    -- When it is sent next; while an attempt is under way, when that counts as lost.
    next_at    timestamptz NOT NULL DEFAULT now(),
    last_at    timestamptz,
    last_status integer,
    last_error text,
    -- Gone once it is delivered.
    body       bytea
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX outcome_delivery_due ON courier.outcome_delivery (webhook, next_at) WHERE state = 'pending';
CREATE INDEX outcome_delivery_created ON courier.outcome_delivery (created_at);

-- Webhooks that answered 410 Gone: nothing is sent to them until somebody resends.
CREATE TABLE courier.outcome_webhook_disabled (
    webhook     text PRIMARY KEY,
    disabled_at timestamptz NOT NULL DEFAULT now()
);

CREATE VIEW courier.outcome_deliveries AS
SELECT d.id, d.webhook, d.message_id, d.created_at, d.events, d.state, d.attempts,
    CASE WHEN d.state = 'pending' THEN d.next_at END AS next_at,
    d.last_at, d.last_status, d.last_error, octet_length(d.body) AS body_bytes
FROM courier.outcome_delivery d;
COMMENT ON VIEW courier.outcome_deliveries IS 'POSTs of outcomes to webhooks, and what became of them.';

-- +goose Down
DROP VIEW courier.outcome_deliveries;
DROP TABLE courier.outcome_webhook_disabled, courier.outcome_delivery;
