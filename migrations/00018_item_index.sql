-- +goose Up

-- The newest state of every item, one row each, written behind the outbox by the owner of
-- the item's partition: recording a mutation pays nothing for it. It answers what the
-- tables by day cannot answer cheaply: an item by its id over all accounts, also when its
-- last change is older than the retention; which items fail, by reason; how many there are.
--
-- No column that changes with every success is in an index, so that such a change is a HOT
-- update: it touches the row's page and no index. That is what failed_at is for: it is
-- null while the item does not fail, and once somebody dismissed the dead letter of its
-- newest change: then it is no issue any more.
CREATE TABLE courier.item (
    changed_at           timestamptz NOT NULL, -- when its newest final change became final
    failed_at            timestamptz,          -- the same while the item is an issue, null otherwise
    succeeded_at         timestamptz,
    sequence             bigint      NOT NULL, -- the place of the newest final change
    succeeded_sequence   bigint,               -- the place of the newest success
    generation           integer     NOT NULL,
    succeeded_generation integer,
    lane                 integer     NOT NULL,
    error_count          integer     NOT NULL DEFAULT 0,
    line                 smallint    NOT NULL DEFAULT 0,
    succeeded_line       smallint,
    operation            smallint    NOT NULL,
    -- 1 succeeded, 2 failed, 3 unconfirmed, 4 invalid.
    status               smallint    NOT NULL,
    succeeded_operation  smallint,
    item_id              text COLLATE "C" NOT NULL,
    localization         text COLLATE "C" NOT NULL DEFAULT '', -- '' for none
    mutation_id          text COLLATE "C" NOT NULL,
    -- Of the newest success; null while that is the newest change.
    succeeded_mutation_id text COLLATE "C",
    -- Of the first error, '' for none.
    code                 text COLLATE "C" NOT NULL DEFAULT '',
    attribute            text COLLATE "C" NOT NULL DEFAULT '',
    message              text        NOT NULL DEFAULT '',
    -- By item first: people look an id up, or how it begins, over all accounts.
    PRIMARY KEY (item_id, lane, localization)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.2);

-- The items that fail for a reason, newest first.
CREATE INDEX item_issue ON courier.item (lane, code, attribute, failed_at, item_id, localization) WHERE failed_at IS NOT NULL;

-- The same over all reasons and accounts. The time is an expression, so that only who asks for
-- it gets this index: the server would take it for those of one reason, and read past all others.
CREATE INDEX item_failed ON courier.item ((failed_at AT TIME ZONE 'UTC'), item_id, localization, lane) WHERE failed_at IS NOT NULL;

-- The dismissed ones, for who looks through the texts of all that failed.
CREATE INDEX item_dismissed ON courier.item (lane) WHERE failed_at IS NULL AND status <> 1;

-- When the account of a lane was removed: what became final before is in the index no more.
ALTER TABLE courier.lane ADD COLUMN removed_at timestamptz;

-- How many items each lane has in each state. kind is the status of the item, 5 for one that
-- was deleted with success, and 6 for one whose dead letter was dismissed.
CREATE TABLE courier.item_count (
    lane      integer  NOT NULL,
    kind      smallint NOT NULL,
    code      text COLLATE "C" NOT NULL,
    attribute text COLLATE "C" NOT NULL,
    items     bigint   NOT NULL,
    PRIMARY KEY (lane, code, attribute, kind)
) WITH (fillfactor = 50);

CREATE FUNCTION courier.item_kind(status smallint, operation smallint, failed_at timestamptz) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN status = 1 AND operation IN (4, 5) THEN 5 WHEN status <> 1 AND failed_at IS NULL THEN 6 ELSE status END;

