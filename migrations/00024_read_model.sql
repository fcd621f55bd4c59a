-- +goose Up

-- What the read model (package status) shows of a batch beside its row in batch_status, and
-- of the workers: views, so that a role which may read nothing but views sees them.

-- The POSTs of batches.
CREATE VIEW courier.batch_attempts AS
SELECT t.batch_id, t.number,
    CASE t.result WHEN 1 THEN 'accepted' WHEN 2 THEN 'ambiguous' WHEN 3 THEN 'not_taken' WHEN 4 THEN 'unsent' ELSE 'sending' END AS result,
    t.at, t.next_at, t.handles, t.reason, t.error, t.notes
FROM courier.attempt t;

-- The records of batches that ended otherwise than in plain success.
CREATE VIEW courier.batch_outcomes AS
SELECT o.batch_id, o.record,
    CASE o.result WHEN 1 THEN 'succeeded' WHEN 2 THEN 'failed' WHEN 3 THEN 'unconfirmed' ELSE 'returned' END AS result,
    o.errors, o.warnings
FROM courier.record_outcome o;

-- The records of a batch whose changes it carried last: those of others went on in a later batch.
CREATE VIEW courier.batch_members AS
SELECT m.batch_id, m.record FROM courier.mutation m WHERE m.batch_id IS NOT NULL AND m.record IS NOT NULL;

-- What was sent: the messages of all changes of a batch, packed. Only this program unpacks it.
CREATE VIEW courier.batch_payloads AS
SELECT b.id AS batch_id, b.payload FROM courier.batch b;

CREATE VIEW courier.worker_status AS
SELECT w.id AS worker_id, w.name, w.draining, w.started_at, w.seen_at,
    (SELECT count(*) FROM courier.lease l WHERE l.owner = w.id) AS partitions
FROM courier.worker w;

CREATE VIEW courier.partition_status AS
SELECT l.partition, l.owner AS worker_id, w.name AS worker_name, l.wanted_by, l.generation AS stream_generation, l.sequence AS stream_sequence,
    courier.from_ns(l.message_ns) AS recorded_up_to, l.commits,
    (SELECT count(*) FROM courier.batch b WHERE b.partition = l.partition AND b.finished_at IS NULL) AS open_batches
FROM courier.lease l LEFT JOIN courier.worker w ON w.id = l.owner;

-- Cheaper than account_status, which counts what waits.
CREATE VIEW courier.account_platforms AS
SELECT a.name AS account, a.platform FROM courier.account a;

COMMENT ON VIEW courier.batch_attempts IS 'Every POST of a batch: how it ended, the handles that the platform named, what it said.';
COMMENT ON VIEW courier.batch_outcomes IS 'Records of batches with another outcome than plain success, with the words of the platform.';
COMMENT ON VIEW courier.batch_members IS 'Records whose changes this batch carried last.';
COMMENT ON VIEW courier.batch_payloads IS 'The packed messages of a batch. "worker batch ID --body" shows the request that was made of them.';
COMMENT ON VIEW courier.worker_status IS 'Workers, when each was seen last, and how many partitions it has.';
COMMENT ON VIEW courier.account_platforms IS 'The platform of each account.';
COMMENT ON VIEW courier.partition_status IS 'Partitions of the stream: their worker, and up to where everything is recorded.';

-- What every view and column is, for whoever opens the database with a tool of theirs.
COMMENT ON COLUMN courier.batch_attempts.at IS 'When it ended, or began where no end is known.';
COMMENT ON COLUMN courier.batch_attempts.batch_id IS 'The batch.';
COMMENT ON COLUMN courier.batch_attempts.error IS 'What the platform said, in words.';
COMMENT ON COLUMN courier.batch_attempts.handles IS 'The names under which the platform works on it.';
COMMENT ON COLUMN courier.batch_attempts.next_at IS 'When the next one is made, where that is known.';
COMMENT ON COLUMN courier.batch_attempts.notes IS 'What the answer said of single items, as bytes of JSON.';
COMMENT ON COLUMN courier.batch_attempts.number IS 'The number of the POST, from 1.';
COMMENT ON COLUMN courier.batch_attempts.reason IS 'What kind of failure it was.';
COMMENT ON COLUMN courier.batch_attempts.result IS 'sending, accepted, ambiguous (nobody knows whether it arrived), not_taken or unsent.';
COMMENT ON COLUMN courier.batch_outcomes.batch_id IS 'The batch.';
COMMENT ON COLUMN courier.batch_outcomes.errors IS 'The errors of the platform or of the rules, as a list with code, attribute and message.';
COMMENT ON COLUMN courier.batch_outcomes.record IS 'The number of the item in the batch, from 0.';
COMMENT ON COLUMN courier.batch_outcomes.result IS 'succeeded (with warnings), failed, unconfirmed or returned (sent again later).';
COMMENT ON COLUMN courier.batch_outcomes.warnings IS 'Warnings of the platform and of the rules, as a list; nothing has to be done at once.';
COMMENT ON COLUMN courier.batch_members.batch_id IS 'The batch.';
COMMENT ON COLUMN courier.batch_members.record IS 'The number of the item in the batch, from 0.';
COMMENT ON COLUMN courier.batch_payloads.batch_id IS 'The batch.';
COMMENT ON COLUMN courier.batch_payloads.payload IS 'The messages of its changes, packed.';
COMMENT ON COLUMN courier.worker_status.draining IS 'Whether it is ending.';
COMMENT ON COLUMN courier.worker_status.name IS 'Its name.';
COMMENT ON COLUMN courier.worker_status.partitions IS 'How many partitions it owns.';
COMMENT ON COLUMN courier.worker_status.seen_at IS 'Its last heartbeat, by the clock of the database: older than 30 seconds it does not run.';
COMMENT ON COLUMN courier.worker_status.started_at IS 'When it began.';
COMMENT ON COLUMN courier.worker_status.worker_id IS 'The id of the process.';
COMMENT ON COLUMN courier.partition_status.commits IS 'How many transactions were committed for it.';
COMMENT ON COLUMN courier.partition_status.open_batches IS 'Its batches that are not finished.';
COMMENT ON COLUMN courier.partition_status.partition IS 'The number of the partition.';
COMMENT ON COLUMN courier.partition_status.recorded_up_to IS 'When the message was published up to which all is recorded.';
COMMENT ON COLUMN courier.partition_status.stream_generation IS 'Counts how often the stream was restored to an older copy.';
COMMENT ON COLUMN courier.partition_status.stream_sequence IS 'The place in the stream.';
COMMENT ON COLUMN courier.partition_status.wanted_by IS 'The worker that waits for it to be handed over.';
COMMENT ON COLUMN courier.partition_status.worker_id IS 'The worker that owns it; null for none.';
COMMENT ON COLUMN courier.partition_status.worker_name IS 'Its name.';
COMMENT ON COLUMN courier.account_platforms.account IS 'The account, as the configuration names it.';
COMMENT ON COLUMN courier.account_platforms.platform IS 'The platform of the account; empty where no worker ever had it.';

-- +goose Down
DROP VIEW courier.account_platforms, courier.partition_status, courier.worker_status, courier.batch_payloads, courier.batch_members, courier.batch_outcomes, courier.batch_attempts;
