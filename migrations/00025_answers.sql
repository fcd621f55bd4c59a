-- +goose Up

-- What platforms answered, for people: without secrets, at most 64 KiB each. They are
-- written with what is written anyway, and are of no use to the program.
ALTER TABLE courier.attempt ADD COLUMN answer text;
ALTER TABLE courier.batch ADD COLUMN answer text;

-- Faster, and not in every server.
-- +goose StatementBegin
DO $$
BEGIN
    ALTER TABLE courier.attempt ALTER COLUMN answer SET COMPRESSION lz4;
    ALTER TABLE courier.batch ALTER COLUMN answer SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN NULL;
END
$$;
-- +goose StatementEnd

CREATE VIEW courier.batch_answers AS
SELECT t.batch_id, t.number AS attempt, t.at, t.answer FROM courier.attempt t WHERE t.answer IS NOT NULL
UNION ALL
SELECT b.id, NULL, b.finished_at, b.answer FROM courier.batch b WHERE b.answer IS NOT NULL;

COMMENT ON VIEW courier.batch_answers IS 'What the platform answered to the POSTs of batches and to the last poll of each, without secrets and shortened.';
COMMENT ON COLUMN courier.batch_answers.batch_id IS 'The batch.';
COMMENT ON COLUMN courier.batch_answers.attempt IS 'The number of the POST that was answered, from 1; null for the last poll.';
COMMENT ON COLUMN courier.batch_answers.at IS 'When the POST ended; of the last poll, when the batch was finished.';
COMMENT ON COLUMN courier.batch_answers.answer IS 'The text of the answer, at most 64 KiB of it, or 4 KiB where the call failed.';

-- +goose Down
DROP VIEW courier.batch_answers;
ALTER TABLE courier.batch DROP COLUMN answer;
ALTER TABLE courier.attempt DROP COLUMN answer;