-- The counts follow the rows in the same transaction, whoever writes them: the index job,
-- retention, an erasure, or somebody who dismisses a dead letter and may write no counts
-- otherwise. They are locked in the order of their key.
-- +goose StatementBegin
CREATE FUNCTION courier.count_items() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO courier.item_count AS c (lane, kind, code, attribute, items)
        SELECT a.lane, courier.item_kind(a.status, a.operation, a.failed_at), a.code, a.attribute, count(*)
        FROM added a GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        ON CONFLICT (lane, kind, code, attribute) DO UPDATE SET items = c.items + excluded.items;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO courier.item_count AS c (lane, kind, code, attribute, items)
        -- An update changes no lane. So only rows are counted that are, or were, something else than
        -- items that succeeded: of these the lane has so many more or fewer.
        SELECT x.lane, k.kind, k.code, k.attribute, sum(k.n) FROM (
            SELECT a.lane, courier.item_kind(a.status, a.operation, a.failed_at) AS kind, a.code, a.attribute, 1 AS n FROM added a
            WHERE a.status <> 1 OR a.operation IN (4, 5) OR a.code <> '' OR a.attribute <> ''
            UNION ALL
            SELECT r.lane, courier.item_kind(r.status, r.operation, r.failed_at), r.code, r.attribute, -1 FROM removed r
            WHERE r.status <> 1 OR r.operation IN (4, 5) OR r.code <> '' OR r.attribute <> ''
        ) x CROSS JOIN LATERAL (VALUES (x.kind, x.code, x.attribute, x.n), (1::smallint, '', '', -x.n)) AS k (kind, code, attribute, n)
        GROUP BY 1, 2, 3, 4 HAVING sum(k.n) <> 0 ORDER BY 1, 2, 3, 4
        ON CONFLICT (lane, kind, code, attribute) DO UPDATE SET items = c.items + excluded.items;
    ELSE
        INSERT INTO courier.item_count AS c (lane, kind, code, attribute, items)
        SELECT r.lane, courier.item_kind(r.status, r.operation, r.failed_at), r.code, r.attribute, -count(*)
        FROM removed r GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        ON CONFLICT (lane, kind, code, attribute) DO UPDATE SET items = c.items + excluded.items;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION courier.count_items FROM PUBLIC;
CREATE TRIGGER item_added AFTER INSERT ON courier.item REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION courier.count_items();
CREATE TRIGGER item_changed AFTER UPDATE ON courier.item REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION courier.count_items();
CREATE TRIGGER item_removed AFTER DELETE ON courier.item REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION courier.count_items();

-- How many mutations of a lane arrived, succeeded and failed in each five minutes, for
-- charts. arrived counts those that are final, by the time at which they were received.
CREATE TABLE courier.lane_series (
    at        timestamptz NOT NULL, -- when the five minutes begin
    lane      integer     NOT NULL,
    arrived   integer     NOT NULL,
    succeeded integer     NOT NULL,
    failed    integer     NOT NULL,
    PRIMARY KEY (lane, at)
) WITH (fillfactor = 70);
CREATE INDEX lane_series_age ON courier.lane_series USING brin (at) WITH (pages_per_range = 16, autosummarize = on);

-- The least that was left of each quota in each five minutes in which a platform told.
CREATE TABLE courier.quota_series (
    at           timestamptz NOT NULL,
    scope        text        NOT NULL,
    remaining    bigint,
    "limit"      bigint,
    used_percent double precision,
    PRIMARY KEY (scope, at)
) WITH (fillfactor = 70);
CREATE INDEX quota_series_age ON courier.quota_series USING brin (at) WITH (pages_per_range = 16, autosummarize = on);

-- One row: how far the mutations that became final before there was an outbox are filled
-- in, newest day first, and how far old rows of items were looked for. It is finished from the
-- start where the first worker of all writes the outbox: see AddLeases.
CREATE TABLE courier.item_filling (
    single      boolean PRIMARY KEY DEFAULT true CHECK (single),
    -- The day that is read, and its next block; days above it are done.
    day         date,
    block       bigint NOT NULL DEFAULT 0,
    -- How many blocks the day had when its first one was read; what was written to others is
    -- in the outbox. Null before.
    blocks      bigint,
    mutations   bigint NOT NULL DEFAULT 0,
    -- What became final from then on is in the outbox: the series count it from there.
    outbox_from timestamptz,
    started_at  timestamptz,
    finished_at timestamptz,
    swept_block bigint NOT NULL DEFAULT 0
);
INSERT INTO courier.item_filling DEFAULT VALUES;

