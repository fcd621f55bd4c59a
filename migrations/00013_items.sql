-- +goose Up

-- The newest changes of a lane, without reading others: lists of items stand on it. A
-- lane's sequences only grow, so each lane writes at one place of the tree.
CREATE INDEX mutation_lane ON courier.mutation (lane, generation, sequence) WITH (deduplicate_items = off);

-- Whether a list of errors has a sentence for people.
-- +goose StatementBegin
CREATE FUNCTION courier.has_words(errors jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(errors @? '$[*].message ? (@ <> "")', false)
$$;
-- +goose StatementEnd

-- What is said where nothing else is known: the dead letter was deleted.
-- +goose StatementBegin
CREATE FUNCTION courier.no_words(what text) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_array(jsonb_build_object('message', what))
$$;
-- +goose StatementEnd

-- What failed, is unconfirmed or invalid says why in words, always: the platform's, or
-- those of the dead letter where the platform said nothing.
CREATE OR REPLACE VIEW courier.mutation_status AS
SELECT m.mutation_id,
    l.account, l.catalog, l.catalog_type,
    m.item_id,
    courier.operation_name(m.operation) AS operation,
    CASE
        WHEN m.state = 1 THEN 'waiting'
        WHEN m.state = 2 THEN 'invalid'
        -- Of a merged record that nobody knows of, each mutation is to be looked at.
        WHEN m.state = 0 AND o.result = 3 THEN 'unconfirmed'
        WHEN m.state = 3 OR m.superseded_by IS NOT NULL THEN 'superseded'
        WHEN m.state = 4 THEN 'succeeded'
        WHEN b.finished_at IS NULL AND a.last_result IN (3, 4) THEN 'waiting'
        WHEN b.finished_at IS NULL THEN 'submitted'
        WHEN o.result IS NULL OR o.result = 1 THEN 'succeeded'
        WHEN o.result = 2 THEN 'failed'
        ELSE 'waiting'
    END AS status,
    CASE WHEN o.result IS DISTINCT FROM 3 THEN m.superseded_by END AS superseded_by,
    m.batch_id,
    a.handle,
    -- Attempts spent in earlier batches, and the POSTs of this one.
    m.attempts + CASE WHEN m.state IN (0, 4) AND b.id IS NOT NULL THEN coalesce(a.attempts, 1) ELSE 0 END AS attempts,
    CASE
        WHEN m.state = 2 THEN coalesce(d.errors, d.said,
            courier.no_words('the change was refused before it was sent; its dead letter, which said why, was deleted'))
        WHEN m.state = 4 THEN NULL
        WHEN m.state = 0 AND o.result IN (2, 3) AND NOT courier.has_words(o.errors)
            THEN coalesce(o.errors, '[]') || coalesce(d.said, courier.no_words(CASE o.result
                WHEN 2 THEN 'the platform refused the item without saying why'
                ELSE 'the platform never said what became of the item, and all attempts are used up' END))
        ELSE o.errors
    END AS errors,
    CASE WHEN m.warnings IS NULL THEN o.warnings ELSE m.warnings || coalesce(o.warnings, '[]') END AS warnings,
    courier.from_ns(m.published_ns) AS published_at,
    m.received_at,
    a.submitted_at,
    CASE
        WHEN m.state = 1 THEN NULL
        WHEN m.state = 2 THEN coalesce(d.failed_at, m.received_at)
        WHEN m.state = 3 THEN m.received_at
        ELSE b.finished_at
    END AS finished_at,
    m.localization,
    m.generation AS stream_generation,
    m.sequence AS stream_sequence,
    -- The day that the row is kept under: whoever knows it reads no other.
    m.day
FROM courier.mutation m
JOIN courier.lane l ON l.id = m.lane
LEFT JOIN courier.batch b ON b.id = m.batch_id
LEFT JOIN courier.record_outcome o ON o.batch_id = m.batch_id AND o.record = m.record
LEFT JOIN LATERAL (
    SELECT greatest(coalesce(max(t.number), 1) - count(*) FILTER (WHERE t.result = 4), 0)::integer AS attempts,
        (array_agg(t.result ORDER BY t.number DESC))[1] AS last_result,
        (array_agg(t.handles[1] ORDER BY t.number DESC) FILTER (WHERE t.result = 1))[1] AS handle,
        coalesce(min(t.at) FILTER (WHERE t.result = 1), min(t.at) FILTER (WHERE t.result IS DISTINCT FROM 4)) AS submitted_at
    FROM courier.attempt t WHERE t.batch_id = m.batch_id
) a ON m.batch_id IS NOT NULL
LEFT JOIN LATERAL (
    SELECT x.errors, x.failed_at,
        jsonb_build_array(jsonb_strip_nulls(jsonb_build_object('code', x.reason, 'attribute', x.field, 'message', x.text))) AS said
    FROM courier.dead_letter x
    WHERE (m.state = 2 OR o.result IN (2, 3))
        AND x.sequence = m.sequence AND x.generation = m.generation AND x.lane = m.lane
    ORDER BY x.id DESC LIMIT 1
) d ON true;

-- One row per item, its newest mutation, and what last came of it. Each mutation is read
-- once: looking each item up again took minutes for 50,000 items. Conditions on the
-- columns that tell items apart reach the indexes.
CREATE OR REPLACE VIEW courier.item_status AS
SELECT i.account, i.catalog, i.catalog_type, i.item_id, i.localization,
    (i.newest).status, (i.newest).operation, (i.newest).mutation_id, (i.newest).batch_id,
    (i.succeeded).operation AS last_succeeded_operation,
    (i.succeeded).finished_at AS last_succeeded_at,
    (i.refused).errors AS last_error,
    (i.newest).published_at, (i.newest).received_at, (i.newest).finished_at,
    (i.newest).errors, (i.newest).attempts
FROM (
    SELECT m.account, m.catalog, m.catalog_type, m.item_id, m.localization,
        (array_agg(m ORDER BY m.stream_generation DESC, m.stream_sequence DESC))[1] AS newest,
        (array_agg(m ORDER BY m.stream_generation DESC, m.stream_sequence DESC) FILTER (WHERE m.status = 'succeeded'))[1] AS succeeded,
        (array_agg(m ORDER BY m.stream_generation DESC, m.stream_sequence DESC) FILTER (WHERE m.errors IS NOT NULL))[1] AS refused
    FROM courier.mutation_status m
    GROUP BY m.account, m.catalog, m.catalog_type, m.item_id, m.localization
) i;

-- While anything of an account waits its reason says why: also where the platform is not
-- reached, and where the pace of a quota or the breaker holds batches back. Open batches
-- are few, and found by the partial index batch_open.
CREATE OR REPLACE VIEW courier.account_status AS
SELECT a.name AS account,
    a.platform,
    CASE
        WHEN a.state = 'active' AND (q.blocked_until > now() OR u.held) THEN 'throttled'
        WHEN a.state <> 'active' AND NOT a.by_hand AND a.resumes_at <= now() THEN 'active'
        ELSE a.state
    END AS state,
    CASE
        WHEN a.by_hand THEN coalesce(nullif(a.reason, ''), 'paused by hand')
        WHEN a.state <> 'active' AND (a.resumes_at IS NULL OR a.resumes_at > now()) AND a.reason <> '' THEN a.reason
        WHEN q.blocked_until > now() THEN 'quota of ' || q.blocked_scope
        WHEN u.items > 0 THEN u.why
        WHEN a.state <> 'active' THEN nullif(a.reason, '')
    END AS reason,
    CASE
        WHEN a.by_hand THEN NULL
        WHEN a.state <> 'active' THEN a.resumes_at
        WHEN q.blocked_until > now() THEN q.blocked_until
        WHEN u.held THEN u.next_at
    END AS resumes_at,
    q.quota,
    coalesce(w.items, 0) + coalesce(u.items, 0) AS waiting_items,
    least(w.oldest, u.oldest) AS oldest_waiting_at,
    a.by_hand AS paused_by_hand,
    a.updated_at
FROM courier.account a
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(s.scope, s.quota) FILTER (WHERE s.quota IS NOT NULL) AS quota,
        max(s.blocked_until) AS blocked_until,
        (array_agg(s.scope ORDER BY s.blocked_until DESC NULLS LAST))[1] AS blocked_scope
    FROM courier.quota_scope s WHERE s.scope = ANY (a.scopes)
) q ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS items, min(w.received_at) AS oldest
    FROM courier.lane l JOIN courier.waiting w ON w.lane = l.id
    WHERE l.account = a.name
) w ON true
LEFT JOIN (
    SELECT l.account, sum(b.mutations)::bigint AS items, min(coalesce(b.oldest_received_at, b.created_at)) AS oldest,
        bool_or(t.result = 4) AS held, min(t.next_at) AS next_at,
        coalesce((array_agg(t.error ORDER BY b.id) FILTER (WHERE t.error <> ''))[1], 'the last request was not taken') AS why
    FROM courier.batch b JOIN courier.lane l ON l.id = b.lane
    CROSS JOIN LATERAL (
        SELECT x.result, x.error, x.next_at FROM courier.attempt x WHERE x.batch_id = b.id ORDER BY x.number DESC LIMIT 1
    ) t
    WHERE b.finished_at IS NULL AND t.result IN (3, 4)
    GROUP BY l.account
) u ON u.account = a.name;

