-- +goose Up

-- What is kept of notices: who sends them, what was last told, and what is still to send.

-- One worker at a time looks for changes and sends notices: it holds this row until
-- runner_until, by the database's clock, and run_token grows when another takes it. A row
-- and not an advisory lock, which a connection pooler between would give to somebody else.
CREATE TABLE courier.notice_runner (
    singleton    boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    runner       text,
    runner_until timestamptz,
    run_token    bigint NOT NULL DEFAULT 0,
    -- The newest dead letter that was looked at; NULL before the first look.
    dead_letter  bigint
);
INSERT INTO courier.notice_runner DEFAULT VALUES;

-- What was last told of a subject, such as account/acme, and the other state that it has had
-- since. A subject that is well and was told to be so has no row.
CREATE TABLE courier.notice_state (
    subject       text PRIMARY KEY,
    told          text NOT NULL DEFAULT '',
    told_at       timestamptz,
    pending       text,
    pending_since timestamptz
);

-- Notices that no receiver has taken yet. A row is deleted when its target answered 2xx: a
-- worker that ends in between sends it once more, with the same message_id.
CREATE TABLE courier.notice (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target     text NOT NULL,
    message_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    content    jsonb NOT NULL,
    attempts   integer NOT NULL DEFAULT 0,
    retry_at   timestamptz NOT NULL DEFAULT now(),
    last_error text
);
CREATE INDEX notice_next ON courier.notice (target, id);

COMMENT ON TABLE courier.notice_runner IS 'The worker that looks for changes and sends notices.';
COMMENT ON TABLE courier.notice_state IS 'What was last told of each subject that is not well.';
COMMENT ON TABLE courier.notice IS 'Notices that are still to be sent, by target.';

-- +goose Down
DROP TABLE courier.notice, courier.notice_state, courier.notice_runner;
