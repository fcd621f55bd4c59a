-- +goose Up

-- Where in the stream the mutation stands that set the version: only what comes behind
-- it is overtaken by it. Zero, for what was written before this migration, counts as
-- before everything.
ALTER TABLE courier.item_version
    ADD COLUMN generation bigint NOT NULL DEFAULT 0,
    ADD COLUMN sequence   bigint NOT NULL DEFAULT 0;

-- How long the present pause is, in nanoseconds; 0 for none. The next one that the same
-- trouble causes is twice as long, also under a new owner.
ALTER TABLE courier.account ADD COLUMN pause_ns bigint NOT NULL DEFAULT 0;

-- How long the last block was that nobody told the length of, in nanoseconds; 0 once a
-- call worked again. The next one is twice as long, also under a new owner.
ALTER TABLE courier.quota_scope ADD COLUMN patience_ns bigint NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE courier.quota_scope DROP COLUMN patience_ns;
ALTER TABLE courier.account DROP COLUMN pause_ns;
ALTER TABLE courier.item_version DROP COLUMN generation, DROP COLUMN sequence;
