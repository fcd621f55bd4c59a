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

-- +goose Down
DROP VIEW courier.account_platforms, courier.partition_status, courier.worker_status, courier.batch_payloads, courier.batch_members, courier.batch_outcomes, courier.batch_attempts;
