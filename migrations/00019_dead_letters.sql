-- +goose Up

-- Dead letters as a list of what is to be done. A letter leaves the list when it is
-- replayed, when a person dismisses it, and when a newer change of its item succeeded.
-- replayed_by and dismissed_by say who did it; replaced_by is the id of the mutation that
-- was published in place of an edited letter's.
ALTER TABLE courier.dead_letter
    ADD COLUMN replayed_by text,
    ADD COLUMN replaced_by text,
    ADD COLUMN dismissed_at timestamptz,
    ADD COLUMN dismissed_by text,
    ADD COLUMN dismiss_reason text,
    ADD COLUMN resolved_at timestamptz;

-- The list of those that are open, newest first, is read without the others, which may be
-- many more. Letters of one item are found for the page of the item and for resolving.
-- Letters are few beside mutations: two more indexes cost nothing that can be measured.
CREATE INDEX dead_letter_open ON courier.dead_letter (id)
    WHERE replayed_at IS NULL AND dismissed_at IS NULL AND resolved_at IS NULL;
CREATE INDEX dead_letter_item ON courier.dead_letter (item_id, lane);

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
    d.lost AS lost_bytes,
    CASE
        WHEN d.replayed_at IS NOT NULL THEN 'replayed'
        WHEN d.dismissed_at IS NOT NULL THEN 'dismissed'
        WHEN d.resolved_at IS NOT NULL THEN 'resolved'
        ELSE 'open'
    END AS state,
    -- All that is wrong, not the first of it alone.
    coalesce(d.errors, jsonb_build_array(jsonb_strip_nulls(jsonb_build_object('attribute', d.field, 'message', d.text)))) AS errors,
    d.replayed_by,
    d.replaced_by,
    d.dismissed_at,
    d.dismissed_by,
    d.dismiss_reason,
    d.resolved_at,
    d.line AS stream_line
FROM courier.dead_letter d
JOIN courier.lane l ON l.id = d.lane;

-- What every view and column is, for whoever opens the database with a tool of theirs.
COMMENT ON COLUMN courier.dead_letters.dismiss_reason IS 'Why it was dismissed.';
COMMENT ON COLUMN courier.dead_letters.dismissed_at IS 'When a person dismissed it.';
COMMENT ON COLUMN courier.dead_letters.dismissed_by IS 'Who dismissed it.';
COMMENT ON COLUMN courier.dead_letters.errors IS 'Every rule that it breaks, or every error of the platform, as a list.';
COMMENT ON COLUMN courier.dead_letters.replaced_by IS 'The change that was published in its place.';
COMMENT ON COLUMN courier.dead_letters.replayed_by IS 'Who published it again.';
COMMENT ON COLUMN courier.dead_letters.resolved_at IS 'When a later change of its item succeeded.';
COMMENT ON COLUMN courier.dead_letters.stream_line IS 'Which line of a pack it was, from 1; 0 for a message of its own. The message is that line.';
COMMENT ON COLUMN courier.dead_letters.state IS 'open, replayed, dismissed or resolved.';

-- +goose Down
DROP VIEW courier.dead_letters;
CREATE VIEW courier.dead_letters AS
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
DROP INDEX courier.dead_letter_item, courier.dead_letter_open;
ALTER TABLE courier.dead_letter
    DROP COLUMN resolved_at,
    DROP COLUMN dismiss_reason,
    DROP COLUMN dismissed_by,
    DROP COLUMN dismissed_at,
    DROP COLUMN replaced_by,
    DROP COLUMN replayed_by;
