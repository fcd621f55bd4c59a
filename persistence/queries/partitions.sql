-- name: FixPartitions :one
-- Records the number of partitions at the first start; later it only reads it.
INSERT INTO courier.stream (partitions) VALUES ($1)
ON CONFLICT (single) DO UPDATE SET partitions = courier.stream.partitions
RETURNING partitions;

-- name: AddLeases :exec
INSERT INTO courier.lease (partition)
SELECT generate_series(0, sqlc.arg(partitions)::int - 1)
ON CONFLICT (partition) DO NOTHING;

-- name: Partitions :one
SELECT partitions FROM courier.stream;

-- name: Positions :many
SELECT partition, generation, sequence, message_ns, message_id FROM courier.lease ORDER BY partition;

-- name: StartDay :exec
SELECT courier.start_day(sqlc.arg(day)::date);

-- name: LaneID :one
SELECT id FROM courier.lane WHERE account = $1 AND catalog = $2 AND catalog_type = $3;

-- name: AddLane :exec
INSERT INTO courier.lane (partition, account, catalog, catalog_type) VALUES ($1, $2, $3, $4)
ON CONFLICT (account, catalog, catalog_type) DO NOTHING;
