-- +goose Up

-- Which stream the positions are of, and whose workers work it. Both ids are random:
-- another server with a stream of the same name, or a stream that another database's
-- workers work, is told apart and refused. installation_id is made with the row, at
-- the first start, so that databases cloned from a migrated template have their own.
-- A restored or failed-over database keeps it. stream_id is copied from the stream's
-- metadata by the first worker; null: none was bound yet.
ALTER TABLE courier.stream
    ADD COLUMN installation_id uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN stream_id       uuid;

-- +goose Down
ALTER TABLE courier.stream
    DROP COLUMN installation_id,
    DROP COLUMN stream_id;