-- How far the index of items is behind. Transactions are counted up to 10,000 a partition.
CREATE VIEW courier.item_index_status AS
SELECT coalesce(sum(w.transactions), 0)::bigint AS transactions_behind,
    coalesce(greatest(extract(epoch FROM clock_timestamp() - min(w.oldest)), 0), 0)::double precision AS seconds_behind,
    (SELECT f.finished_at IS NULL FROM courier.item_filling f) AS filling,
    (SELECT f.day FROM courier.item_filling f WHERE f.finished_at IS NULL) AS filling_day,
    (SELECT f.mutations FROM courier.item_filling f) AS filled_mutations
FROM courier.lease l
LEFT JOIN courier.outcome_cursor c ON c.partition = l.partition AND c.consumer = 'items'
CROSS JOIN LATERAL (
    SELECT count(*) AS transactions, min(x.at) AS oldest FROM (
        SELECT o.at FROM courier.outcome o WHERE o.partition = l.partition AND o.number > coalesce(c.number, 0) ORDER BY o.number LIMIT 10000
    ) x
) w;
COMMENT ON VIEW courier.item_index_status IS 'How far the index of items, by which they are searched and counted, is behind what is recorded.';

-- The index, for people and for package status.
CREATE VIEW courier.indexed_items AS
SELECT l.account, l.catalog, l.catalog_type, i.item_id, i.localization,
    (ARRAY['succeeded', 'failed', 'unconfirmed', 'invalid'])[i.status] AS status,
    courier.operation_name(i.operation) AS operation, i.mutation_id, i.code, i.attribute, i.message, i.error_count,
    coalesce(i.succeeded_mutation_id, CASE WHEN i.status = 1 THEN i.mutation_id END) AS last_succeeded_id,
    courier.operation_name(i.succeeded_operation) AS last_succeeded_operation, i.succeeded_at AS last_succeeded_at,
    i.changed_at AS finished_at, i.failed_at, i.generation AS stream_generation, i.sequence AS stream_sequence, i.line AS stream_line, i.lane,
    i.status <> 1 AND i.failed_at IS NULL AS dismissed
FROM courier.item i JOIN courier.lane l ON l.id = i.lane;

CREATE VIEW courier.item_counts AS
SELECT l.account, coalesce(a.platform, '') AS platform, l.catalog, l.catalog_type, c.lane,
    (ARRAY['succeeded', 'failed', 'unconfirmed', 'invalid', 'deleted', 'dismissed'])[c.kind] AS state, c.code, c.attribute, c.items
FROM courier.item_count c JOIN courier.lane l ON l.id = c.lane LEFT JOIN courier.account a ON a.name = l.account
WHERE c.items > 0;

CREATE VIEW courier.account_series AS
SELECT l.account, l.catalog, l.catalog_type, s.at, s.arrived, s.succeeded, s.failed
FROM courier.lane l JOIN courier.lane_series s ON s.lane = l.id;

CREATE VIEW courier.quota_history AS
SELECT a.name AS account, q.scope, q.at, q.remaining, q."limit", q.used_percent
FROM courier.account a JOIN courier.quota_series q ON q.scope = ANY (a.scopes);

-- Dead letters whose item has a newer success: nothing is left to do about them.
CREATE VIEW courier.resolved_letters AS
SELECT d.id, i.succeeded_at AS resolved_at
FROM courier.dead_letter d
JOIN courier.item i ON i.item_id = d.item_id COLLATE "C" AND i.lane = d.lane AND i.localization = coalesce(d.localization, '') COLLATE "C"
WHERE (i.succeeded_generation, i.succeeded_sequence, i.succeeded_line) > (d.generation, d.sequence, d.line);

COMMENT ON VIEW courier.indexed_items IS 'The newest final state of every item, by the index: item_index_status says how far it is behind.';
COMMENT ON VIEW courier.item_counts IS 'How many items each catalog has in each state, and of those that fail for which first error.';
COMMENT ON VIEW courier.account_series IS 'How many mutations arrived, succeeded and failed in each five minutes. Arrived are counted once they are final.';
COMMENT ON VIEW courier.quota_history IS 'The least that was left of each quota in each five minutes.';
COMMENT ON VIEW courier.resolved_letters IS 'Dead letters whose item was changed with success later.';