-- The items of a catalog, newest change first, each once. before is the place of the last
-- row of the page before; null begins with the newest. Its time is proportional to the
-- page: changes are walked by mutation_lane. Whether an item has a newer change is told by
-- the changes above the place, where these are no more than 2,000, and by the filters (of
-- days that are over, the B-tree) further down. Where a page has walked 20,000
-- changes of items that have newer ones its last row is a place alone: go on from there.
-- mutation_lane is hidden from the look for newer changes, as it would read them all.
-- +goose StatementBegin
CREATE FUNCTION courier.items(of_account text, of_catalog text, before text DEFAULT NULL, page integer DEFAULT 50)
RETURNS TABLE (place text, catalog_type text, item_id text, localization text, status text, operation text, mutation_id text,
    batch_id uuid, errors jsonb, warnings jsonb, attempts integer, published_at timestamptz, received_at timestamptz,
    submitted_at timestamptz, finished_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    lanes  integer[] := ARRAY(SELECT l.id FROM courier.lane l WHERE l.account = of_account AND l.catalog = of_catalog);
    at_gen integer := coalesce(split_part(before, '.', 1)::integer, 2147483647);
    at_seq bigint := coalesce(split_part(before, '.', 2)::bigint, 9223372036854775807);
    found  integer := 0;
    walked integer := 0;
    seen   integer;
    depth  integer; -- changes above the place, up to 2000
    change record;
    wanted integer := least(greatest(page, 1), 1000);
BEGIN
    LOOP
        seen := 0;
        depth := (SELECT count(*) FROM unnest(lanes) AS l(id) CROSS JOIN LATERAL (
            SELECT FROM courier.mutation x WHERE x.lane = l.id AND (x.generation, x.sequence) >= (at_gen, at_seq)
            ORDER BY x.generation DESC, x.sequence DESC LIMIT 2000) y);
        FOR change IN
            SELECT c.*, CASE
                WHEN depth < 2000 THEN c.nth > 1 OR (c.lane, c.item_id, coalesce(c.localization, '')) IN (
                    SELECT l.id, y.item_id, coalesce(y.localization, '') FROM unnest(lanes) AS l(id) CROSS JOIN LATERAL (
                        SELECT x.item_id, x.localization FROM courier.mutation x
                        WHERE x.lane = l.id AND (x.generation, x.sequence) >= (at_gen, at_seq)
                        ORDER BY x.generation DESC, x.sequence DESC LIMIT 2000
                    ) y)
                ELSE (SELECT true FROM courier.mutation n
                    WHERE n.item_id = c.item_id AND n.lane + 0 = c.lane AND n.day >= c.day - 8
                        AND n.localization IS NOT DISTINCT FROM c.localization
                        AND (n.generation + 0, n.sequence + 0) > (c.generation, c.sequence) LIMIT 1)
                END AS newer
            FROM (
                SELECT m.*, row_number() OVER (PARTITION BY m.lane, m.item_id, m.localization ORDER BY m.generation DESC, m.sequence DESC) AS nth
                FROM unnest(lanes) AS l(id) CROSS JOIN LATERAL (
                    SELECT x.lane, x.generation, x.sequence, x.day, x.item_id, x.localization, x.mutation_id
                    FROM courier.mutation x
                    WHERE x.lane = l.id AND (x.generation, x.sequence) < (at_gen, at_seq)
                    ORDER BY x.generation DESC, x.sequence DESC LIMIT 200
                ) m
                ORDER BY m.generation DESC, m.sequence DESC LIMIT 200
            ) c
            ORDER BY c.generation DESC, c.sequence DESC
        LOOP
            seen := seen + 1;
            at_gen := change.generation;
            at_seq := change.sequence;
            CONTINUE WHEN change.newer;
            found := found + 1;
            RETURN QUERY SELECT at_gen || '.' || at_seq, s.catalog_type, s.item_id, s.localization, s.status, s.operation,
                s.mutation_id, s.batch_id, s.errors, s.warnings, s.attempts, s.published_at, s.received_at, s.submitted_at, s.finished_at
            FROM courier.mutation_status s
            WHERE s.day = change.day AND s.mutation_id = change.mutation_id AND s.stream_sequence = at_seq
                AND s.stream_generation = at_gen AND s.account = of_account AND s.catalog = of_catalog LIMIT 1;
            EXIT WHEN found >= wanted;
        END LOOP;
        walked := walked + seen;
        EXIT WHEN found >= wanted OR seen < 200;
        IF walked >= 20000 THEN
            place := at_gen || '.' || at_seq;
            RETURN NEXT;
            EXIT;
        END IF;
    END LOOP;
END
$$;
-- +goose StatementEnd
-- It reads as the owner, as views do: who may call it is the operator's to say.
REVOKE ALL ON FUNCTION courier.items FROM PUBLIC;

-- +goose Down
DROP FUNCTION courier.items;
DROP VIEW courier.account_status, courier.item_status, courier.mutation_status;
DROP FUNCTION courier.no_words, courier.has_words;
DROP INDEX courier.mutation_lane;
CREATE OR REPLACE VIEW courier.mutation_status AS
SELECT m.mutation_id,
    l.account, l.catalog, l.catalog_type,
    m.item_id,
    courier.operation_name(m.operation) AS operation,
    CASE
        WHEN m.state = 1 THEN 'waiting'
        WHEN m.state = 2 THEN 'invalid'
        -- Of a merged record that nobody knows of, each mutation is to be looked at.
        WHEN m.state = 0 AND o.result = 3 THEN 'unconfirmed'
        WHEN m.state = 3 OR m.superseded_by IS NOT NULL THEN 'superseded'
        WHEN m.state = 4 THEN 'succeeded'
        WHEN b.finished_at IS NULL AND a.last_result IN (3, 4) THEN 'waiting'
        WHEN b.finished_at IS NULL THEN 'submitted'
        WHEN o.result IS NULL OR o.result = 1 THEN 'succeeded'
        WHEN o.result = 2 THEN 'failed'
        ELSE 'waiting'
    END AS status,
    CASE WHEN o.result IS DISTINCT FROM 3 THEN m.superseded_by END AS superseded_by,
    m.batch_id,
    a.handle,
    -- Attempts spent in earlier batches, and the POSTs of this one.
    m.attempts + CASE WHEN m.state IN (0, 4) AND b.id IS NOT NULL THEN coalesce(a.attempts, 1) ELSE 0 END AS attempts,
    CASE WHEN m.state = 2 THEN d.errors WHEN m.state = 4 THEN NULL ELSE o.errors END AS errors,
    CASE WHEN m.warnings IS NULL THEN o.warnings ELSE m.warnings || coalesce(o.warnings, '[]') END AS warnings,
    courier.from_ns(m.published_ns) AS published_at,
    m.received_at,
    a.submitted_at,
    CASE
        WHEN m.state = 1 THEN NULL
        WHEN m.state = 2 THEN coalesce(d.failed_at, m.received_at)
        WHEN m.state = 3 THEN m.received_at
        ELSE b.finished_at
    END AS finished_at,
    m.localization,
    m.generation AS stream_generation,
    m.sequence AS stream_sequence
FROM courier.mutation m
JOIN courier.lane l ON l.id = m.lane
LEFT JOIN courier.batch b ON b.id = m.batch_id
LEFT JOIN courier.record_outcome o ON o.batch_id = m.batch_id AND o.record = m.record
LEFT JOIN LATERAL (
    SELECT greatest(coalesce(max(t.number), 1) - count(*) FILTER (WHERE t.result = 4), 0)::integer AS attempts,
        (array_agg(t.result ORDER BY t.number DESC))[1] AS last_result,
        (array_agg(t.handles[1] ORDER BY t.number DESC) FILTER (WHERE t.result = 1))[1] AS handle,
        coalesce(min(t.at) FILTER (WHERE t.result = 1), min(t.at) FILTER (WHERE t.result IS DISTINCT FROM 4)) AS submitted_at
    FROM courier.attempt t WHERE t.batch_id = m.batch_id
) a ON m.batch_id IS NOT NULL
LEFT JOIN LATERAL (
    SELECT x.errors, x.failed_at
    FROM courier.dead_letter x
    WHERE x.sequence = m.sequence AND x.generation = m.generation AND x.lane = m.lane
    ORDER BY x.id DESC LIMIT 1
) d ON m.state = 2;

CREATE VIEW courier.item_status AS
SELECT n.account, n.catalog, n.catalog_type, n.item_id, n.localization,
    n.status, n.operation, n.mutation_id, n.batch_id,
    s.operation AS last_succeeded_operation,
    s.finished_at AS last_succeeded_at,
    e.errors AS last_error,
    n.published_at, n.received_at, n.finished_at
FROM (
    SELECT DISTINCT ON (m.account, m.catalog, m.catalog_type, m.item_id, m.localization) m.*
    FROM courier.mutation_status m
    ORDER BY m.account, m.catalog, m.catalog_type, m.item_id, m.localization, m.stream_generation DESC, m.stream_sequence DESC
) n
LEFT JOIN LATERAL (
    SELECT m.operation, m.finished_at
    FROM courier.mutation_status m
    WHERE m.item_id = n.item_id AND m.account = n.account AND m.catalog = n.catalog AND m.catalog_type = n.catalog_type
        AND m.localization IS NOT DISTINCT FROM n.localization AND m.status = 'succeeded'
    ORDER BY m.stream_generation DESC, m.stream_sequence DESC LIMIT 1
) s ON true
LEFT JOIN LATERAL (
    SELECT m.errors
    FROM courier.mutation_status m
    WHERE m.item_id = n.item_id AND m.account = n.account AND m.catalog = n.catalog AND m.catalog_type = n.catalog_type
        AND m.localization IS NOT DISTINCT FROM n.localization AND m.errors IS NOT NULL
    ORDER BY m.stream_generation DESC, m.stream_sequence DESC LIMIT 1
) e ON true;

CREATE OR REPLACE VIEW courier.account_status AS
SELECT a.name AS account,
    a.platform,
    CASE
        WHEN a.state = 'active' AND q.blocked_until > now() THEN 'throttled'
        WHEN a.state <> 'active' AND NOT a.by_hand AND a.resumes_at <= now() THEN 'active'
        ELSE a.state
    END AS state,
    CASE
        WHEN a.state <> 'active' THEN nullif(a.reason, '')
        WHEN q.blocked_until > now() THEN 'quota of ' || q.blocked_scope
    END AS reason,
    CASE
        WHEN a.by_hand THEN NULL
        WHEN a.state <> 'active' THEN a.resumes_at
        WHEN q.blocked_until > now() THEN q.blocked_until
    END AS resumes_at,
    q.quota,
    coalesce(w.items, 0) + coalesce(u.items, 0) AS waiting_items,
    least(w.oldest, u.oldest) AS oldest_waiting_at,
    a.by_hand AS paused_by_hand,
    a.updated_at
FROM courier.account a
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(s.scope, s.quota) FILTER (WHERE s.quota IS NOT NULL) AS quota,
        max(s.blocked_until) AS blocked_until,
        (array_agg(s.scope ORDER BY s.blocked_until DESC NULLS LAST))[1] AS blocked_scope
    FROM courier.quota_scope s WHERE s.scope = ANY (a.scopes)
) q ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS items, min(w.received_at) AS oldest
    FROM courier.lane l JOIN courier.waiting w ON w.lane = l.id
    WHERE l.account = a.name
) w ON true
LEFT JOIN (
    SELECT l.account, sum(b.mutations)::bigint AS items, min(coalesce(b.oldest_received_at, b.created_at)) AS oldest
    FROM courier.batch b JOIN courier.lane l ON l.id = b.lane
    WHERE b.finished_at IS NULL
        AND (SELECT t.result FROM courier.attempt t WHERE t.batch_id = b.id ORDER BY t.number DESC LIMIT 1) IN (3, 4)
    GROUP BY l.account
) u ON u.account = a.name;
