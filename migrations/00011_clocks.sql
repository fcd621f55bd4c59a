-- +goose Up

-- What cannot be undone is decided by the database's clock, and that clock is doubted
-- when it jumps. One row: the clock when it was last trusted, when it was last looked
-- at, and since when it is doubted. known_future is the time of the newest batch that
-- was taken for granted although it lies in the future.
CREATE TABLE courier.retention_clock (
    single        boolean PRIMARY KEY DEFAULT true CHECK (single),
    trusted_at    timestamptz NOT NULL,
    seen_at       timestamptz NOT NULL,
    doubted_since timestamptz,
    doubt         text,
    known_future  timestamptz
);

-- The time in a UUID version 7.
-- +goose StatementBegin
CREATE FUNCTION courier.time_of_id(id uuid) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT 'epoch'::timestamptz
        + ('x' || lpad(substr(replace(id::text, '-', ''), 1, 12), 16, '0'))::bit(64)::bigint * interval '1 millisecond'
$$;
-- +goose StatementEnd

-- Looks at the clock before old rows are dropped, and says whether it is to be
-- trusted. It is doubted when it jumped by more than a day since the last look that
-- trusted it, or when there are batches from further in the future than a worker whose
-- clock is still good enough can make them. A doubt ends by itself after
-- a day in which the clock went on without another jump: by then somebody has read the
-- log, or workers were only off for a while. A clock that went back drops less, so that
-- is no reason to doubt.
-- +goose StatementBegin
CREATE FUNCTION courier.look_at_clock(tolerance interval,
    OUT clock timestamptz, OUT trusted_since timestamptz, OUT doubted timestamptz, OUT why text)
LANGUAGE plpgsql AS $$
DECLARE
    row    courier.retention_clock%ROWTYPE;
    newest timestamptz;
BEGIN
    SELECT courier.time_of_id(b.id) INTO newest FROM courier.batch b ORDER BY b.id DESC LIMIT 1;
    INSERT INTO courier.retention_clock (trusted_at, seen_at) VALUES (clock_timestamp(), clock_timestamp()) ON CONFLICT DO NOTHING;
    SELECT * INTO row FROM courier.retention_clock FOR UPDATE;
    clock := clock_timestamp();
    IF clock > row.trusted_at + interval '1 day' THEN
        why := format('the clock of the database moved by %s since it was last trusted at %s',
            date_trunc('second', clock - row.trusted_at), date_trunc('second', row.trusted_at));
    ELSIF newest > clock + 3 * tolerance AND newest > coalesce(row.known_future, '-infinity') THEN
        why := format('there is a batch of %s, which is in the future by the clock of the database', date_trunc('second', newest));
    END IF;
    IF why IS NULL THEN
        row.trusted_at := clock;
        row.doubted_since := NULL;
    ELSIF row.doubted_since IS NULL OR clock < row.seen_at - tolerance OR clock > row.seen_at + interval '1 day' THEN
        row.doubted_since := clock;
    ELSIF clock >= row.doubted_since + interval '1 day' THEN
        row.trusted_at := clock;
        row.known_future := greatest(newest, row.known_future);
        row.doubted_since := NULL;
        why := NULL;
    END IF;
    UPDATE courier.retention_clock c SET trusted_at = row.trusted_at, seen_at = look_at_clock.clock,
        doubted_since = row.doubted_since, doubt = look_at_clock.why, known_future = row.known_future;
    trusted_since := row.trusted_at;
    doubted := row.doubted_since;
END
$$;
-- +goose StatementEnd

-- Raises unless rows older than keep may be dropped now. Called in the very transaction
-- that drops them. theirs is the worker's clock when it sent the statement.
-- CC010: the clocks of the worker and of the database differ, or that of the database
-- is doubted. CC011: by the database's clock the day is not old enough.
-- +goose StatementBegin
CREATE FUNCTION courier.check_clock(theirs timestamptz, tolerance interval) RETURNS timestamptz
LANGUAGE plpgsql AS $$
DECLARE
    clock timestamptz := clock_timestamp();
    row   courier.retention_clock%ROWTYPE;
BEGIN
    IF clock > theirs + tolerance OR clock < theirs - tolerance THEN
        RAISE EXCEPTION 'the clocks of the worker (%) and of the database (%) differ', theirs, clock USING ERRCODE = 'CC010';
    END IF;
    SELECT * INTO row FROM courier.retention_clock;
    IF row.seen_at IS NULL OR row.doubted_since IS NOT NULL OR clock > row.seen_at + interval '1 hour' OR clock < row.seen_at - tolerance THEN
        RAISE EXCEPTION 'the clock of the database (%) is doubted: %', clock, coalesce(row.doubt, 'it jumped a moment ago') USING ERRCODE = 'CC010';
    END IF;
    RETURN clock;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION courier.check_day_is_old(day date, keep interval, theirs timestamptz, tolerance interval) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    clock timestamptz := courier.check_clock(theirs, tolerance);
BEGIN
    IF day >= ((clock - keep) AT TIME ZONE 'UTC')::date THEN
        RAISE EXCEPTION 'the day % is not older than % by the clock of the database (%)', day, keep, clock USING ERRCODE = 'CC011';
    END IF;
END
$$;
-- +goose StatementEnd

-- How far the stream reached, and when, by the database's clock. A message is older
-- than the replay window only if the stream had it when the window began: its own
-- timestamp is the broker's clock, which may have been wrong.
CREATE TABLE courier.stream_mark (
    at       timestamptz PRIMARY KEY,
    sequence bigint      NOT NULL
);

-- Notes how far the stream reaches, and returns the sequence up to which all messages
-- are older than the window; 0 while none is known to be.
-- +goose StatementBegin
CREATE FUNCTION courier.mark_stream(last bigint, replay_window interval) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    clock timestamptz := clock_timestamp();
    old   courier.stream_mark%ROWTYPE;
BEGIN
    -- Of a stream that is gone, or of a clock that was set back.
    DELETE FROM courier.stream_mark m WHERE m.sequence > last OR m.at > clock;
    INSERT INTO courier.stream_mark (at, sequence)
    SELECT clock, last
    WHERE NOT EXISTS (SELECT FROM courier.stream_mark m WHERE m.at > clock - least(replay_window / 24, interval '1 hour'))
    ON CONFLICT DO NOTHING;
    SELECT * INTO old FROM courier.stream_mark m WHERE m.at <= clock - replay_window ORDER BY m.at DESC LIMIT 1;
    DELETE FROM courier.stream_mark m WHERE m.at < old.at;
    RETURN coalesce(old.sequence, 0);
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION courier.mark_stream, courier.check_day_is_old, courier.check_clock, courier.look_at_clock, courier.time_of_id;
DROP TABLE courier.stream_mark, courier.retention_clock;
