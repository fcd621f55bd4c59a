-- +goose Up

-- Dead letters hold whole messages, and a producer's mistake can make as many of them
-- as there are messages. The messages of one account's dead letters have a limit in
-- bytes: past it those of the oldest are dropped, and their rows stay. lost is how many
-- bytes of a body were not kept, null when it is whole; headers go with it.
ALTER TABLE courier.dead_letter ADD COLUMN lost bigint;

-- About how many bytes the messages of each account's dead letters take. Written with
-- them, and counted again from time to time: rows may be deleted by hand.
CREATE TABLE courier.dead_letter_size (
    account    text   PRIMARY KEY,
    bytes      bigint NOT NULL,
    -- No dead letter up to this id has a message any more.
    dropped_to bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- A view that is replaced keeps who may read it.
CREATE OR REPLACE VIEW courier.dead_letters AS
SELECT d.id,
    d.subject,
    courier.readable_headers(d.headers) AS headers,
    CASE WHEN d.lost IS NULL THEN courier.readable(d.body) END AS body,
    d.reason AS reason_code,
    CASE WHEN d.lost IS NULL THEN d.text
        ELSE d.text || ' (the message of ' || d.lost || ' bytes is not kept: it cannot be replayed from here)' END AS reason_text,
    d.failed_at,
    d.replayed_at,
    d.mutation_id,
    l.account, l.catalog, l.catalog_type,
    d.item_id,
    d.localization,
    courier.operation_name(d.operation) AS operation,
    d.batch_id,
    d.generation AS stream_generation,
    d.sequence AS stream_sequence,
    d.lost AS lost_bytes
FROM courier.dead_letter d
JOIN courier.lane l ON l.id = d.lane;

-- +goose Down
DROP VIEW courier.dead_letters;
CREATE VIEW courier.dead_letters AS
SELECT d.id,
    d.subject,
    courier.readable_headers(d.headers) AS headers,
    courier.readable(d.body) AS body,
    d.reason AS reason_code,
    d.text AS reason_text,
    d.failed_at,
    d.replayed_at,
    d.mutation_id,
    l.account, l.catalog, l.catalog_type,
    d.item_id,
    d.localization,
    courier.operation_name(d.operation) AS operation,
    d.batch_id,
    d.generation AS stream_generation,
    d.sequence AS stream_sequence
FROM courier.dead_letter d
JOIN courier.lane l ON l.id = d.lane;
DROP TABLE courier.dead_letter_size;
ALTER TABLE courier.dead_letter DROP COLUMN lost;
