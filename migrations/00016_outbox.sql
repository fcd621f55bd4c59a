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

-- +goose Down
DROP TABLE courier.outcome_cursor, courier.outcome;
DROP INDEX courier.dead_letter_position, courier.mutation_name;
CREATE INDEX dead_letter_position ON courier.dead_letter (sequence);
CREATE INDEX mutation_name ON courier.mutation (mutation_id, sequence) WITH (deduplicate_items = off);
ALTER TABLE courier.recorded DROP COLUMN lines_each;
ALTER TABLE courier.item_version DROP COLUMN line;
ALTER TABLE courier.dead_letter DROP COLUMN line;
ALTER TABLE courier.waiting DROP COLUMN line;
ALTER TABLE courier.mutation DROP COLUMN line;