-- Of items that the index knows, those that have a newer change, and what became of it: it
-- waits, was submitted, or is final since the index was written. Only lanes that have open
-- changes are looked at, and there only the blocks since the oldest of them was received,
-- 1,000 a lane at most and the newest first; one look by item_key tells whether an item is in
-- a block.
-- +goose StatementBegin
CREATE FUNCTION courier.newer_changes(of_lanes integer[], of_items text[], of_localizations text[], of_generations integer[], of_sequences bigint[],
    of_lines smallint[])
RETURNS TABLE (nth integer, status text, operation text, mutation_id text, batch_id uuid, errors jsonb, received_at timestamptz, finished_at timestamptz,
    stream_generation integer, stream_sequence bigint, stream_line smallint)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_sort = off
SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    open   record;
    oldest date;
    latest date := (now() AT TIME ZONE 'UTC')::date + 1;
    above  record;
BEGIN
    IF cardinality(of_items) > 1000 THEN
        RAISE EXCEPTION 'at most 1000 items at once' USING ERRCODE = 'CC011';
    END IF;
    SELECT array_agg(x.id) AS lanes, array_agg(x.since) AS since INTO open
    FROM (
        SELECT l.id, least(
            (SELECT w.received_at FROM courier.waiting w WHERE w.lane = l.id ORDER BY w.generation, w.sequence LIMIT 1),
            (SELECT min(coalesce(b.oldest_received_at, b.created_at)) FROM courier.batch b
                WHERE b.partition = l.partition AND b.finished_at IS NULL AND b.lane = l.id)) AS since
        FROM courier.lane l WHERE l.id = ANY (of_lanes)
    ) x WHERE x.since IS NOT NULL;
    IF open.lanes IS NULL THEN
        RETURN;
    END IF;
    oldest := (SELECT (min(s.since) AT TIME ZONE 'UTC')::date FROM unnest(open.since) AS s(since));
    SELECT array_agg(x.lane) AS lane, array_agg(x.generation) AS generation, array_agg(x.block) AS block INTO above
    FROM unnest(open.lanes, open.since) AS l(id, since) CROSS JOIN LATERAL (
        WITH RECURSIVE step AS (
            (SELECT m.lane, m.generation, courier.block(m.sequence) AS block, m.received_at FROM courier.mutation m
            WHERE m.day BETWEEN oldest AND latest AND m.lane = l.id
            ORDER BY m.generation DESC, courier.block(m.sequence) DESC LIMIT 1)
            UNION ALL
            SELECT x.* FROM step CROSS JOIN LATERAL (
                SELECT m.lane, m.generation, courier.block(m.sequence) AS block, m.received_at FROM courier.mutation m
                WHERE m.day BETWEEN oldest AND latest AND m.lane = l.id
                    AND (m.generation, courier.block(m.sequence)) < (step.generation, step.block)
                ORDER BY m.generation DESC, courier.block(m.sequence) DESC LIMIT 1) x
            WHERE step.received_at >= l.since
        )
        SELECT step.lane, step.generation, step.block FROM step LIMIT 1000
    ) x;
    RETURN QUERY SELECT k.nth::integer, s.status, s.operation, s.mutation_id, s.batch_id, s.errors, s.received_at, s.finished_at, s.stream_generation, s.stream_sequence, s.stream_line
    FROM unnest(of_lanes, of_items, of_localizations, of_generations, of_sequences, of_lines) WITH ORDINALITY AS k(lane, item_id, localization, generation, sequence, line, nth)
    CROSS JOIN LATERAL (
        SELECT y.* FROM unnest(above.lane, above.generation, above.block) AS b(lane, generation, block)
        CROSS JOIN LATERAL (
            SELECT m.day, m.generation, m.sequence, m.line, m.mutation_id FROM courier.mutation m
            WHERE m.day BETWEEN oldest AND latest AND m.lane = b.lane AND m.generation = b.generation AND courier.block(m.sequence) = b.block
                AND courier.item_key(m.item_id, m.localization) = courier.item_key(k.item_id, nullif(k.localization, ''))
                AND m.item_id || '' = k.item_id AND m.localization IS NOT DISTINCT FROM nullif(k.localization, '')
                AND (m.generation + 0, m.sequence + 0, m.line) > (k.generation, k.sequence, k.line)
            ORDER BY m.sequence DESC, m.line DESC LIMIT 1) y
        WHERE b.lane = k.lane AND (b.generation, b.block) >= (k.generation, courier.block(k.sequence))
        LIMIT 1) c
    CROSS JOIN LATERAL (SELECT v.* FROM courier.mutation_status v
        WHERE v.day = c.day AND v.mutation_id = c.mutation_id AND v.stream_sequence = c.sequence AND v.stream_line = c.line AND v.stream_generation = c.generation
            AND v.item_id = k.item_id LIMIT 1) s;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION courier.newer_changes FROM PUBLIC;

