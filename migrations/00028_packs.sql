-- +goose Up

-- Lists of items in the order of the stream, in which the lines of a pack come one after the
-- other: courier.items and courier.item as before, with the line.

-- The items of a catalog, newest change first, each once. before is the place of the last
-- row of the page before; null begins with the newest.
--
-- Each round reads whole blocks of changes from the place down, at most 2,049 rows a lane,
-- and keeps the newest of each item. A block of packs has far more: it is read piece by
-- piece, by ranges of blocks of the table. What was changed above the place is left out: of
-- each block above that a lane has, one look by item_key tells; in later days that are over,
-- one look into the day's B-tree by item. After some 4,000 changes read, or 8,000 looks, what
-- is left is for the next call, and the last row is a place alone.
--
-- The settings keep the server from every plan that reads more than that, whatever its
-- statistics say. So does "|| ''", where mutation_block is to be used, not the day's B-tree.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION courier.items(of_account text, of_catalog text, before text DEFAULT NULL, page integer DEFAULT 50)
RETURNS TABLE (place text, catalog_type text, item_id text, localization text, status text, operation text, mutation_id text,
    batch_id uuid, errors jsonb, warnings jsonb, attempts integer, published_at timestamptz, received_at timestamptz,
    submitted_at timestamptz, finished_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_sort = off
SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    lanes  integer[] := ARRAY(SELECT l.id FROM courier.lane l WHERE l.account = of_account AND l.catalog = of_catalog);
    at_gen integer := coalesce(split_part(before, '.', 1)::integer, 2147483647);
    -- Exclusive, and no higher than the end of the last block there can be.
    at_seq bigint := least(coalesce(split_part(before, '.', 2)::bigint, 4398046511104), 4398046511104);
    at_line smallint := coalesce(nullif(split_part(before, '.', 3), '')::smallint, 0);
    wanted integer := least(greatest(page, 1), 1000);
    lim    integer := least(2 * wanted + 100, 2049);
    found  integer := 0;
    walked integer := 0; -- changes read
    looked integer := 0; -- looks for newer changes
    top    integer; -- the block of the place
    r      record; -- changes, of each lane the newest below the place
    c      record; -- items, of whole blocks of these
    above  record; -- the blocks above
    over   date[]; -- later days that have a B-tree by item
    looks  integer; -- for each item
    size   integer; -- of a chunk of items
    f      integer; -- its first
    t      integer; -- its last
    kept   integer[]; -- those of it that have no newer change
    pieces boolean; -- a block of packs is read, of which r has a piece
    low    bigint; -- where the piece begins, exclusive
    high   bigint; -- and where it ends, inclusive
    width  bigint; -- of a piece, in sequences
    days   record; -- of the block
BEGIN
    WHILE cardinality(lanes) > 0 LOOP
        top := courier.block(CASE WHEN at_line > 0 THEN at_seq ELSE at_seq - 1 END);
        SELECT count(*) AS rows,
            array_agg(y.lane) AS lane, array_agg(y.generation) AS generation, array_agg(y.sequence) AS sequence, array_agg(y.line) AS line, array_agg(y.day) AS day,
            array_agg(y.item_id) AS item_id, array_agg(y.localization) AS localization, array_agg(y.mutation_id) AS mutation_id,
            -- The newest block of which a lane may have more.
            max(ARRAY[y.generation, courier.block(y.sequence)]) FILTER (WHERE y.nth = lim) AS cut,
            max(ARRAY[y.generation, courier.block(y.sequence)]) AS highest, min(y.day) AS oldest, max(y.day) AS latest
        INTO r
        FROM unnest(lanes) AS l(id) CROSS JOIN LATERAL (
            SELECT x.*, row_number() OVER () AS nth
            FROM (SELECT m.lane, m.generation, m.sequence, m.line, m.day, m.item_id, m.localization, m.mutation_id FROM courier.mutation m
                WHERE m.lane = l.id AND (m.generation, courier.block(m.sequence)) <= (at_gen, top)
                ORDER BY m.generation DESC, courier.block(m.sequence) DESC LIMIT lim) x
        ) y;
        walked := walked + r.rows;
        EXIT WHEN r.rows = 0;
        pieces := false;
        IF r.cut = r.highest AND lim < 2049 THEN
            lim := 2049; -- more than a block without packs can have
            CONTINUE;
        ELSIF r.cut = r.highest THEN
            pieces := true;
            IF r.highest <> ARRAY[at_gen, top] THEN -- nothing is between the place and the block
                at_gen := r.highest[1];
                top := r.highest[2];
                at_seq := (top + 1)::bigint << 11;
                at_line := 0;
            END IF;
            high := CASE WHEN at_line > 0 THEN at_seq ELSE at_seq - 1 END;
            days := r;
            width := 4;
            LOOP
                low := greatest(high - width, (top::bigint << 11) - 1);
                SELECT count(*) AS rows,
                    array_agg(y.lane) AS lane, array_agg(y.generation) AS generation, array_agg(y.sequence) AS sequence, array_agg(y.line) AS line,
                    array_agg(y.day) AS day, array_agg(y.item_id) AS item_id, array_agg(y.localization) AS localization,
                    array_agg(y.mutation_id) AS mutation_id, NULL::integer[] AS cut
                INTO r
                FROM courier.changes_between(lanes, at_gen, low, high, days.oldest - 8, days.latest + 8) y;
                EXIT WHEN r.rows >= 2 * wanted OR low < top::bigint << 11;
                width := width * 8;
            END LOOP;
            walked := walked + r.rows;
        END IF;

        SELECT count(*) AS items, array_agg(k.lane) AS lane, array_agg(k.generation) AS generation, array_agg(k.sequence) AS sequence, array_agg(k.line) AS line,
            array_agg(k.day) AS day, array_agg(k.item_id) AS item_id, array_agg(k.localization) AS localization,
            array_agg(k.mutation_id) AS mutation_id, array_agg(courier.item_key(k.item_id, k.localization)) AS key,
            min(k.day) - 8 AS since, max(k.day) AS latest
        INTO c
        FROM (
            SELECT u.* FROM (
                SELECT w.*, row_number() OVER (PARTITION BY w.lane, w.item_id, w.localization ORDER BY w.generation DESC, w.sequence DESC, w.line DESC) AS nth
                FROM unnest(r.lane, r.generation, r.sequence, r.line, r.day, r.item_id, r.localization, r.mutation_id)
                    AS w(lane, generation, sequence, line, day, item_id, localization, mutation_id)
                WHERE r.cut IS NULL OR ARRAY[w.generation, courier.block(w.sequence)] > r.cut
            ) u
            WHERE u.nth = 1 AND (u.generation, u.sequence, u.line) < (at_gen, at_seq, at_line)
            ORDER BY u.generation DESC, u.sequence DESC, u.line DESC
        ) k;

        IF c.items > 0 THEN
            over := ARRAY(SELECT d.day FROM courier.mutation_days() d WHERE d.by_item AND d.day > c.latest);
            WITH a AS MATERIALIZED (
                SELECT x.* FROM courier.blocks_above(lanes,
                    ARRAY(SELECT d.day FROM courier.mutation_days() d WHERE d.day >= c.since AND d.day <> ALL (over)), at_gen,
                    CASE WHEN pieces THEN top - 1 ELSE top END)
                    WITH ORDINALITY AS x(day, lane, generation, block, nth)
            )
            SELECT array_agg(g.day) AS day, array_agg(g.lane) AS lane, array_agg(g.generation) AS generation,
                array_agg(g.first) AS first, array_agg(g.last) AS last, coalesce(max(g.last), 0) AS total,
                (SELECT array_agg(a.block ORDER BY a.nth) FROM a) AS block
            INTO above
            FROM (SELECT a.day, a.lane, a.generation, min(a.nth) AS first, max(a.nth) AS last FROM a GROUP BY a.day, a.lane, a.generation) g;
            looks := above.total + 3 * cardinality(over);
        END IF;
        t := 0;
        WHILE t < c.items AND looked < 8000 LOOP
            size := least(wanted - found, greatest(2500 / greatest(looks, 1), 5));
            f := t + 1;
            t := least(t + size, c.items);
            kept := ARRAY(
                SELECT k.nth FROM unnest(c.lane[f:t], c.generation[f:t], c.sequence[f:t], c.line[f:t], c.item_id[f:t], c.localization[f:t], c.key[f:t])
                    WITH ORDINALITY AS k(lane, generation, sequence, line, item_id, localization, key, nth)
                WHERE (SELECT true
                    FROM unnest(above.day, above.lane, above.generation, above.first, above.last) AS b(day, lane, generation, first, last)
                    CROSS JOIN LATERAL (
                        -- Block by block, as the server may take an array for a mere condition.
                        SELECT FROM unnest(above.block[b.first:b.last]) AS x(block) CROSS JOIN LATERAL (
                            SELECT FROM courier.mutation m
                            WHERE m.day = b.day AND m.lane = b.lane AND m.generation = b.generation AND courier.block(m.sequence) = x.block
                                AND courier.item_key(m.item_id, m.localization) = k.key
                                AND m.item_id || '' = k.item_id AND m.localization IS NOT DISTINCT FROM k.localization
                                AND (m.generation + 0, m.sequence + 0, m.line) > (k.generation, k.sequence, k.line) LIMIT 1) y
                        LIMIT 1) z
                    WHERE b.lane = k.lane LIMIT 1) IS NULL
                AND (SELECT true
                    FROM unnest(over) AS o(day) CROSS JOIN LATERAL (
                        SELECT FROM courier.mutation m
                        WHERE m.day = o.day AND m.item_id = k.item_id AND m.lane = k.lane
                            AND coalesce(m.localization, '') = coalesce(k.localization, '')
                            AND (m.generation + 0, m.sequence + 0, m.line) > (k.generation, k.sequence, k.line) LIMIT 1) y
                    LIMIT 1) IS NULL
                ORDER BY k.nth);
            RETURN QUERY SELECT courier.place(k.generation, k.sequence, k.line), s.catalog_type, s.item_id, s.localization, s.status, s.operation,
                s.mutation_id, s.batch_id, s.errors, s.warnings, s.attempts, s.published_at, s.received_at, s.submitted_at, s.finished_at
            FROM unnest(c.generation[f:t], c.sequence[f:t], c.line[f:t], c.day[f:t], c.mutation_id[f:t]) WITH ORDINALITY AS k(generation, sequence, line, day, mutation_id, nth)
            CROSS JOIN LATERAL (SELECT v.* FROM courier.mutation_status v
                WHERE v.day = k.day AND v.mutation_id = k.mutation_id AND v.stream_sequence = k.sequence AND v.stream_line = k.line
                    AND v.stream_generation = k.generation
                    AND v.account = of_account AND v.catalog = of_catalog LIMIT 1) s
            WHERE k.nth = ANY (kept) ORDER BY k.nth;
            found := found + cardinality(kept);
            -- A newer change is found after some of the looks.
            looked := looked + looks * (cardinality(kept) + (t - f + 1 - cardinality(kept)) / 4);
            EXIT WHEN found >= wanted;
        END LOOP;
        EXIT WHEN found >= wanted;
        IF t < c.items THEN -- enough was looked for
            at_gen := c.generation[t];
            at_seq := c.sequence[t];
            at_line := c.line[t];
        ELSE
            EXIT WHEN r.cut IS NULL AND NOT pieces; -- that was all
            IF pieces THEN
                at_seq := low + 1;
            ELSE
                -- Behind the last whole block.
                SELECT w.generation, courier.block(w.sequence)::bigint << 11 INTO at_gen, at_seq
                FROM unnest(r.generation, r.sequence) AS w(generation, sequence)
                WHERE ARRAY[w.generation, courier.block(w.sequence)] > r.cut
                ORDER BY w.generation, w.sequence LIMIT 1;
            END IF;
            at_line := 0;
        END IF;
        IF walked >= 4000 OR looked >= 8000 THEN
            place := courier.place(at_gen, at_seq, at_line);
            RETURN NEXT;
            EXIT;
        END IF;
    END LOOP;
END
$$;
-- +goose StatementEnd
-- The newest change of one item, with the columns of courier.items, for each type of the
-- catalog that has it. Of each block that a lane has, the last first, one look tells
-- whether the item is in it; a day that is over tells by its B-tree.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION courier.item(of_account text, of_catalog text, of_item text, of_localization text DEFAULT NULL)
RETURNS TABLE (place text, catalog_type text, item_id text, localization text, status text, operation text, mutation_id text,
    batch_id uuid, errors jsonb, warnings jsonb, attempts integer, published_at timestamptz, received_at timestamptz,
    submitted_at timestamptz, finished_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_sort = off
SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    of_key integer := courier.item_key(of_item, of_localization);
    of_lane integer;
    d      record;
    h      record; -- a change of the item
    newest record; -- of these
    seen   date; -- the latest day with a change
BEGIN
    FOR of_lane IN SELECT l.id FROM courier.lane l WHERE l.account = of_account AND l.catalog = of_catalog ORDER BY l.catalog_type LOOP
        seen := NULL;
        FOR d IN SELECT x.day, x.by_item FROM courier.mutation_days() x LOOP
            -- A row is at most a week older than its message.
            EXIT WHEN d.day < seen - 8;
            CONTINUE WHEN d.by_item AND (SELECT true FROM courier.mutation m WHERE m.day = d.day AND m.item_id = of_item
                AND m.lane = of_lane AND coalesce(m.localization, '') = coalesce(of_localization, '') LIMIT 1) IS NULL;
            SELECT y.* INTO h FROM (
                WITH RECURSIVE step AS (
                    (SELECT m.generation, courier.block(m.sequence) AS block FROM courier.mutation m
                    WHERE m.day = d.day AND m.lane = of_lane
                    ORDER BY m.generation DESC, courier.block(m.sequence) DESC LIMIT 1)
                    UNION ALL
                    SELECT x.generation, x.block FROM step CROSS JOIN LATERAL (
                        SELECT m.generation, courier.block(m.sequence) AS block FROM courier.mutation m
                        WHERE m.day = d.day AND m.lane = of_lane AND (m.generation, courier.block(m.sequence)) < (step.generation, step.block)
                        ORDER BY m.generation DESC, courier.block(m.sequence) DESC LIMIT 1) x
                )
                SELECT step.generation, step.block FROM step
            ) b CROSS JOIN LATERAL (
                SELECT m.day, m.generation, m.sequence, m.line, m.mutation_id FROM courier.mutation m
                WHERE m.day = d.day AND m.lane = of_lane AND m.generation = b.generation AND courier.block(m.sequence) = b.block
                    AND courier.item_key(m.item_id, m.localization) = of_key
                    AND m.item_id || '' = of_item AND m.localization IS NOT DISTINCT FROM of_localization
                ORDER BY m.sequence DESC, m.line DESC LIMIT 1
            ) y LIMIT 1;
            CONTINUE WHEN h.sequence IS NULL;
            IF seen IS NULL THEN
                newest := h;
                seen := d.day;
            ELSIF (h.generation, h.sequence, h.line) > (newest.generation, newest.sequence, newest.line) THEN
                newest := h;
            END IF;
        END LOOP;
        CONTINUE WHEN seen IS NULL;
        RETURN QUERY SELECT courier.place(newest.generation, newest.sequence, newest.line), s.catalog_type, s.item_id, s.localization, s.status, s.operation,
            s.mutation_id, s.batch_id, s.errors, s.warnings, s.attempts, s.published_at, s.received_at, s.submitted_at, s.finished_at
        FROM courier.mutation_status s JOIN courier.lane l ON l.catalog_type = s.catalog_type AND l.id = of_lane
        WHERE s.day = newest.day AND s.mutation_id = newest.mutation_id AND s.stream_sequence = newest.sequence AND s.stream_line = newest.line
            AND s.stream_generation = newest.generation AND s.account = of_account AND s.catalog = of_catalog LIMIT 1;
    END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose Down
-- The items of a catalog, newest change first, each once. before is the place of the last
-- row of the page before; null begins with the newest.
--
-- Each round reads whole blocks of changes from the place down, at most 2,049 rows a lane,
-- and keeps the newest of each item. What was changed above the place is left out: of each
-- block above that a lane has, one look by item_key tells; in later days that are over, one
-- look into the day's B-tree by item. After some 4,000 changes read, or 8,000 looks, what
-- is left is for the next call, and the last row is a place alone.
--
-- The settings keep the server from every plan that reads more than that, whatever its
-- statistics say. So does "|| ''", where mutation_block is to be used, not the day's B-tree.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION courier.items(of_account text, of_catalog text, before text DEFAULT NULL, page integer DEFAULT 50)
RETURNS TABLE (place text, catalog_type text, item_id text, localization text, status text, operation text, mutation_id text,
    batch_id uuid, errors jsonb, warnings jsonb, attempts integer, published_at timestamptz, received_at timestamptz,
    submitted_at timestamptz, finished_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_sort = off
SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    lanes  integer[] := ARRAY(SELECT l.id FROM courier.lane l WHERE l.account = of_account AND l.catalog = of_catalog);
    at_gen integer := coalesce(split_part(before, '.', 1)::integer, 2147483647);
    -- Exclusive, and no higher than the end of the last block there can be.
    at_seq bigint := least(coalesce(split_part(before, '.', 2)::bigint, 4398046511104), 4398046511104);
    wanted integer := least(greatest(page, 1), 1000);
    lim    integer := least(2 * wanted + 100, 2049);
    found  integer := 0;
    walked integer := 0; -- changes read
    looked integer := 0; -- looks for newer changes
    top    integer; -- the block of the place
    r      record; -- changes, of each lane the newest below the place
    c      record; -- items, of whole blocks of these
    above  record; -- the blocks above
    over   date[]; -- later days that have a B-tree by item
    looks  integer; -- for each item
    size   integer; -- of a chunk of items
    f      integer; -- its first
    t      integer; -- its last
    kept   integer[]; -- those of it that have no newer change
BEGIN
    WHILE cardinality(lanes) > 0 LOOP
        top := courier.block(at_seq - 1);
        SELECT count(*) AS rows,
            array_agg(y.lane) AS lane, array_agg(y.generation) AS generation, array_agg(y.sequence) AS sequence, array_agg(y.day) AS day,
            array_agg(y.item_id) AS item_id, array_agg(y.localization) AS localization, array_agg(y.mutation_id) AS mutation_id,
            -- The newest block of which a lane may have more.
            max(ARRAY[y.generation, courier.block(y.sequence)]) FILTER (WHERE y.nth = lim) AS cut,
            max(ARRAY[y.generation, courier.block(y.sequence)]) AS highest
        INTO r
        FROM unnest(lanes) AS l(id) CROSS JOIN LATERAL (
            SELECT x.*, row_number() OVER () AS nth
            FROM (SELECT m.lane, m.generation, m.sequence, m.day, m.item_id, m.localization, m.mutation_id FROM courier.mutation m
                WHERE m.lane = l.id AND (m.generation, courier.block(m.sequence)) <= (at_gen, top)
                ORDER BY m.generation DESC, courier.block(m.sequence) DESC LIMIT lim) x
        ) y;
        walked := walked + r.rows;
        EXIT WHEN r.rows = 0;
        IF r.cut = r.highest THEN
            lim := 2049; -- more than a block can have
            CONTINUE;
        END IF;

        SELECT count(*) AS items, array_agg(k.lane) AS lane, array_agg(k.generation) AS generation, array_agg(k.sequence) AS sequence,
            array_agg(k.day) AS day, array_agg(k.item_id) AS item_id, array_agg(k.localization) AS localization,
            array_agg(k.mutation_id) AS mutation_id, array_agg(courier.item_key(k.item_id, k.localization)) AS key,
            min(k.day) - 8 AS since, max(k.day) AS latest
        INTO c
        FROM (
            SELECT u.* FROM (
                SELECT w.*, row_number() OVER (PARTITION BY w.lane, w.item_id, w.localization ORDER BY w.generation DESC, w.sequence DESC) AS nth
                FROM unnest(r.lane, r.generation, r.sequence, r.day, r.item_id, r.localization, r.mutation_id)
                    AS w(lane, generation, sequence, day, item_id, localization, mutation_id)
                WHERE r.cut IS NULL OR ARRAY[w.generation, courier.block(w.sequence)] > r.cut
            ) u
            WHERE u.nth = 1 AND (u.generation, u.sequence) < (at_gen, at_seq)
            ORDER BY u.generation DESC, u.sequence DESC
        ) k;

        IF c.items > 0 THEN
            over := ARRAY(SELECT d.day FROM courier.mutation_days() d WHERE d.by_item AND d.day > c.latest);
            WITH a AS MATERIALIZED (
                SELECT x.* FROM courier.blocks_above(lanes,
                    ARRAY(SELECT d.day FROM courier.mutation_days() d WHERE d.day >= c.since AND d.day <> ALL (over)), at_gen, top)
                    WITH ORDINALITY AS x(day, lane, generation, block, nth)
            )
            SELECT array_agg(g.day) AS day, array_agg(g.lane) AS lane, array_agg(g.generation) AS generation,
                array_agg(g.first) AS first, array_agg(g.last) AS last, coalesce(max(g.last), 0) AS total,
                (SELECT array_agg(a.block ORDER BY a.nth) FROM a) AS block
            INTO above
            FROM (SELECT a.day, a.lane, a.generation, min(a.nth) AS first, max(a.nth) AS last FROM a GROUP BY a.day, a.lane, a.generation) g;
            looks := above.total + 3 * cardinality(over);
        END IF;
        t := 0;
        WHILE t < c.items AND looked < 8000 LOOP
            size := least(wanted - found, greatest(2500 / greatest(looks, 1), 5));
            f := t + 1;
            t := least(t + size, c.items);
            kept := ARRAY(
                SELECT k.nth FROM unnest(c.lane[f:t], c.generation[f:t], c.sequence[f:t], c.item_id[f:t], c.localization[f:t], c.key[f:t])
                    WITH ORDINALITY AS k(lane, generation, sequence, item_id, localization, key, nth)
                WHERE (SELECT true
                    FROM unnest(above.day, above.lane, above.generation, above.first, above.last) AS b(day, lane, generation, first, last)
                    CROSS JOIN LATERAL (
                        -- Block by block, as the server may take an array for a mere condition.
                        SELECT FROM unnest(above.block[b.first:b.last]) AS x(block) CROSS JOIN LATERAL (
                            SELECT FROM courier.mutation m
                            WHERE m.day = b.day AND m.lane = b.lane AND m.generation = b.generation AND courier.block(m.sequence) = x.block
                                AND courier.item_key(m.item_id, m.localization) = k.key
                                AND m.item_id || '' = k.item_id AND m.localization IS NOT DISTINCT FROM k.localization LIMIT 1) y
                        LIMIT 1) z
                    WHERE b.lane = k.lane LIMIT 1) IS NULL
                AND (SELECT true
                    FROM unnest(over) AS o(day) CROSS JOIN LATERAL (
                        SELECT FROM courier.mutation m
                        WHERE m.day = o.day AND m.item_id = k.item_id AND m.lane = k.lane
                            AND coalesce(m.localization, '') = coalesce(k.localization, '')
                            AND (m.generation + 0, m.sequence + 0) > (k.generation, k.sequence) LIMIT 1) y
                    LIMIT 1) IS NULL
                ORDER BY k.nth);
            RETURN QUERY SELECT k.generation || '.' || k.sequence, s.catalog_type, s.item_id, s.localization, s.status, s.operation,
                s.mutation_id, s.batch_id, s.errors, s.warnings, s.attempts, s.published_at, s.received_at, s.submitted_at, s.finished_at
            FROM unnest(c.generation[f:t], c.sequence[f:t], c.day[f:t], c.mutation_id[f:t]) WITH ORDINALITY AS k(generation, sequence, day, mutation_id, nth)
            CROSS JOIN LATERAL (SELECT v.* FROM courier.mutation_status v
                WHERE v.day = k.day AND v.mutation_id = k.mutation_id AND v.stream_sequence = k.sequence AND v.stream_generation = k.generation
                    AND v.account = of_account AND v.catalog = of_catalog LIMIT 1) s
            WHERE k.nth = ANY (kept) ORDER BY k.nth;
            found := found + cardinality(kept);
            -- A newer change is found after some of the looks.
            looked := looked + looks * (cardinality(kept) + (t - f + 1 - cardinality(kept)) / 4);
            EXIT WHEN found >= wanted;
        END LOOP;
        EXIT WHEN found >= wanted;
        IF t < c.items THEN -- enough was looked for
            at_gen := c.generation[t];
            at_seq := c.sequence[t];
        ELSE
            EXIT WHEN r.cut IS NULL; -- that was all
            -- Behind the last whole block.
            SELECT w.generation, courier.block(w.sequence)::bigint << 11 INTO at_gen, at_seq
            FROM unnest(r.generation, r.sequence) AS w(generation, sequence)
            WHERE ARRAY[w.generation, courier.block(w.sequence)] > r.cut
            ORDER BY w.generation, w.sequence LIMIT 1;
        END IF;
        IF walked >= 4000 OR looked >= 8000 THEN
            place := at_gen || '.' || at_seq;
            RETURN NEXT;
            EXIT;
        END IF;
    END LOOP;
END
$$;
-- +goose StatementEnd
-- The newest change of one item, with the columns of courier.items, for each type of the
-- catalog that has it. Of each block that a lane has, the last first, one look tells
-- whether the item is in it; a day that is over tells by its B-tree.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION courier.item(of_account text, of_catalog text, of_item text, of_localization text DEFAULT NULL)
RETURNS TABLE (place text, catalog_type text, item_id text, localization text, status text, operation text, mutation_id text,
    batch_id uuid, errors jsonb, warnings jsonb, attempts integer, published_at timestamptz, received_at timestamptz,
    submitted_at timestamptz, finished_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_sort = off
SET jit = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
    of_key integer := courier.item_key(of_item, of_localization);
    of_lane integer;
    d      record;
    h      record; -- a change of the item
    newest record; -- of these
    seen   date; -- the latest day with a change
BEGIN
    FOR of_lane IN SELECT l.id FROM courier.lane l WHERE l.account = of_account AND l.catalog = of_catalog ORDER BY l.catalog_type LOOP
        seen := NULL;
        FOR d IN SELECT x.day, x.by_item FROM courier.mutation_days() x LOOP
            -- A row is at most a week older than its message.
            EXIT WHEN d.day < seen - 8;
            CONTINUE WHEN d.by_item AND (SELECT true FROM courier.mutation m WHERE m.day = d.day AND m.item_id = of_item
                AND m.lane = of_lane AND coalesce(m.localization, '') = coalesce(of_localization, '') LIMIT 1) IS NULL;
            SELECT y.* INTO h FROM (
                WITH RECURSIVE step AS (
                    (SELECT m.generation, courier.block(m.sequence) AS block FROM courier.mutation m
                    WHERE m.day = d.day AND m.lane = of_lane
                    ORDER BY m.generation DESC, courier.block(m.sequence) DESC LIMIT 1)
                    UNION ALL
                    SELECT x.generation, x.block FROM step CROSS JOIN LATERAL (
                        SELECT m.generation, courier.block(m.sequence) AS block FROM courier.mutation m
                        WHERE m.day = d.day AND m.lane = of_lane AND (m.generation, courier.block(m.sequence)) < (step.generation, step.block)
                        ORDER BY m.generation DESC, courier.block(m.sequence) DESC LIMIT 1) x
                )
                SELECT step.generation, step.block FROM step
            ) b CROSS JOIN LATERAL (
                SELECT m.day, m.generation, m.sequence, m.mutation_id FROM courier.mutation m
                WHERE m.day = d.day AND m.lane = of_lane AND m.generation = b.generation AND courier.block(m.sequence) = b.block
                    AND courier.item_key(m.item_id, m.localization) = of_key
                    AND m.item_id || '' = of_item AND m.localization IS NOT DISTINCT FROM of_localization
                ORDER BY m.sequence DESC LIMIT 1
            ) y LIMIT 1;
            CONTINUE WHEN h.sequence IS NULL;
            IF seen IS NULL THEN
                newest := h;
                seen := d.day;
            ELSIF (h.generation, h.sequence) > (newest.generation, newest.sequence) THEN
                newest := h;
            END IF;
        END LOOP;
        CONTINUE WHEN seen IS NULL;
        RETURN QUERY SELECT newest.generation || '.' || newest.sequence, s.catalog_type, s.item_id, s.localization, s.status, s.operation,
            s.mutation_id, s.batch_id, s.errors, s.warnings, s.attempts, s.published_at, s.received_at, s.submitted_at, s.finished_at
        FROM courier.mutation_status s JOIN courier.lane l ON l.catalog_type = s.catalog_type AND l.id = of_lane
        WHERE s.day = newest.day AND s.mutation_id = newest.mutation_id AND s.stream_sequence = newest.sequence
            AND s.stream_generation = newest.generation AND s.account = of_account AND s.catalog = of_catalog LIMIT 1;
    END LOOP;
END
$$;
-- +goose StatementEnd
