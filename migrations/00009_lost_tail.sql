-- +goose Up

-- Which histories a partition's owner knows to be one and the same: a database that
-- was put back, or failed over without its last commits, goes on with another
-- history, and numbers cannot tell the two apart. sent is the last transaction that
-- announced a POST; noted are those that may be noted outside the database: the last
-- one that is known to be, and those since whose notes had no answer. What is found
-- there must be one of these.
ALTER TABLE courier.lease ADD COLUMN sent uuid, ADD COLUMN noted uuid[];

-- Raises CC004 unless each lane has the id by which a worker knows it. A worker
-- remembers ids; a database that lost its last commits may have lost the lane, or
-- have given its id to another one.
-- +goose StatementBegin
CREATE FUNCTION courier.check_lanes(ids integer[], accounts text[], catalogs text[], types text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM unnest(ids, accounts, catalogs, types) AS k (id, account, catalog, catalog_type)
        LEFT JOIN courier.lane l ON l.id = k.id
        WHERE (l.account, l.catalog, l.catalog_type) IS DISTINCT FROM (k.account, k.catalog, k.catalog_type)
    ) THEN
        RAISE EXCEPTION 'a lane has another id than the worker remembers' USING ERRCODE = 'CC004';
    END IF;
END
$$;
-- +goose StatementEnd

-- The fence of 00002, which workers of the version before still call, with what was
-- sent: sends says that the transaction announces a POST, its_noted is what may be
-- noted outside.
-- +goose StatementBegin
CREATE FUNCTION courier.fence(of_partition integer, its_token uuid, previous uuid, this uuid,
    to_generation bigint, to_sequence bigint, to_message_ns bigint, to_message_id text, its_slowest_ns bigint,
    sends boolean, its_noted uuid[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    held    courier.lease%ROWTYPE;
    forward boolean;
BEGIN
    SELECT * INTO held FROM courier.lease WHERE partition = of_partition FOR UPDATE;
    IF held.last_transaction = this THEN
        RAISE EXCEPTION 'the transaction is already committed' USING ERRCODE = 'CC002';
    ELSIF held.token IS DISTINCT FROM its_token THEN
        RAISE EXCEPTION 'the lease has another owner' USING ERRCODE = 'CC001';
    ELSIF held.last_transaction IS DISTINCT FROM previous THEN
        RAISE EXCEPTION 'another transaction of the lease was committed' USING ERRCODE = 'CC003';
    END IF;
    forward := coalesce((to_generation, to_sequence) > (held.generation, held.sequence), false);
    UPDATE courier.lease SET last_transaction = this, commits = commits + 1,
        slowest_ns = coalesce(its_slowest_ns, slowest_ns),
        sent = CASE WHEN sends THEN this ELSE sent END,
        noted = coalesce(its_noted, noted),
        generation = CASE WHEN forward THEN to_generation ELSE generation END,
        sequence = CASE WHEN forward THEN to_sequence ELSE sequence END,
        message_ns = CASE WHEN forward THEN to_message_ns ELSE message_ns END,
        message_id = CASE WHEN forward THEN to_message_id ELSE message_id END
    WHERE partition = of_partition;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION courier.fence(integer, uuid, uuid, uuid, bigint, bigint, bigint, text, bigint, boolean, uuid[]);
DROP FUNCTION courier.check_lanes;
ALTER TABLE courier.lease DROP COLUMN sent, DROP COLUMN noted;
