-- +goose Up

-- A message may be a pack: many mutations, one a line. The place of a mutation is
-- (generation, sequence, line): lines count from 1, and a message of its own is line 0. The
-- columns come last, where they cost a plain row two bytes. A constant default is written to
-- no row that exists.
ALTER TABLE courier.mutation ADD COLUMN line smallint NOT NULL DEFAULT 0;
ALTER TABLE courier.waiting ADD COLUMN line smallint NOT NULL DEFAULT 0;
ALTER TABLE courier.dead_letter ADD COLUMN line smallint NOT NULL DEFAULT 0;
ALTER TABLE courier.item_version ADD COLUMN line smallint NOT NULL DEFAULT 0;
-- Two for each range: the line of its first message with which it begins, and that of its
-- last with which it ends; 0 is the beginning or the end of the message. NULL: all are whole.
ALTER TABLE courier.recorded ADD COLUMN lines_each smallint[];

-- The lines of a pack may all bear one id. The line comes before the sequence, where it
-- mostly takes room that the alignment of the sequence leaves free.
DROP INDEX courier.mutation_name;
CREATE INDEX mutation_name ON courier.mutation (mutation_id, line, sequence) WITH (deduplicate_items = off);
DROP INDEX courier.dead_letter_position;
CREATE INDEX dead_letter_position ON courier.dead_letter (sequence, line);

-- The outbox: one row for each transaction that made mutations final, written by that very
-- transaction. It names what ended, and its readers unfold it into one outcome for each
-- mutation: a row for each mutation would double what recording one costs.
--
-- number is courier.lease.commits as the transaction leaves it. The fence orders the
-- transactions of a partition, so a reader that has seen a number never finds a smaller
-- one later. Not unique on purpose, as courier.recorded: a uniqueness check would wait for
-- the open transaction of a stalled owner.
CREATE TABLE courier.outcome (
    partition integer     NOT NULL,
    number    bigint      NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    -- Batches that ended. Final are those of their mutations that are in no other batch by
    -- then and do not wait.
    batches   uuid[]      NOT NULL DEFAULT '{}',
    -- Mutations that became final without the end of a batch: invalid ones, and those
    -- that a newer version overtook. Six lists of the same length.
    days        date[]    NOT NULL DEFAULT '{}',
    lanes       integer[] NOT NULL DEFAULT '{}',
    generations integer[] NOT NULL DEFAULT '{}',
    sequences   bigint[]  NOT NULL DEFAULT '{}',
    lines       smallint[] NOT NULL DEFAULT '{}',
    mutation_ids text[]   NOT NULL DEFAULT '{}'
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_insert_scale_factor = 0.2);
CREATE INDEX outcome_number ON courier.outcome (partition, number);

-- How far each consumer of the outbox has come: everything up to number is done. Only the
-- partition's owner moves it. What is behind all consumers is deleted.
CREATE TABLE courier.outcome_cursor (
    partition  integer     NOT NULL,
    consumer   text        NOT NULL,
    number     bigint      NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, consumer)
) WITH (fillfactor = 50);

-- The fence, as before. It also deletes the ranges that the position passes, which was a
-- statement of its own, and it and check_lanes keep their plans: the sessions of workers
-- plan each statement anew, for the arrays at hand, and neither needs that. Planning took
-- most of their time, and they are in every transaction.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION courier.fence(of_partition integer, its_token uuid, previous uuid, this uuid,
    to_generation bigint, to_sequence bigint, to_message_ns bigint, to_message_id text, its_slowest_ns bigint,
    sends boolean, its_noted uuid[]) RETURNS void
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
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
    IF to_sequence IS NOT NULL THEN
        DELETE FROM courier.recorded r WHERE r.partition = of_partition AND r.last <= to_sequence AND r.generation <= to_generation;
    END IF;
END
$$;
-- +goose StatementEnd
ALTER FUNCTION courier.check_lanes(integer[], text[], text[], text[]) SET plan_cache_mode = force_generic_plan;

-- +goose Down
ALTER FUNCTION courier.check_lanes(integer[], text[], text[], text[]) RESET plan_cache_mode;
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION courier.fence(of_partition integer, its_token uuid, previous uuid, this uuid,
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
DROP TABLE courier.outcome_cursor, courier.outcome;
DROP INDEX courier.dead_letter_position, courier.mutation_name;
CREATE INDEX dead_letter_position ON courier.dead_letter (sequence);
CREATE INDEX mutation_name ON courier.mutation (mutation_id, sequence) WITH (deduplicate_items = off);
ALTER TABLE courier.recorded DROP COLUMN lines_each;
ALTER TABLE courier.item_version DROP COLUMN line;
ALTER TABLE courier.dead_letter DROP COLUMN line;
ALTER TABLE courier.waiting DROP COLUMN line;
ALTER TABLE courier.mutation DROP COLUMN line;
