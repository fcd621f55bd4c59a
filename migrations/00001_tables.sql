-- +goose Up

-- The schema of Catalog Courier. People query the views (00003), never the
-- tables: a view's columns are an API, the tables may change in any release.
CREATE SCHEMA IF NOT EXISTS courier; -- the migrator has made it, for its own table

-- One row for the whole installation. partitions is fixed at the first start:
-- with another number one account would have two owners. generation counts how
-- often the stream was found to have been put back to an older copy.
CREATE TABLE courier.stream (
    single     boolean PRIMARY KEY DEFAULT true CHECK (single),
    partitions integer NOT NULL CHECK (partitions > 0),
    generation bigint  NOT NULL DEFAULT 0
);

-- One row per running worker. The counter moves with every heartbeat; observers
-- watch it by their own clocks, so no timestamp is ever compared. seen_at is for
-- people.
CREATE TABLE courier.worker (
    id         uuid        PRIMARY KEY,
    counter    bigint      NOT NULL DEFAULT 0,
    draining   boolean     NOT NULL DEFAULT false,
    name       text        NOT NULL DEFAULT '',
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- One row per stream partition: who owns it, what was committed last, and the
-- position. They are one row because they are written together, by the fence:
-- a second row would be a second lock that a stalled owner could sit on.
CREATE TABLE courier.lease (
    partition        integer PRIMARY KEY,
    owner            uuid,
    token            uuid,
    -- The worker that waits for a graceful hand-over.
    wanted_by        uuid,
    -- The last committed transaction of the lease; the token itself before the
    -- first. It answers a COMMIT that had no answer, and each transaction names
    -- its predecessor, so that none is ever applied twice.
    last_transaction uuid,
    generation       bigint  NOT NULL DEFAULT 0,
    sequence         bigint  NOT NULL DEFAULT 0,
    -- Nanoseconds since 1970: timestamptz would round the stream's timestamp.
    message_ns       bigint  NOT NULL DEFAULT 0,
    message_id       text    NOT NULL DEFAULT '',
    -- How many transactions were committed for the partition, by all its owners. A
    -- mirror of it outside the database shows a database that lost its tail.
    commits          bigint  NOT NULL DEFAULT 0,
    -- How long the slowest recent batch took, in nanoseconds: settle follows from it.
    slowest_ns       bigint  NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- What is recorded above the position: one row per transaction, deleted when the
-- position passes it. A new owner reads these and skips. Not unique on purpose:
-- a uniqueness check would wait for the open transaction of a stalled owner.
CREATE TABLE courier.recorded (
    partition   integer  NOT NULL,
    generation  bigint   NOT NULL,
    last        bigint   NOT NULL,
    first_each  bigint[] NOT NULL,
    last_each   bigint[] NOT NULL
);
CREATE INDEX recorded_partition ON courier.recorded (partition, last);

-- Where a generation of a partition began, so that the search for an anchor can
-- go on in the generation before it.
CREATE TABLE courier.rewind (
    partition       integer NOT NULL,
    generation      bigint  NOT NULL,
    from_generation bigint  NOT NULL,
    sequence        bigint  NOT NULL,
    at              timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, generation)
);

-- The dictionary of lanes, so that a mutation row names its account, catalog and
-- type in four bytes.
CREATE TABLE courier.lane (
    id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partition    integer NOT NULL,
    account      text    NOT NULL,
    catalog      text    NOT NULL,
    catalog_type text    NOT NULL,
    UNIQUE (account, catalog, catalog_type)
);

-- One compact row per mutation, written once by COPY. Success writes nothing
-- here: the status follows from the batch and, for other results, from
-- record_outcome. Columns are ordered so that none needs padding. day is the
-- partition key: when the row was first written, by the mutation's received_at.
-- No unique index: the fence and the recorded ranges already keep a sequence
-- from being written twice, and a uniqueness check would make a new owner wait
-- for the open COPY of a stalled one.
CREATE TABLE courier.mutation (
    sequence      bigint      NOT NULL,
    published_ns  bigint      NOT NULL,
    received_at   timestamptz NOT NULL,
    day           date        NOT NULL,
    lane          integer     NOT NULL,
    generation    integer     NOT NULL,
    record        integer,
    operation     smallint    NOT NULL,
    -- 0 as its batch says, 1 waiting, 2 invalid, 3 overtaken, 4 settled.
    state         smallint    NOT NULL,
    attempts      smallint    NOT NULL,
    -- The batch that carries or last carried it.
    batch_id      uuid,
    mutation_id   text COLLATE "C" NOT NULL,
    item_id       text COLLATE "C" NOT NULL,
    localization  text COLLATE "C",
    superseded_by text COLLATE "C",
    -- The stream's Nats-Msg-Id where it is not the mutation's id.
    message_id    text COLLATE "C",
    -- What the rules said of it without refusing it; nearly always null.
    warnings      jsonb
) PARTITION BY RANGE (day);

-- Look-ups by id: producers' ids are usually UUIDs version 7, which makes this
-- an append. By item: random, so a B-tree would cost more than all the rest; a
-- Bloom filter for each range of blocks costs next to nothing, and days that are
-- over get a B-tree (see docs/database.md for what was measured).
-- By sequence: for the store's own updates. By batch: rows of a batch lie side
-- by side, so a block range index costs next to nothing.
CREATE INDEX mutation_id ON courier.mutation (mutation_id);
CREATE INDEX mutation_item ON courier.mutation USING brin (item_id text_bloom_ops(n_distinct_per_range = 2500))
    WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX mutation_sequence ON courier.mutation (sequence);
CREATE INDEX mutation_batch ON courier.mutation USING brin (batch_id) WITH (pages_per_range = 8, autosummarize = on);

-- One row per batch. Its id is a UUID version 7 from the client, and the
-- partition key: the day is in the id, so that whoever knows the id prunes.
-- payload is the compressed raw messages of all constituents.
CREATE TABLE courier.batch (
    id            uuid        NOT NULL PRIMARY KEY,
    created_at    timestamptz NOT NULL,
    finished_at   timestamptz,
    partition     integer     NOT NULL,
    lane          integer     NOT NULL,
    records       integer     NOT NULL,
    mutations     integer     NOT NULL,
    succeeded     integer     NOT NULL DEFAULT 0,
    failed        integer     NOT NULL DEFAULT 0,
    warned        integer     NOT NULL DEFAULT 0,
    -- completed, refused or abandoned once finished.
    state         text CHECK ((state IS NULL) = (finished_at IS NULL)),
    request_group text        NOT NULL DEFAULT '',
    error         text,
    payload       bytea       NOT NULL
) PARTITION BY RANGE (id);
-- Already compressed: out of line, and not tried again.
ALTER TABLE courier.batch ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE INDEX batch_open ON courier.batch (partition) WHERE finished_at IS NULL;

-- One row per POST. Without a result it is ambiguous, as is attempt 1 without a
-- row.
CREATE TABLE courier.attempt (
    batch_id uuid        NOT NULL,
    number   integer     NOT NULL,
    -- 1 accepted, 2 ambiguous, 3 not taken.
    result   smallint,
    at       timestamptz NOT NULL,
    next_at  timestamptz,
    handles  text[]      NOT NULL DEFAULT '{}',
    reason   text,
    error    text,
    -- What the answer already said of single records, see ledger.Attempt.
    notes    bytea,
    PRIMARY KEY (batch_id, number)
) PARTITION BY RANGE (batch_id);

-- The records of finished batches with another outcome than plain success.
CREATE TABLE courier.record_outcome (
    batch_id uuid     NOT NULL,
    record   integer  NOT NULL,
    -- 1 succeeded (with warnings), 2 failed, 3 unconfirmed, 4 returned.
    result   smallint NOT NULL,
    errors   jsonb,
    warnings jsonb
) PARTITION BY RANGE (batch_id);
CREATE INDEX record_outcome_record ON courier.record_outcome (batch_id, record);

-- Mutations that are held back, with their whole payload. Small, and rewritten
-- all the time: vacuum by number of dead rows, not by share.
CREATE TABLE courier.waiting (
    lane        integer     NOT NULL,
    generation  integer     NOT NULL,
    sequence    bigint      NOT NULL,
    received_at timestamptz NOT NULL,
    payload     bytea       NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_insert_scale_factor = 0.2);
CREATE INDEX waiting_order ON courier.waiting (lane, generation, sequence);

-- Mutations that will not be sent again by themselves. Name and value of each
-- header follow each other in headers, as bytes: NATS promises no encoding.
CREATE TABLE courier.dead_letter (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sequence    bigint      NOT NULL,
    failed_at   timestamptz NOT NULL,
    replayed_at timestamptz,
    batch_id    uuid,
    lane        integer     NOT NULL,
    generation  integer     NOT NULL,
    operation   smallint    NOT NULL,
    mutation_id text        NOT NULL,
    item_id     text        NOT NULL,
    localization text,
    subject     text        NOT NULL,
    reason      text        NOT NULL,
    field       text,
    text        text        NOT NULL,
    headers     bytea[]     NOT NULL,
    body        bytea       NOT NULL,
    -- Of a mutation that was never sent: every rule that it breaks.
    errors      jsonb
);
CREATE INDEX dead_letter_position ON courier.dead_letter (sequence);
CREATE INDEX dead_letter_lane ON courier.dead_letter (lane, id);

-- The newest producer version seen of an item.
CREATE TABLE courier.item_version (
    lane         integer NOT NULL,
    item_id      text COLLATE "C" NOT NULL,
    localization text COLLATE "C" NOT NULL DEFAULT '',
    version      bigint  NOT NULL,
    mutation_id  text    NOT NULL,
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (lane, item_id, localization)
) WITH (fillfactor = 80);

-- The accounts of the configuration, and what keeps them from being served.
CREATE TABLE courier.account (
    name       text PRIMARY KEY,
    platform   text    NOT NULL DEFAULT '',
    -- The quota scopes the account draws on.
    scopes     text[]  NOT NULL DEFAULT '{}',
    state      text    NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused', 'throttled')),
    by_hand    boolean NOT NULL DEFAULT false,
    reason     text    NOT NULL DEFAULT '',
    resumes_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- What is known of a quota scope, shared by all who draw on it.
CREATE TABLE courier.quota_scope (
    scope         text PRIMARY KEY,
    blocked_until timestamptz,
    quota         jsonb,
    updated_at    timestamptz NOT NULL
);

-- +goose Down
DROP TABLE courier.quota_scope, courier.account, courier.item_version, courier.dead_letter, courier.waiting,
    courier.record_outcome, courier.attempt, courier.batch, courier.mutation, courier.lane, courier.rewind,
    courier.recorded, courier.lease, courier.worker, courier.stream;
