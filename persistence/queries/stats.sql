-- name: WaitingCounts :many
SELECT l.account, l.partition, count(*) AS items, min(w.received_at)::timestamptz AS oldest
FROM courier.waiting w JOIN courier.lane l ON l.id = w.lane
GROUP BY l.account, l.partition;

-- name: OpenBatchCounts :many
SELECT l.account, count(*) AS batches, sum(b.records)::bigint AS records
FROM courier.batch b JOIN courier.lane l ON l.id = b.lane
WHERE b.finished_at IS NULL
GROUP BY l.account;

-- name: OwnedPartitions :many
SELECT owner, count(*) AS partitions FROM courier.lease WHERE owner IS NOT NULL GROUP BY owner;
