-- +goose Up

-- Credentials whose tokens change. The tokens are sealed with a key that the
-- database does not have.
CREATE TABLE courier.credential (
    name          text        PRIMARY KEY,
    version       bigint      NOT NULL DEFAULT 1,
    key_id        text        NOT NULL,
    sealed        bytea       NOT NULL,
    -- Of the access token; NULL: there is none yet.
    expires_at    timestamptz,
    refresh_at    timestamptz,
    refreshed_at  timestamptz,
    -- Who is renewing it. A claim that ran out binds nobody.
    claimed_by    uuid,
    claimed_until timestamptz,
    failures      integer     NOT NULL DEFAULT 0,
    retry_at      timestamptz,
    refused       boolean     NOT NULL DEFAULT false,
    problem       text        NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL DEFAULT now()
);

-- +goose Down
DROP TABLE courier.credential;
