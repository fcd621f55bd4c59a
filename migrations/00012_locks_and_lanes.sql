-- +goose Up

-- Whoever makes a day, or the index of one, locks one of these tables. They have no
-- rows. Advisory locks are open to every role that may connect, so that one that only
-- reads could keep workers from making a day; these tables it cannot lock.
CREATE TABLE courier.day_lock ();
CREATE TABLE courier.index_lock ();

-- Makes the partitions of a day, as before, but waits for no advisory lock, and for
-- nothing longer than 10 s: the caller tries again. A day that no clock can mean is
-- refused.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION courier.ensure_day(day date) RETURNS void
LANGUAGE plpgsql
SET lock_timeout = '10s' AS $$
DECLARE
    suffix  text := to_char(day, 'YYYYMMDD');
    parents text[] := ARRAY['mutation', 'batch', 'attempt', 'record_outcome'];
    parent  text;
BEGIN
    IF (SELECT bool_and(to_regclass('courier.' || p || '_' || suffix) IS NOT NULL) FROM unnest(parents) p) THEN
        RETURN;
    END IF;
    LOCK TABLE courier.day_lock IN SHARE ROW EXCLUSIVE MODE;
    IF day > current_date + 3660 OR day < current_date - 3660 THEN
        RAISE EXCEPTION 'the day % is too far from today, % by the clock of the database: a clock is wrong', day, current_date
            USING ERRCODE = 'CC010';
    END IF;
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

-- Producers choose the names of lanes, so a lane that nobody refers to any more is
-- deleted. used_on is the last day, by the database's clock, on which a worker looked
-- the lane up; each looks again after some hours, so that an id it keeps in memory is
-- never of a lane that was deleted.
ALTER TABLE courier.lane ADD COLUMN used_on date NOT NULL DEFAULT current_date;
CREATE INDEX lane_used_on ON courier.lane (used_on);

-- +goose Down
DROP INDEX courier.lane_used_on;
ALTER TABLE courier.lane DROP COLUMN used_on;
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION courier.ensure_day(day date) RETURNS void
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
DROP TABLE courier.index_lock, courier.day_lock;
