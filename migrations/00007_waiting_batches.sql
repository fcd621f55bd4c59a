-- +goose Up

-- When the oldest mutation of the batch was received. Null in older rows.
ALTER TABLE courier.batch ADD COLUMN oldest_received_at timestamptz;

-- A batch whose last POST was certainly not taken (3), or was not made at all (4), is
-- at no platform: it waits for the end of a pause, of a hold, of a quota's window or
-- of a back-off. Its mutations say so, and its account counts them.
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

CREATE OR REPLACE VIEW courier.batch_status AS
SELECT b.id AS batch_id,
    l.account, l.catalog, l.catalog_type,
    CASE
        WHEN b.finished_at IS NOT NULL THEN b.state
        WHEN a.last_result IS NULL THEN 'sending'
        WHEN a.last_result = 1 THEN 'submitted'
        WHEN a.last_result = 2 THEN 'ambiguous'
        WHEN a.last_result = 4 THEN 'waiting'
        ELSE 'retrying'
    END AS state,
    b.records AS item_count,
    CASE WHEN b.finished_at IS NOT NULL THEN b.succeeded END AS succeeded,
    CASE WHEN b.finished_at IS NOT NULL THEN b.failed END AS failed,
    CASE WHEN b.finished_at IS NOT NULL THEN b.warned END AS warned,
    coalesce(a.handles, '{}') AS handles,
    coalesce(a.attempts, 1) AS attempts,
    CASE WHEN b.finished_at IS NULL THEN a.next_at END AS next_attempt_at,
    coalesce(b.error, a.last_error) AS last_error,
    b.created_at,
    a.submitted_at,
    b.finished_at,
    b.mutations AS mutation_count,
    b.request_group
FROM courier.batch b
JOIN courier.lane l ON l.id = b.lane
LEFT JOIN LATERAL (
    SELECT greatest(coalesce(max(t.number), 1) - count(*) FILTER (WHERE t.result = 4), 0)::integer AS attempts,
        (array_agg(t.result ORDER BY t.number DESC))[1] AS last_result,
        (array_agg(t.next_at ORDER BY t.number DESC))[1] AS next_at,
        -- That a batch had to wait is no error of one that is through.
        (array_agg(t.error ORDER BY t.number DESC) FILTER (WHERE t.error IS NOT NULL
            AND (b.finished_at IS NULL OR t.result IS DISTINCT FROM 4)))[1] AS last_error,
        coalesce(min(t.at) FILTER (WHERE t.result = 1), min(t.at) FILTER (WHERE t.result IS DISTINCT FROM 4)) AS submitted_at,
        (SELECT array_agg(h ORDER BY x.number, o) FROM courier.attempt x, unnest(x.handles) WITH ORDINALITY u(h, o)
         WHERE x.batch_id = b.id) AS handles
    FROM courier.attempt t WHERE t.batch_id = b.id
) a ON true;

-- Open batches are few, and found by the partial index batch_open: they are counted
-- together, as looking for those of each account would read that index as many times.
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

-- +goose Down
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
    SELECT greatest(max(t.number), 1) AS attempts,
        (array_agg(t.handles[1] ORDER BY t.number DESC) FILTER (WHERE t.result = 1))[1] AS handle,
        coalesce(min(t.at) FILTER (WHERE t.result = 1), min(t.at)) AS submitted_at
    FROM courier.attempt t WHERE t.batch_id = m.batch_id
) a ON m.batch_id IS NOT NULL
LEFT JOIN LATERAL (
    SELECT x.errors, x.failed_at
    FROM courier.dead_letter x
    WHERE x.sequence = m.sequence AND x.generation = m.generation AND x.lane = m.lane
    ORDER BY x.id DESC LIMIT 1
) d ON m.state = 2;

CREATE OR REPLACE VIEW courier.batch_status AS
SELECT b.id AS batch_id,
    l.account, l.catalog, l.catalog_type,
    CASE
        WHEN b.finished_at IS NOT NULL THEN b.state
        WHEN a.last_result IS NULL THEN 'sending'
        WHEN a.last_result = 1 THEN 'submitted'
        WHEN a.last_result = 2 THEN 'ambiguous'
        ELSE 'retrying'
    END AS state,
    b.records AS item_count,
    CASE WHEN b.finished_at IS NOT NULL THEN b.succeeded END AS succeeded,
    CASE WHEN b.finished_at IS NOT NULL THEN b.failed END AS failed,
    CASE WHEN b.finished_at IS NOT NULL THEN b.warned END AS warned,
    coalesce(a.handles, '{}') AS handles,
    coalesce(a.attempts, 1) AS attempts,
    CASE WHEN b.finished_at IS NULL THEN a.next_at END AS next_attempt_at,
    coalesce(b.error, a.last_error) AS last_error,
    b.created_at,
    a.submitted_at,
    b.finished_at,
    b.mutations AS mutation_count,
    b.request_group
FROM courier.batch b
JOIN courier.lane l ON l.id = b.lane
LEFT JOIN LATERAL (
    SELECT greatest(max(t.number), 1) AS attempts,
        (array_agg(t.result ORDER BY t.number DESC))[1] AS last_result,
        (array_agg(t.next_at ORDER BY t.number DESC))[1] AS next_at,
        (array_agg(t.error ORDER BY t.number DESC) FILTER (WHERE t.error IS NOT NULL))[1] AS last_error,
        coalesce(min(t.at) FILTER (WHERE t.result = 1), min(t.at)) AS submitted_at,
        (SELECT array_agg(h ORDER BY x.number, o) FROM courier.attempt x, unnest(x.handles) WITH ORDINALITY u(h, o)
         WHERE x.batch_id = b.id) AS handles
    FROM courier.attempt t WHERE t.batch_id = b.id
) a ON true;

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
    coalesce(w.items, 0) AS waiting_items,
    w.oldest AS oldest_waiting_at,
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
) w ON true;
ALTER TABLE courier.batch DROP COLUMN oldest_received_at;
