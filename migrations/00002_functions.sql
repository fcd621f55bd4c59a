-- +goose Up

-- The smallest UUID version 7 of a day, where the batch partitions begin.
-- +goose StatementBegin
CREATE FUNCTION courier.first_id(day date) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT (lpad(to_hex((extract(epoch FROM day)::bigint * 1000)), 12, '0') || '00000000000000000000')::uuid
$$;
-- +goose StatementEnd

-- Makes the partitions of a day in all growing tables. Safe to call from many
-- places at once. Partitions are made as plain tables and then attached: that
-- takes a lock which lets readers and writers go on, CREATE … PARTITION OF does
-- not.
-- +goose StatementBegin
CREATE FUNCTION courier.ensure_day(day date) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    suffix  text := to_char(day, 'YYYYMMDD');
    parents text[] := ARRAY['mutation', 'batch', 'attempt', 'record_outcome'];
    parent  text;
BEGIN
    IF (SELECT bool_and(to_regclass('courier.' || p || '_' || suffix) IS NOT NULL) FROM unnest(parents) p) THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('courier.ensure_day'));
    FOREACH parent IN ARRAY parents LOOP
        -- Looked up in the catalog itself: to_regclass remembers its answer from
        -- before the wait for the lock.
        CONTINUE WHEN EXISTS (SELECT FROM pg_catalog.pg_class c
            WHERE c.relnamespace = 'courier'::regnamespace AND c.relname = parent || '_' || suffix);
        EXECUTE format('CREATE TABLE courier.%I (LIKE courier.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)',
            parent || '_' || suffix, parent);
        IF parent = 'mutation' THEN
            EXECUTE format('ALTER TABLE courier.mutation ATTACH PARTITION courier.%I FOR VALUES FROM (%L) TO (%L)',
                'mutation_' || suffix, day, day + 1);
        ELSE
            EXECUTE format('ALTER TABLE courier.%I ATTACH PARTITION courier.%I FOR VALUES FROM (%L) TO (%L)',
                parent, parent || '_' || suffix, courier.first_id(day), courier.first_id(day + 1));
        END IF;
    END LOOP;
END
$$;
-- +goose StatementEnd

-- The last statement of every transaction of a partition, sent in one flight
-- with COMMIT. It locks the lease row, so that a take-over waits for the commit
-- or the commit fails, and moves the position. previous is the transaction
-- before this one: whichever of two copies of a transaction comes second fails,
-- however late a broken connection delivers it.
-- CC001: another owner. CC002: this very transaction is already committed.
-- CC003: another transaction came in between.
-- +goose StatementBegin
CREATE FUNCTION courier.fence(of_partition integer, its_token uuid, previous uuid, this uuid,
    to_generation bigint, to_sequence bigint, to_message_ns bigint, to_message_id text, its_slowest_ns bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    held courier.lease%ROWTYPE;
BEGIN
    SELECT * INTO held FROM courier.lease WHERE partition = of_partition FOR UPDATE;
    IF held.last_transaction = this THEN
        RAISE EXCEPTION 'the transaction is already committed' USING ERRCODE = 'CC002';
    ELSIF held.token IS DISTINCT FROM its_token THEN
        RAISE EXCEPTION 'the lease has another owner' USING ERRCODE = 'CC001';
    ELSIF held.last_transaction IS DISTINCT FROM previous THEN
        RAISE EXCEPTION 'another transaction of the lease was committed' USING ERRCODE = 'CC003';
    END IF;
    IF (to_generation, to_sequence) > (held.generation, held.sequence) THEN
        UPDATE courier.lease SET last_transaction = this, generation = to_generation, sequence = to_sequence,
            message_ns = to_message_ns, message_id = to_message_id, commits = commits + 1,
            slowest_ns = coalesce(its_slowest_ns, slowest_ns)
        WHERE partition = of_partition;
    ELSE
        UPDATE courier.lease SET last_transaction = this, commits = commits + 1,
            slowest_ns = coalesce(its_slowest_ns, slowest_ns)
        WHERE partition = of_partition;
    END IF;
END
$$;
-- +goose StatementEnd

-- Bytes as text for people: as they are where they are UTF-8, escaped otherwise.
-- +goose StatementBegin
CREATE FUNCTION courier.readable(bytes bytea) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN convert_from(bytes, 'UTF8');
EXCEPTION WHEN OTHERS THEN
    RETURN encode(bytes, 'escape');
END
$$;
-- +goose StatementEnd

-- Headers, stored as name, value, name, value, as a JSON list of objects: a name
-- may come twice.
-- +goose StatementBegin
CREATE FUNCTION courier.readable_headers(headers bytea[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object('name', courier.readable(headers[i]),
        'value', courier.readable(headers[i + 1])) ORDER BY i), '[]'::jsonb)
    FROM generate_series(1, cardinality(headers), 2) i
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION courier.operation_name(operation smallint) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE operation WHEN 1 THEN 'CREATE' WHEN 2 THEN 'UPSERT' WHEN 3 THEN 'UPDATE' WHEN 4 THEN 'DELETE'
        WHEN 5 THEN 'DELETE_DISCONTINUED' END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION courier.from_ns(ns bigint) RETURNS timestamptz
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN ns <> 0 THEN 'epoch'::timestamptz + ns / 1000 * interval '1 microsecond' END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION courier.from_ns, courier.operation_name, courier.readable_headers, courier.readable, courier.fence,
    courier.ensure_day, courier.first_id;