-- What every view and column is, for whoever opens the database with a tool of theirs.
COMMENT ON COLUMN courier.item_index_status.filled_mutations IS 'How many changes were filled in.';
COMMENT ON COLUMN courier.item_index_status.filling IS 'Whether it is being filled from what was recorded before it was there.';
COMMENT ON COLUMN courier.item_index_status.filling_day IS 'The day that is being filled in.';
COMMENT ON COLUMN courier.item_index_status.seconds_behind IS 'How old the oldest of them is.';
COMMENT ON COLUMN courier.item_index_status.transactions_behind IS 'Transactions that are recorded and not in the index yet; counted to 10,000 a partition.';
COMMENT ON COLUMN courier.indexed_items.account IS 'The account, as the configuration names it.';
COMMENT ON COLUMN courier.indexed_items.attribute IS 'The attribute of its first error; empty for none.';
COMMENT ON COLUMN courier.indexed_items.catalog IS 'The catalog, as the configuration names it.';
COMMENT ON COLUMN courier.indexed_items.catalog_type IS 'The type of the items, such as RETAIL or PRODUCT_ITEM.';
COMMENT ON COLUMN courier.indexed_items.code IS 'The code of its first error; empty for none.';
COMMENT ON COLUMN courier.indexed_items.dismissed IS 'Whether it fails and somebody dismissed the dead letter of its newest final change, or replaced it by a change of another item.';
COMMENT ON COLUMN courier.indexed_items.error_count IS 'How many errors it has.';
COMMENT ON COLUMN courier.indexed_items.failed_at IS 'Since when it fails; null while it does not, and once it is dismissed.';
COMMENT ON COLUMN courier.indexed_items.finished_at IS 'When it became final; null before.';
COMMENT ON COLUMN courier.indexed_items.item_id IS 'The id of the item at the platform.';
COMMENT ON COLUMN courier.indexed_items.lane IS 'The number of account, catalog and type.';
COMMENT ON COLUMN courier.indexed_items.last_succeeded_at IS 'When that became final.';
COMMENT ON COLUMN courier.indexed_items.last_succeeded_id IS 'Its last change that succeeded.';
COMMENT ON COLUMN courier.indexed_items.last_succeeded_operation IS 'The operation of its last change that succeeded.';
COMMENT ON COLUMN courier.indexed_items.localization IS 'The country and language of a localized item; empty for the item itself.';
COMMENT ON COLUMN courier.indexed_items.message IS 'The words of its first error.';
COMMENT ON COLUMN courier.indexed_items.mutation_id IS 'Its newest final change.';
COMMENT ON COLUMN courier.indexed_items.operation IS 'CREATE, UPSERT, UPDATE, DELETE or DELETE_DISCONTINUED.';
COMMENT ON COLUMN courier.indexed_items.status IS 'The status of its newest final change: succeeded, failed, unconfirmed or invalid.';
COMMENT ON COLUMN courier.indexed_items.stream_generation IS 'Counts how often the stream was restored to an older copy.';
COMMENT ON COLUMN courier.indexed_items.stream_line IS 'Which line of a pack it is, from 1; 0 for a message of its own.';
COMMENT ON COLUMN courier.indexed_items.stream_sequence IS 'The place in the stream.';
COMMENT ON COLUMN courier.item_counts.account IS 'The account, as the configuration names it.';
COMMENT ON COLUMN courier.item_counts.attribute IS 'The attribute of their first error; empty for none.';
COMMENT ON COLUMN courier.item_counts.catalog IS 'The catalog, as the configuration names it.';
COMMENT ON COLUMN courier.item_counts.catalog_type IS 'The type of the items, such as RETAIL or PRODUCT_ITEM.';
COMMENT ON COLUMN courier.item_counts.code IS 'The code of their first error; empty for none.';
COMMENT ON COLUMN courier.item_counts.items IS 'How many items.';
COMMENT ON COLUMN courier.item_counts.lane IS 'The number of account, catalog and type.';
COMMENT ON COLUMN courier.item_counts.platform IS 'The platform of the account; empty where no worker ever had it.';
COMMENT ON COLUMN courier.item_counts.state IS 'The status of the items, or deleted, or dismissed.';
COMMENT ON COLUMN courier.account_series.account IS 'The account, as the configuration names it.';
COMMENT ON COLUMN courier.account_series.arrived IS 'Changes that arrived; counted once they are final.';
COMMENT ON COLUMN courier.account_series.at IS 'When the five minutes begin.';
COMMENT ON COLUMN courier.account_series.catalog IS 'The catalog, as the configuration names it.';
COMMENT ON COLUMN courier.account_series.catalog_type IS 'The type of the items, such as RETAIL or PRODUCT_ITEM.';
COMMENT ON COLUMN courier.account_series.failed IS 'Changes that failed.';
COMMENT ON COLUMN courier.account_series.succeeded IS 'Changes that succeeded.';
COMMENT ON COLUMN courier.quota_history.account IS 'The account, as the configuration names it.';
COMMENT ON COLUMN courier.quota_history.at IS 'When the five minutes begin.';
COMMENT ON COLUMN courier.quota_history."limit" IS 'The limit, as the platform told it.';
COMMENT ON COLUMN courier.quota_history.remaining IS 'The least that was left.';
COMMENT ON COLUMN courier.quota_history.scope IS 'The scope of the quota.';
COMMENT ON COLUMN courier.quota_history.used_percent IS 'The most that was used, in percent.';
COMMENT ON COLUMN courier.resolved_letters.id IS 'The number of the dead letter.';
COMMENT ON COLUMN courier.resolved_letters.resolved_at IS 'When a later change of its item succeeded.';
-- A place in the stream as people read it, and as a list continues after it: the line only
-- where there is one.
CREATE FUNCTION courier.place(generation integer, sequence bigint, line smallint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN generation || '.' || sequence || CASE WHEN line > 0 THEN '.' || line ELSE '' END;

-- The changes of some lanes in a piece of the stream, after the one sequence and up to the
-- other: by ranges of blocks, which "+ 0" leaves as the only way.
-- +goose StatementBegin
CREATE FUNCTION courier.changes_between(lanes integer[], of_generation integer, after bigint, up_to bigint, from_day date, to_day date)
RETURNS TABLE (lane integer, generation integer, sequence bigint, line smallint, day date, item_id text, localization text, mutation_id text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_indexscan = off SET enable_bitmapscan = on SET jit = off AS $$
    SELECT m.lane, m.generation, m.sequence, m.line, m.day, m.item_id, m.localization, m.mutation_id FROM courier.mutation m
    WHERE m.day BETWEEN from_day AND to_day AND m.lane + 0 = ANY (lanes) AND m.generation + 0 = of_generation
        AND m.sequence > after AND m.sequence <= up_to
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION courier.changes_between FROM PUBLIC;

-- The mutations that are held back, of a catalog, the newest first.
-- +goose StatementBegin
CREATE FUNCTION courier.waiting_items(of_account text, of_catalog text, before text DEFAULT NULL, page integer DEFAULT 50)
RETURNS TABLE (place text, catalog_type text, item_id text, localization text, operation text, mutation_id text, errors jsonb, received_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    at_gen integer := coalesce(split_part(before, '.', 1)::integer, 2147483647);
    at_seq bigint := coalesce(split_part(before, '.', 2)::bigint, 9223372036854775807);
    at_line smallint := coalesce(nullif(split_part(before, '.', 3), '')::smallint, 0);
    wanted integer := least(greatest(page, 1), 1000);
BEGIN
    RETURN QUERY SELECT courier.place(w.generation, w.sequence, w.line), w.catalog_type, s.item_id, s.localization, s.operation, s.mutation_id, s.errors, w.received_at
    FROM (
        SELECT x.*, l.catalog_type FROM courier.lane l CROSS JOIN LATERAL (
            SELECT y.lane, y.generation, y.sequence, y.line, y.received_at FROM courier.waiting y
            WHERE y.lane = l.id AND (y.generation, y.sequence) <= (at_gen, at_seq) AND (y.generation, y.sequence, y.line) < (at_gen, at_seq, at_line)
            ORDER BY y.generation DESC, y.sequence DESC, y.line DESC LIMIT wanted) x
        WHERE l.account = of_account AND l.catalog = of_catalog
        ORDER BY x.generation DESC, x.sequence DESC, x.line DESC LIMIT wanted
    ) w
    CROSS JOIN LATERAL (
        SELECT m.day, m.mutation_id, m.sequence, m.line, m.generation, m.item_id FROM courier.mutation m
        WHERE m.day = (w.received_at AT TIME ZONE 'UTC')::date AND m.lane = w.lane AND m.generation = w.generation
            AND courier.block(m.sequence) = courier.block(w.sequence) AND m.sequence + 0 = w.sequence AND w.line = 0
        UNION ALL -- a block of packs has too many changes to look through
        SELECT m.day, m.mutation_id, m.sequence, m.line, m.generation, m.item_id
        FROM courier.changes_between(ARRAY[w.lane], w.generation, w.sequence - 1, w.sequence, (w.received_at AT TIME ZONE 'UTC')::date, (w.received_at AT TIME ZONE 'UTC')::date) m
        WHERE w.line > 0 AND m.line = w.line
        LIMIT 1) c
    CROSS JOIN LATERAL (SELECT v.* FROM courier.mutation_status v
        WHERE v.day = c.day AND v.mutation_id = c.mutation_id AND v.stream_sequence = c.sequence AND v.stream_line = c.line AND v.stream_generation = c.generation
            AND v.item_id = c.item_id LIMIT 1) s
    ORDER BY w.generation DESC, w.sequence DESC, w.line DESC;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION courier.waiting_items FROM PUBLIC;

-- Where the changes of an item are, the newest first: whoever knows the day and the id of a
-- mutation reads what became of it from one partition. With newest_only there is one for
-- each lane and localization. Empty texts mean all.
-- +goose StatementBegin
CREATE FUNCTION courier.changes_of_item(of_item text, of_account text, of_catalog text, of_type text, newest_only boolean,
    before_generation integer, before_sequence bigint, before_line smallint, page integer)
RETURNS TABLE (day date, mutation_id text, stream_generation integer, stream_sequence bigint, stream_line smallint)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off SET plan_cache_mode = force_custom_plan AS $$
#variable_conflict use_column
DECLARE
    lanes  integer[];
    wanted integer := least(greatest(page, 1), 1001);
BEGIN
    IF of_account <> '' OR of_catalog <> '' OR of_type <> '' THEN
        lanes := ARRAY(SELECT l.id FROM courier.lane l WHERE (of_account = '' OR l.account = of_account)
            AND (of_catalog = '' OR l.catalog = of_catalog) AND (of_type = '' OR l.catalog_type = of_type));
    END IF;
    RETURN QUERY SELECT x.day, x.mutation_id, x.generation, x.sequence, x.line
    FROM (
        SELECT m.day, m.mutation_id, m.generation, m.sequence, m.line,
            CASE WHEN newest_only THEN row_number() OVER (PARTITION BY m.lane, m.localization ORDER BY m.generation DESC, m.sequence DESC, m.line DESC) ELSE 1 END AS nth
        FROM courier.mutation m
        WHERE m.item_id = of_item AND (lanes IS NULL OR m.lane = ANY (lanes)) AND (m.generation, m.sequence, m.line) < (before_generation, before_sequence, before_line)
    ) x WHERE x.nth = 1
    ORDER BY x.generation DESC, x.sequence DESC, x.line DESC LIMIT wanted;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION courier.changes_of_item FROM PUBLIC;

-- What became of the mutations at some places, up to 1,001. It is one statement for all of
-- them, whose plan the session keeps: with a month of days planning it costs more than
-- reading. Why a mutation waits is looked up only of those that do.
-- +goose StatementBegin
CREATE FUNCTION courier.mutations_at(of_days date[], of_ids text[], of_generations integer[], of_sequences bigint[], of_lines smallint[])
RETURNS TABLE (mutation_id text, account text, catalog text, catalog_type text, item_id text, localization text, operation text, status text,
    superseded_by text, batch_id uuid, handle text, attempts integer, errors jsonb, warnings jsonb, reason text, published_at timestamptz,
    received_at timestamptz, submitted_at timestamptz, finished_at timestamptz, stream_generation integer, stream_sequence bigint, stream_line smallint)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 50
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    s    record;
    open bigint[]; -- those that wait or were submitted
BEGIN
    IF cardinality(of_ids) > 1001 THEN
        RAISE EXCEPTION 'at most 1001 mutations at once' USING ERRCODE = 'CC011';
    END IF;
    FOR s IN SELECT u.nth, f.* FROM unnest(of_days, of_ids, of_generations, of_sequences, of_lines) WITH ORDINALITY AS u(day, id, generation, sequence, line, nth)
        CROSS JOIN LATERAL (SELECT v.* FROM courier.mutation_facts v
            WHERE v.day = u.day AND v.mutation_id = u.id AND v.stream_sequence = u.sequence AND v.stream_line = u.line AND v.stream_generation = u.generation LIMIT 1) f
    LOOP
        IF s.status IN ('waiting', 'submitted') THEN
            open := open || s.nth;
            CONTINUE;
        END IF;
        mutation_id := s.mutation_id; account := s.account; catalog := s.catalog; catalog_type := s.catalog_type; item_id := s.item_id;
        localization := s.localization; operation := s.operation; status := s.status; superseded_by := s.superseded_by; batch_id := s.batch_id;
        handle := s.handle; attempts := s.attempts; errors := s.errors; warnings := s.warnings; published_at := s.published_at;
        received_at := s.received_at; submitted_at := s.submitted_at; finished_at := s.finished_at; stream_generation := s.stream_generation;
        stream_sequence := s.stream_sequence; stream_line := s.stream_line;
        RETURN NEXT;
    END LOOP;
    IF open IS NOT NULL THEN
        RETURN QUERY SELECT s.mutation_id, s.account, s.catalog, s.catalog_type, s.item_id, s.localization, s.operation, s.status,
            s.superseded_by, s.batch_id, s.handle, s.attempts, s.errors, s.warnings, s.reason, s.published_at,
            s.received_at, s.submitted_at, s.finished_at, s.stream_generation, s.stream_sequence, s.stream_line
        FROM (SELECT of_days[n] AS day, of_ids[n] AS id, of_generations[n] AS generation, of_sequences[n] AS sequence, of_lines[n] AS line FROM unnest(open) AS o(n) OFFSET 0) u
        CROSS JOIN LATERAL (SELECT f.* FROM courier.mutation_status f
            WHERE f.day = u.day AND f.mutation_id = u.id AND f.stream_sequence = u.sequence AND f.stream_line = u.line AND f.stream_generation = u.generation LIMIT 1) s;
    END IF;
END
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION courier.mutations_at FROM PUBLIC;

-- Whoever may read mutation_status may call what reads one page of it.
-- +goose StatementBegin
DO $$
DECLARE
    reader record;
BEGIN
    FOR reader IN
        SELECT DISTINCT a.grantee::regrole::text AS name FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
        WHERE c.oid = 'courier.mutation_status'::regclass AND a.privilege_type = 'SELECT' AND a.grantee <> 0 AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION courier.items, courier.item, courier.newer_changes, courier.waiting_items, courier.changes_of_item, courier.mutations_at TO %s', reader.name);
    END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION courier.mutations_at, courier.changes_of_item, courier.waiting_items, courier.newer_changes, courier.changes_between, courier.place;
DROP VIEW courier.resolved_letters, courier.quota_history, courier.account_series, courier.item_counts, courier.indexed_items, courier.item_index_status;
DROP TABLE courier.item_filling, courier.quota_series, courier.lane_series, courier.item_count, courier.item;
DROP FUNCTION courier.count_items, courier.item_kind;
ALTER TABLE courier.lane DROP COLUMN removed_at;
