-- +goose Up

-- Which accounts and catalogs each running worker has in its configuration. It says so
-- itself with its first heartbeat, and its rows go with its own. A worker of an older
-- version says nothing: configured_at stays null, and nobody concludes from its silence.
ALTER TABLE courier.worker ADD COLUMN configured_at timestamptz;
CREATE TABLE courier.configured (
    worker  uuid NOT NULL REFERENCES courier.worker (id) ON DELETE CASCADE,
    account text NOT NULL,
    -- Empty in the row that names the account alone.
    catalog text NOT NULL DEFAULT '',
    PRIMARY KEY (worker, account, catalog)
);

-- How the calls of an account go, as the owner of its partition sees it. Beside
-- courier.account, which an operator writes too.
CREATE TABLE courier.account_health (
    account       text PRIMARY KEY,
    -- When a call last succeeded: written at most twice a minute.
    succeeded_at  timestamptz,
    -- Since when no call got a usable answer; null while they do.
    failing_since timestamptz,
    reason        text NOT NULL DEFAULT '',
    next_try_at   timestamptz,
    -- Until when the pace within a quota holds up the next POST, since when it has done so,
    -- and the quota's scope; null where it does not, or not for long.
    paced_until   timestamptz,
    paced_since   timestamptz,
    paced_by      text NOT NULL DEFAULT '',
    -- Why nothing at all is sent until then, '' where it is the pace.
    withheld      text NOT NULL DEFAULT '',
    updated_at    timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- since is when the account came into its state, by the database's clock. removing_at is
-- when somebody asked for it to be removed: the owner of its partition ends what is open.
ALTER TABLE courier.account ADD COLUMN since timestamptz, ADD COLUMN removing_at timestamptz;

-- Since when a scope has been blocked without a gap.
ALTER TABLE courier.quota_scope ADD COLUMN blocked_since timestamptz;

-- Why the owner of the partition cannot send anything of the lane, null where it can, and
-- when what waits becomes invalid.
ALTER TABLE courier.lane ADD COLUMN problem text, ADD COLUMN problem_since timestamptz, ADD COLUMN invalid_at timestamptz;

-- What failed lately, without reading batches that went well.
CREATE INDEX batch_failed ON courier.batch (finished_at) INCLUDE (lane, failed) WHERE failed > 0;

-- A time as sentences have it.
-- +goose StatementBegin
CREATE FUNCTION courier.moment(at timestamptz) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')
$$;
-- +goose StatementEnd

-- A quota scope as sentences have it: without the hash that tells credentials apart. A
-- catalog's id has digits only.
-- +goose StatementBegin
CREATE FUNCTION courier.scope_words(scope text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT regexp_replace(scope, '/(?=[0-9]*[a-f])[0-9a-f]{16}(?=/|$)', '', 'g')
$$;
-- +goose StatementEnd

-- Since when the pauses and refusals of an account are what they are. One by hand ends by
-- itself; what happened before says nothing of what holds the account up now.
-- +goose StatementBegin
CREATE FUNCTION courier.state_began(by_hand boolean, resumes_at timestamptz, since timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN by_hand AND resumes_at <= now() THEN resumes_at ELSE since END
$$;
-- +goose StatementEnd

-- What mutation_status and item_status are made of: all but the sentence that says why a
-- mutation waits, which costs a few look-ups for each row that has one.
CREATE VIEW courier.mutation_facts AS
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
    m.line AS stream_line,
    -- The day that the row is kept under: whoever knows it reads no other.
    m.day,
    m.lane,
    m.state = 0 AND b.id IS NOT NULL AND b.finished_at IS NULL AS open,
    m.state IN (0, 1) AND coalesce(o.result = 4, false) AS returned
FROM courier.mutation m
JOIN courier.lane l ON l.id = m.lane
LEFT JOIN courier.batch b ON b.id = m.batch_id
LEFT JOIN courier.record_outcome o ON o.batch_id = m.batch_id AND o.record = m.record
LEFT JOIN LATERAL (
    SELECT greatest(coalesce(max(t.number), 1) - count(*) FILTER (WHERE t.result = 4), 0)::integer AS attempts,
        (array_agg(t.result ORDER BY t.number DESC))[1] AS last_result,
        (array_agg(t.handles[1] ORDER BY t.number DESC) FILTER (WHERE t.result = 1))[1] AS handle,
        coalesce(min(t.at) FILTER (WHERE t.result = 1), min(t.at) FILTER (WHERE t.result = 2)) AS submitted_at
    FROM courier.attempt t WHERE t.batch_id = m.batch_id
) a ON m.batch_id IS NOT NULL
LEFT JOIN LATERAL (
    SELECT x.errors, x.failed_at,
        jsonb_build_array(jsonb_strip_nulls(jsonb_build_object('code', x.reason, 'attribute', x.field, 'message', x.text))) AS said
    FROM courier.dead_letter x
    WHERE (m.state = 2 OR o.result IN (2, 3))
        AND x.sequence = m.sequence AND x.line = m.line AND x.generation = m.generation
        -- Found by its place alone: without statistics the index by lane and id looks as good,
        -- and all dead letters of the lane would be read for each row.
        AND x.lane + 0 = m.lane
    ORDER BY x.id + 0 DESC LIMIT 1
) d ON true;

-- A mutation that waits, or is at the platform, says why in one sentence. Times in it are
-- UTC. Open batches are few, and so are lanes with a problem: what is looked up is small.
CREATE OR REPLACE VIEW courier.mutation_status AS
SELECT f.mutation_id, f.account, f.catalog, f.catalog_type, f.item_id, f.operation, f.status, f.superseded_by, f.batch_id, f.handle,
    f.attempts, f.errors, f.warnings, f.published_at, f.received_at, f.submitted_at, f.finished_at, f.localization,
    f.stream_generation, f.stream_sequence, f.day,
    CASE WHEN f.status IN ('waiting', 'submitted') THEN coalesce((
        SELECT CASE
            WHEN f.status = 'waiting' AND l.problem IS NOT NULL
                THEN l.problem || coalesce('; becomes invalid at ' || courier.moment(l.invalid_at), '')
            WHEN f.status = 'waiting' THEN coalesce(h.hold, t.said, h.pace)
            ELSE concat_ws('; ', coalesce(t.said, 'being sent'), l.problem, h.hold)
        END
        FROM courier.lane l
        LEFT JOIN courier.account a ON a.name = l.account
        LEFT JOIN courier.account_health i ON i.account = l.account
        CROSS JOIN LATERAL (
            SELECT CASE
                    WHEN NOT EXISTS (SELECT FROM courier.worker w WHERE w.seen_at > now() - interval '30 seconds')
                        THEN 'no worker runs'
                    WHEN a.by_hand AND (a.resumes_at IS NULL OR a.resumes_at > now())
                        THEN 'account paused by hand' || coalesce(' since ' || courier.moment(a.since), '') || coalesce(' until ' || courier.moment(a.resumes_at), '')
                            || coalesce(': ' || nullif(nullif(a.reason, ''), 'paused by hand'), '')
                    WHEN a.state = 'paused' AND NOT a.by_hand
                        THEN 'the platform rejects the account' || coalesce(' since ' || courier.moment(a.since), '') || coalesce(': ' || nullif(a.reason, ''), '')
                            || coalesce('; next try ' || courier.moment(CASE WHEN a.resumes_at > now() THEN a.resumes_at END), '')
                    WHEN i.failing_since IS NOT NULL
                        THEN 'calls to the platform fail since ' || courier.moment(i.failing_since) || ': ' || i.reason
                            || coalesce('; next try ' || courier.moment(CASE WHEN i.next_try_at > now() THEN i.next_try_at END), '')
                    WHEN a.state = 'throttled'
                        THEN a.reason || coalesce('; next try ' || courier.moment(CASE WHEN a.resumes_at > now() THEN a.resumes_at END), '')
                END AS hold,
                coalesce((SELECT 'waits for quota of ' || courier.scope_words(s.scope) || ' until ' || courier.moment(s.blocked_until)
                    FROM courier.quota_scope s WHERE s.scope = ANY (a.scopes) AND s.blocked_until > now()
                    ORDER BY s.blocked_until DESC LIMIT 1),
                    CASE WHEN i.paced_until > now() AND i.withheld <> '' THEN i.withheld || '; until ' || courier.moment(i.paced_until)
                        WHEN i.paced_until > now()
                        THEN 'waits, as requests are spread to keep within the quota of ' || courier.scope_words(i.paced_by) || '; the next goes at ' || courier.moment(i.paced_until) END) AS pace
        ) h
        LEFT JOIN LATERAL (
            SELECT CASE
                    WHEN x.result = 1 THEN 'sent, waiting for the platform''s answer' || coalesce('; ' || nullif(x.error, ''), '')
                    WHEN x.result = 2 THEN 'sent, and nobody knows whether it arrived' || coalesce(': ' || nullif(x.error, ''), '')
                    WHEN x.result = 3 THEN 'the platform did not take it' || coalesce(': ' || nullif(x.error, ''), '')
                    WHEN x.result = 4 AND x.at < courier.state_began(a.by_hand, a.resumes_at, a.since) THEN 'not sent yet'
                    WHEN x.result = 4 THEN coalesce(nullif(x.error, ''), 'not sent yet')
                    ELSE 'being sent since ' || courier.moment(x.at)
                END || coalesce(CASE x.result WHEN 4 THEN '; next look ' ELSE '; next try ' END
                    || courier.moment(CASE WHEN x.next_at > now() THEN x.next_at END), '') AS said
            FROM courier.attempt x WHERE f.open AND x.batch_id = f.batch_id ORDER BY x.number DESC LIMIT 1
        ) t ON true
        WHERE l.id = f.lane
    ), CASE
        -- Compared by equality only, and not within the look-up above: for many rows the
        -- server reads the open batches once then, and not once for each row.
        WHEN EXISTS (SELECT FROM courier.batch b JOIN courier.mutation e ON e.batch_id = b.id AND e.lane = b.lane
                WHERE b.finished_at IS NULL AND e.state = 0 AND e.lane = f.lane AND e.item_id = f.item_id
                    AND coalesce(e.localization, '') = coalesce(f.localization, ''))
            THEN 'behind an earlier change of the item, whose batch is not finished'
        WHEN f.returned THEN 'goes again with a later batch: the last one did not settle it'
        ELSE 'collected for the next batch'
    END) END AS reason,
    f.stream_line
FROM courier.mutation_facts f;

-- An error that a later change of the item put right is over.
CREATE OR REPLACE VIEW courier.item_status AS
SELECT i.account, i.catalog, i.catalog_type, i.item_id, i.localization,
    (i.newest).status, (i.newest).operation, (i.newest).mutation_id, (i.newest).batch_id,
    (i.succeeded).operation AS last_succeeded_operation,
    (i.succeeded).finished_at AS last_succeeded_at,
    CASE WHEN (i.succeeded).mutation_id IS NULL OR ((i.refused).stream_generation, (i.refused).stream_sequence, (i.refused).stream_line)
        > ((i.succeeded).stream_generation, (i.succeeded).stream_sequence, (i.succeeded).stream_line) THEN (i.refused).errors END AS last_error,
    (i.newest).published_at, (i.newest).received_at, (i.newest).finished_at,
    (i.newest).errors, (i.newest).attempts
FROM (
    SELECT m.account, m.catalog, m.catalog_type, m.item_id, m.localization,
        (array_agg(m ORDER BY m.stream_generation DESC, m.stream_sequence DESC, m.stream_line DESC))[1] AS newest,
        (array_agg(m ORDER BY m.stream_generation DESC, m.stream_sequence DESC, m.stream_line DESC) FILTER (WHERE m.status = 'succeeded'))[1] AS succeeded,
        (array_agg(m ORDER BY m.stream_generation DESC, m.stream_sequence DESC, m.stream_line DESC) FILTER (WHERE m.errors IS NOT NULL))[1] AS refused
    FROM courier.mutation_facts m
    GROUP BY m.account, m.catalog, m.catalog_type, m.item_id, m.localization
) i;

-- The trouble of earlier attempts is no error of a batch that is completed: it is told
-- apart, as recovered_error.
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
    coalesce(b.error, CASE WHEN b.state IS DISTINCT FROM 'completed' THEN a.last_error END) AS last_error,
    b.created_at,
    a.submitted_at,
    b.finished_at,
    b.mutations AS mutation_count,
    b.request_group,
    CASE WHEN b.state = 'completed' THEN a.last_error END AS recovered_error
FROM courier.batch b
JOIN courier.lane l ON l.id = b.lane
LEFT JOIN LATERAL (
    SELECT greatest(coalesce(max(t.number), 1) - count(*) FILTER (WHERE t.result = 4), 0)::integer AS attempts,
        (array_agg(t.result ORDER BY t.number DESC))[1] AS last_result,
        (array_agg(t.next_at ORDER BY t.number DESC))[1] AS next_at,
        -- That a batch had to wait is no error of one that is through.
        (array_agg(t.error ORDER BY t.number DESC) FILTER (WHERE t.error IS NOT NULL
            AND (b.finished_at IS NULL OR t.result IS DISTINCT FROM 4)))[1] AS last_error,
        coalesce(min(t.at) FILTER (WHERE t.result = 1), min(t.at) FILTER (WHERE t.result = 2)) AS submitted_at,
        (SELECT array_agg(h ORDER BY x.number, o) FROM courier.attempt x, unnest(x.handles) WITH ORDINALITY u(h, o)
         WHERE x.batch_id = b.id) AS handles
    FROM courier.attempt t WHERE t.batch_id = b.id
) a ON true;

-- One row for each account that is or was configured, and for each that is not and has
-- changes waiting. What is counted is read from open batches and waiting rows, which are
-- few, and from the batches that failed within the hour: never from mutations.
CREATE OR REPLACE VIEW courier.account_status AS
SELECT a.name AS account,
    a.platform,
    s.state,
    CASE s.state
        WHEN 'not configured' THEN CASE
            WHEN a.removing_at IS NOT NULL THEN 'the account is being removed'
            ELSE coalesce(p.problem || coalesce('; becomes invalid at ' || courier.moment(p.invalid_at), ''),
                'account "' || a.name || '" is in the configuration of no running worker')
        END
        WHEN 'paused' THEN CASE WHEN k.by_hand THEN coalesce(nullif(a.reason, ''), 'paused by hand') ELSE coalesce(nullif(a.reason, ''), u.why) END
        WHEN 'failing' THEN h.reason
        WHEN 'held' THEN coalesce(CASE WHEN h.paced_until > now() THEN nullif(h.withheld, '') END, nullif(a.reason, ''), u.why)
        WHEN 'throttled' THEN CASE
            WHEN q.blocked_until > now() THEN 'quota of ' || courier.scope_words(q.blocked_scope)
            WHEN h.paced_until > now() THEN 'requests are spread to keep within the quota of ' || courier.scope_words(h.paced_by)
            ELSE u.held_why
        END
        ELSE CASE
            WHEN w.stray > 0 THEN w.stray || CASE w.stray WHEN 1 THEN ' change waits: ' ELSE ' changes wait: ' END
                || coalesce(p.problem || coalesce('; becomes invalid at ' || courier.moment(p.invalid_at), ''), '')
            WHEN u.items > 0 THEN coalesce(u.lately, 'what was not taken before is sent again')
        END
    END AS reason,
    n.resumes_at,
    q.quota,
    coalesce(w.items, 0) + coalesce(u.items, 0) AS waiting_items,
    least(w.oldest, u.oldest) AS oldest_waiting_at,
    coalesce(k.by_hand, false) AS paused_by_hand,
    a.updated_at,
    CASE s.state WHEN 'failing' THEN h.failing_since WHEN 'paused' THEN a.since
        WHEN 'held' THEN CASE WHEN h.paced_until > now() AND h.withheld <> '' THEN h.paced_since ELSE a.since END
        WHEN 'throttled' THEN CASE WHEN q.blocked_until > now() THEN q.blocked_since WHEN h.paced_until > now() THEN h.paced_since ELSE u.held_since END
        WHEN 'not configured' THEN p.since END AS since,
    -- What is due by now is tried at once: the moment that was written may be some seconds old.
    CASE s.state WHEN 'failing' THEN coalesce(CASE WHEN h.next_try_at > now() THEN h.next_try_at END, CASE WHEN u.next_at > now() THEN u.next_at END, now()) ELSE n.resumes_at END AS next_attempt_at,
    h.succeeded_at AS last_succeeded_at,
    coalesce(u.under_way, 0) AS in_flight_items,
    coalesce(f.items, 0) AS failed_last_hour,
    least(w.oldest, u.oldest, u.oldest_under_way) AS oldest_unfinished_at,
    coalesce(u.batches, 0) AS open_batches,
    coalesce(k.known, false) AS configured
FROM (
    SELECT c.name, c.platform, c.scopes, c.state, c.by_hand, c.reason, c.resumes_at, c.updated_at, c.since, c.removing_at, true AS registered
    FROM courier.account c
    UNION ALL
    SELECT l.account, '', '{}', 'active', false, '', NULL, coalesce(min(l.problem_since), now()), NULL, NULL, false
    -- Lanes of no known account first, as they are few.
    FROM (SELECT x.id, x.account, x.problem_since FROM courier.lane x
        WHERE NOT EXISTS (SELECT FROM courier.account c WHERE c.name = x.account) OFFSET 0) l
    WHERE EXISTS (SELECT FROM courier.waiting w WHERE w.lane = l.id)
        OR EXISTS (SELECT FROM courier.batch b WHERE b.finished_at IS NULL AND b.lane = l.id)
    GROUP BY l.account
) a
CROSS JOIN (
    SELECT count(*) > 0 AND bool_and(w.configured_at IS NOT NULL) AS told
    FROM courier.worker w WHERE w.seen_at > now() - interval '30 seconds'
) r
LEFT JOIN (
    SELECT DISTINCT g.account FROM courier.configured g JOIN courier.worker w ON w.id = g.worker
    WHERE w.seen_at > now() - interval '30 seconds'
) c ON c.account = a.name
LEFT JOIN courier.account_health h ON h.account = a.name
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(s.scope, s.quota) FILTER (WHERE s.quota IS NOT NULL) AS quota,
        max(s.blocked_until) AS blocked_until,
        (array_agg(s.blocked_since ORDER BY s.blocked_until DESC NULLS LAST))[1] AS blocked_since,
        (array_agg(s.scope ORDER BY s.blocked_until DESC NULLS LAST))[1] AS blocked_scope
    FROM courier.quota_scope s WHERE s.scope = ANY (a.scopes)
) q ON true
LEFT JOIN (
    -- Sequences only grow, so the first row of a lane is its oldest: counting reads the
    -- index alone, as the rows have whole messages in them.
    SELECT l.account, sum(n.items)::bigint AS items, min(o.received_at) AS oldest,
        (sum(n.items) FILTER (WHERE l.problem IS NOT NULL))::bigint AS stray
    FROM (SELECT w.lane, count(*) AS items FROM courier.waiting w GROUP BY w.lane) n
    JOIN courier.lane l ON l.id = n.lane
    CROSS JOIN LATERAL (SELECT w.received_at FROM courier.waiting w WHERE w.lane = n.lane ORDER BY w.generation, w.sequence LIMIT 1) o
    GROUP BY l.account
) w ON w.account = a.name
LEFT JOIN (
    SELECT l.account, min(l.problem) AS problem, min(l.invalid_at) AS invalid_at, min(l.problem_since) AS since
    FROM courier.lane l WHERE l.problem IS NOT NULL GROUP BY l.account
) p ON p.account = a.name
LEFT JOIN (
    SELECT l.account, count(*) AS batches,
        (sum(b.mutations) FILTER (WHERE t.result IN (3, 4)))::bigint AS items,
        (sum(b.mutations) FILTER (WHERE t.result IS NULL OR t.result IN (1, 2)))::bigint AS under_way,
        min(coalesce(b.oldest_received_at, b.created_at)) FILTER (WHERE t.result IN (3, 4)) AS oldest,
        min(coalesce(b.oldest_received_at, b.created_at)) AS oldest_under_way,
        -- What was before the account came into its state is no reason for it: the refusal
        -- that paused it, after it was resumed, or the pause itself.
        coalesce(bool_or(t.result = 4 AND t.lately), false) AS held,
        min(t.at) FILTER (WHERE t.result = 4 AND t.lately) AS held_since,
        (array_agg(t.error ORDER BY b.id) FILTER (WHERE t.error <> '' AND t.result = 4 AND t.lately))[1] AS held_why,
        coalesce((array_agg(t.error ORDER BY b.id) FILTER (WHERE t.error <> '' AND t.result IN (3, 4) AND t.lately))[1],
            CASE WHEN bool_or(t.result IN (3, 4) AND t.lately) THEN 'the last request was not taken' END) AS lately,
        min(t.next_at) FILTER (WHERE t.result IN (3, 4)) AS next_at,
        coalesce((array_agg(t.error ORDER BY b.id) FILTER (WHERE t.error <> '' AND t.result IN (3, 4)))[1], 'the last request was not taken') AS why
    FROM courier.batch b JOIN courier.lane l ON l.id = b.lane
    LEFT JOIN courier.account c ON c.name = l.account
    LEFT JOIN LATERAL (
        SELECT x.result, x.error, x.next_at, x.at, coalesce(x.at >= courier.state_began(c.by_hand, c.resumes_at, c.since), true) AS lately
        FROM courier.attempt x WHERE x.batch_id = b.id ORDER BY x.number DESC LIMIT 1
    ) t ON true
    WHERE b.finished_at IS NULL
    GROUP BY l.account
) u ON u.account = a.name
LEFT JOIN (
    SELECT l.account, sum(b.failed)::bigint AS items
    FROM courier.batch b JOIN courier.lane l ON l.id = b.lane
    WHERE b.failed > 0 AND b.finished_at > now() - interval '1 hour'
    GROUP BY l.account
) f ON f.account = a.name
CROSS JOIN LATERAL (
    SELECT a.registered AND (c.account IS NOT NULL OR NOT r.told) AS known,
        a.by_hand AND (a.resumes_at IS NULL OR a.resumes_at > now()) AS by_hand,
        -- A pause whose time is over ends with the next call: until it was made, if there
        -- is anything to call for, it stands.
        a.resumes_at IS NULL OR a.resumes_at > now() OR coalesce(w.items, 0) + coalesce(u.batches, 0) > 0 AS stands,
        coalesce(w.items, 0) + coalesce(u.batches, 0) > 0 AS busy
) k
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN NOT k.known THEN 'not configured'
        WHEN k.by_hand OR a.state = 'paused' AND NOT a.by_hand AND k.stands THEN 'paused'
        WHEN h.failing_since IS NOT NULL AND k.busy THEN 'failing'
        WHEN a.state = 'throttled' AND k.stands THEN 'held'
        WHEN h.paced_until > now() AND h.withheld <> '' THEN 'held'
        WHEN q.blocked_until > now() OR h.paced_until > now() OR u.held THEN 'throttled'
        ELSE 'active'
    END AS state
) s
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN s.state = 'held' AND h.paced_until > now() AND h.withheld <> '' THEN h.paced_until
        WHEN s.state IN ('paused', 'held') AND a.resumes_at > now() THEN a.resumes_at
        WHEN s.state = 'throttled' AND q.blocked_until > now() THEN q.blocked_until
        WHEN s.state = 'throttled' AND h.paced_until > now() THEN h.paced_until
        WHEN s.state = 'throttled' AND u.next_at > now() THEN u.next_at
    END AS resumes_at
) n;

-- What every view and column is, for whoever opens the database with a tool of theirs.
COMMENT ON VIEW courier.mutation_status IS 'One row for each change that was published: what became of it, and why it is not final yet. Ask with mutation_id, or with account, catalog and item_id.';
COMMENT ON COLUMN courier.mutation_status.account IS 'The account, as the configuration names it.';
COMMENT ON COLUMN courier.mutation_status.attempts IS 'How often it was sent.';
COMMENT ON COLUMN courier.mutation_status.batch_id IS 'The batch that carries it or carried it last; its time is in the id.';
COMMENT ON COLUMN courier.mutation_status.catalog IS 'The catalog, as the configuration names it.';
COMMENT ON COLUMN courier.mutation_status.catalog_type IS 'The type of the items, such as RETAIL or PRODUCT_ITEM.';
COMMENT ON COLUMN courier.mutation_status.day IS 'The day that the row is kept under: a condition on it reads no other day.';
COMMENT ON COLUMN courier.mutation_status.errors IS 'The errors of the platform or of the rules, as a list with code, attribute and message.';
COMMENT ON COLUMN courier.mutation_status.finished_at IS 'When it became final; null before.';
COMMENT ON COLUMN courier.mutation_status.handle IS 'The name under which the platform works on the batch.';
COMMENT ON COLUMN courier.mutation_status.item_id IS 'The id of the item at the platform.';
COMMENT ON COLUMN courier.mutation_status.localization IS 'The country and language of a localized change; null for the item itself.';
COMMENT ON COLUMN courier.mutation_status.mutation_id IS 'The id that the producer gave the change.';
COMMENT ON COLUMN courier.mutation_status.operation IS 'CREATE, UPSERT, UPDATE, DELETE or DELETE_DISCONTINUED.';
COMMENT ON COLUMN courier.mutation_status.published_at IS 'When it was published, by the clock of NATS.';
COMMENT ON COLUMN courier.mutation_status.reason IS 'Why a waiting or submitted change is not final, in one sentence with times in UTC; null for others.';
COMMENT ON COLUMN courier.mutation_status.received_at IS 'When a worker received it.';
COMMENT ON COLUMN courier.mutation_status.status IS 'waiting: at no platform. submitted: sent or being sent. Final: succeeded, failed, invalid (never sent), superseded (a newer change took its place), unconfirmed (the platform never said).';
COMMENT ON COLUMN courier.mutation_status.stream_generation IS 'Counts how often the stream was restored to an older copy.';
COMMENT ON COLUMN courier.mutation_status.stream_line IS 'Which line of a pack it is, from 1; 0 for a message of its own.';
COMMENT ON COLUMN courier.mutation_status.stream_sequence IS 'The place in the stream.';
COMMENT ON COLUMN courier.mutation_status.submitted_at IS 'When the platform first took the batch.';
COMMENT ON COLUMN courier.mutation_status.superseded_by IS 'The change that took its place.';
COMMENT ON COLUMN courier.mutation_status.warnings IS 'Warnings of the platform and of the rules, as a list; nothing has to be done at once.';
COMMENT ON VIEW courier.mutation_facts IS 'What mutation_status is made of, without its column reason. Use mutation_status.';
COMMENT ON COLUMN courier.mutation_facts.account IS 'The account, as the configuration names it.';
COMMENT ON COLUMN courier.mutation_facts.attempts IS 'How often it was sent.';
COMMENT ON COLUMN courier.mutation_facts.batch_id IS 'The batch that carries it or carried it last; its time is in the id.';
COMMENT ON COLUMN courier.mutation_facts.catalog IS 'The catalog, as the configuration names it.';
COMMENT ON COLUMN courier.mutation_facts.catalog_type IS 'The type of the items, such as RETAIL or PRODUCT_ITEM.';
COMMENT ON COLUMN courier.mutation_facts.day IS 'The day that the row is kept under.';
COMMENT ON COLUMN courier.mutation_facts.errors IS 'The errors of the platform or of the rules, as a list with code, attribute and message.';
COMMENT ON COLUMN courier.mutation_facts.finished_at IS 'When it became final; null before.';
COMMENT ON COLUMN courier.mutation_facts.handle IS 'The name under which the platform works on the batch.';
COMMENT ON COLUMN courier.mutation_facts.item_id IS 'The id of the item at the platform.';
COMMENT ON COLUMN courier.mutation_facts.lane IS 'The number of account, catalog and type.';
COMMENT ON COLUMN courier.mutation_facts.localization IS 'The country and language of a localized change; null for the item itself.';
COMMENT ON COLUMN courier.mutation_facts.mutation_id IS 'The id that the producer gave the change.';
COMMENT ON COLUMN courier.mutation_facts.open IS 'Whether its batch is not finished.';
COMMENT ON COLUMN courier.mutation_facts.operation IS 'CREATE, UPSERT, UPDATE, DELETE or DELETE_DISCONTINUED.';
COMMENT ON COLUMN courier.mutation_facts.published_at IS 'When it was published, by the clock of NATS.';
COMMENT ON COLUMN courier.mutation_facts.received_at IS 'When a worker received it.';
COMMENT ON COLUMN courier.mutation_facts.returned IS 'Whether its last batch gave it back to be sent again.';
COMMENT ON COLUMN courier.mutation_facts.status IS 'As in mutation_status.';
COMMENT ON COLUMN courier.mutation_facts.stream_generation IS 'Counts how often the stream was restored to an older copy.';
COMMENT ON COLUMN courier.mutation_facts.stream_line IS 'Which line of a pack it is, from 1; 0 for a message of its own.';
COMMENT ON COLUMN courier.mutation_facts.stream_sequence IS 'The place in the stream.';
COMMENT ON COLUMN courier.mutation_facts.submitted_at IS 'When the platform first took the batch.';
COMMENT ON COLUMN courier.mutation_facts.superseded_by IS 'The change that took its place.';
COMMENT ON COLUMN courier.mutation_facts.warnings IS 'Warnings of the platform and of the rules, as a list; nothing has to be done at once.';
COMMENT ON VIEW courier.item_status IS 'One row for each item that has changes within the retention: its newest change, and its last success. Ask with account, catalog and item_id.';
-- In a block, as sqlc does not see the columns of this view.
-- +goose StatementBegin
DO $$ BEGIN
    COMMENT ON COLUMN courier.item_status.account IS 'The account, as the configuration names it.';
    COMMENT ON COLUMN courier.item_status.attempts IS 'How often its newest change was sent.';
    COMMENT ON COLUMN courier.item_status.batch_id IS 'The batch that carries it or carried it last; its time is in the id.';
    COMMENT ON COLUMN courier.item_status.catalog IS 'The catalog, as the configuration names it.';
    COMMENT ON COLUMN courier.item_status.catalog_type IS 'The type of the items, such as RETAIL or PRODUCT_ITEM.';
    COMMENT ON COLUMN courier.item_status.errors IS 'The errors of its newest change.';
    COMMENT ON COLUMN courier.item_status.finished_at IS 'When it became final; null before.';
    COMMENT ON COLUMN courier.item_status.item_id IS 'The id of the item at the platform.';
    COMMENT ON COLUMN courier.item_status.last_error IS 'The errors of its last change that failed, unless a later one succeeded.';
    COMMENT ON COLUMN courier.item_status.last_succeeded_at IS 'When its last change that succeeded became final.';
    COMMENT ON COLUMN courier.item_status.last_succeeded_operation IS 'The operation of its last change that succeeded.';
    COMMENT ON COLUMN courier.item_status.localization IS 'The country and language of a localized change; null for the item itself.';
    COMMENT ON COLUMN courier.item_status.mutation_id IS 'Its newest change.';
    COMMENT ON COLUMN courier.item_status.operation IS 'CREATE, UPSERT, UPDATE, DELETE or DELETE_DISCONTINUED.';
    COMMENT ON COLUMN courier.item_status.published_at IS 'When it was published, by the clock of NATS.';
    COMMENT ON COLUMN courier.item_status.received_at IS 'When a worker received it.';
    COMMENT ON COLUMN courier.item_status.status IS 'The status of its newest change, see mutation_status.';
END $$;
-- +goose StatementEnd
COMMENT ON VIEW courier.batch_status IS 'One row for each batch: what was sent together, and how that ended.';
COMMENT ON COLUMN courier.batch_status.account IS 'The account, as the configuration names it.';
COMMENT ON COLUMN courier.batch_status.attempts IS 'How often it was sent.';
COMMENT ON COLUMN courier.batch_status.batch_id IS 'The id of the batch; its time is in it.';
COMMENT ON COLUMN courier.batch_status.catalog IS 'The catalog, as the configuration names it.';
COMMENT ON COLUMN courier.batch_status.catalog_type IS 'The type of the items, such as RETAIL or PRODUCT_ITEM.';
COMMENT ON COLUMN courier.batch_status.created_at IS 'When it was cut.';
COMMENT ON COLUMN courier.batch_status.failed IS 'How many items failed; null before it is finished.';
COMMENT ON COLUMN courier.batch_status.finished_at IS 'When it became final; null before.';
COMMENT ON COLUMN courier.batch_status.handles IS 'The names under which the platform works on it.';
COMMENT ON COLUMN courier.batch_status.item_count IS 'How many items it has.';
COMMENT ON COLUMN courier.batch_status.last_error IS 'Its own error, or that of the last attempt while it is open. Null for a batch that is completed without one.';
COMMENT ON COLUMN courier.batch_status.mutation_count IS 'How many changes it carries; several of one item can be one record.';
COMMENT ON COLUMN courier.batch_status.next_attempt_at IS 'When it is sent again, where that is known.';
COMMENT ON COLUMN courier.batch_status.recovered_error IS 'The error of an earlier attempt of a batch that was completed all the same.';
COMMENT ON COLUMN courier.batch_status.request_group IS 'What its records have in common, where a platform takes only one kind in a request.';
COMMENT ON COLUMN courier.batch_status.state IS 'Open: sending, submitted (the platform works on it), ambiguous (nobody knows whether it arrived), retrying (not taken), waiting (not sent yet). Finished: completed, refused (as a whole) or abandoned.';
COMMENT ON COLUMN courier.batch_status.submitted_at IS 'When the platform first took the batch.';
COMMENT ON COLUMN courier.batch_status.succeeded IS 'How many items succeeded; null before it is finished.';
COMMENT ON COLUMN courier.batch_status.warned IS 'How many items have warnings; null before it is finished.';
COMMENT ON VIEW courier.account_status IS 'One row for each account: its state, what waits, and why. An account that no worker has configured is in it while it has anything.';
COMMENT ON COLUMN courier.account_status.account IS 'The account, as the configuration names it.';
COMMENT ON COLUMN courier.account_status.configured IS 'Whether a running worker has it in its configuration.';
COMMENT ON COLUMN courier.account_status.failed_last_hour IS 'Items that failed in batches that ended within the hour.';
COMMENT ON COLUMN courier.account_status.in_flight_items IS 'Changes in batches that are being sent or that the platform works on.';
COMMENT ON COLUMN courier.account_status.last_succeeded_at IS 'When a call last succeeded, to half a minute.';
COMMENT ON COLUMN courier.account_status.next_attempt_at IS 'When the platform is called again, where that is known.';
COMMENT ON COLUMN courier.account_status.oldest_unfinished_at IS 'When the oldest change was received that is not final, also where it is at the platform.';
COMMENT ON COLUMN courier.account_status.oldest_waiting_at IS 'When the oldest of them was received.';
COMMENT ON COLUMN courier.account_status.open_batches IS 'Batches that are not finished.';
COMMENT ON COLUMN courier.account_status.paused_by_hand IS 'Whether an operator paused it.';
COMMENT ON COLUMN courier.account_status.platform IS 'The platform of the account; empty where no worker ever had it.';
COMMENT ON COLUMN courier.account_status.quota IS 'What the platform told of its limits, by scope.';
COMMENT ON COLUMN courier.account_status.reason IS 'Why, in words; null where there is nothing to say.';
COMMENT ON COLUMN courier.account_status.resumes_at IS 'When a pause, a hold or a block of a quota ends. Never in the past; null where nobody knows.';
COMMENT ON COLUMN courier.account_status.since IS 'Since when it is in this state, where that is known.';
COMMENT ON COLUMN courier.account_status.state IS 'active; failing: calls get no usable answer; held: the platform rejects every batch of a catalog, or nothing is sent until a loss of the database is over; throttled: a quota sets the pace; paused: by hand, or the platform rejects the account; not configured: no running worker has it.';
COMMENT ON COLUMN courier.account_status.updated_at IS 'When its pause or hold last changed.';
COMMENT ON COLUMN courier.account_status.waiting_items IS 'Changes that are at no platform: with a row of their own, or in a batch that was not sent or not taken.';
COMMENT ON VIEW courier.dead_letters IS 'Changes that are not sent again automatically: the whole message, and why.';
COMMENT ON COLUMN courier.dead_letters.account IS 'The account, as the configuration names it.';
COMMENT ON COLUMN courier.dead_letters.batch_id IS 'The batch that carried it last; null when it was never sent.';
COMMENT ON COLUMN courier.dead_letters.body IS 'The message; null when it is not kept any more.';
COMMENT ON COLUMN courier.dead_letters.catalog IS 'The catalog, as the configuration names it.';
COMMENT ON COLUMN courier.dead_letters.catalog_type IS 'The type of the items, such as RETAIL or PRODUCT_ITEM.';
COMMENT ON COLUMN courier.dead_letters.failed_at IS 'When it was given up.';
COMMENT ON COLUMN courier.dead_letters.headers IS 'The headers of the message, as a list of name and value.';
COMMENT ON COLUMN courier.dead_letters.id IS 'Its number.';
COMMENT ON COLUMN courier.dead_letters.item_id IS 'The id of the item at the platform.';
COMMENT ON COLUMN courier.dead_letters.localization IS 'The country and language of a localized change; null for the item itself.';
COMMENT ON COLUMN courier.dead_letters.lost_bytes IS 'How many bytes of the message were dropped, past the limit of the account; null when it is whole.';
COMMENT ON COLUMN courier.dead_letters.mutation_id IS 'The id that the producer gave the change.';
COMMENT ON COLUMN courier.dead_letters.operation IS 'CREATE, UPSERT, UPDATE, DELETE or DELETE_DISCONTINUED.';
COMMENT ON COLUMN courier.dead_letters.reason_code IS 'Why, as a code: "worker dead-letters list" takes it.';
COMMENT ON COLUMN courier.dead_letters.reason_text IS 'Why, in words.';
COMMENT ON COLUMN courier.dead_letters.replayed_at IS 'When it was last published again; null before.';
COMMENT ON COLUMN courier.dead_letters.stream_generation IS 'Counts how often the stream was restored to an older copy.';
COMMENT ON COLUMN courier.dead_letters.stream_sequence IS 'The place in the stream.';
COMMENT ON COLUMN courier.dead_letters.subject IS 'The subject that it was published on.';
COMMENT ON COLUMN courier.source_status.account IS 'The account, as the configuration names it.';
COMMENT ON COLUMN courier.source_status.catalog IS 'The catalog, as the configuration names it.';
COMMENT ON COLUMN courier.source_status.catalog_type IS 'The type of the items, such as RETAIL or PRODUCT_ITEM.';
COMMENT ON COLUMN courier.source_status.finished_at IS 'When the last run ended.';
COMMENT ON COLUMN courier.source_status.invalid IS 'Items of the last run that break a rule.';
COMMENT ON COLUMN courier.source_status.items IS 'Items of the source that the destination has.';
COMMENT ON COLUMN courier.source_status.last_good_at IS 'When a run last ended well.';
COMMENT ON COLUMN courier.source_status.last_webhook_at IS 'When a webhook last came.';
COMMENT ON COLUMN courier.source_status.reason IS 'Why it ended so.';
COMMENT ON COLUMN courier.source_status.run IS 'The last run.';
COMMENT ON COLUMN courier.source_status.running IS 'Whether a run is under way.';
COMMENT ON COLUMN courier.source_status.silent IS 'Whether nothing came for longer than the source may be silent.';
COMMENT ON COLUMN courier.source_status.snapshot_at IS 'From when the state of the source is that was last read.';
COMMENT ON COLUMN courier.source_status.source IS 'The name of the source.';
COMMENT ON COLUMN courier.source_status.started_at IS 'When the last run began.';
COMMENT ON COLUMN courier.source_status.state IS 'How the last run ended, or that it is under way.';
COMMENT ON COLUMN courier.source_runs.approved IS 'Whether an operator approved what was withheld.';
COMMENT ON COLUMN courier.source_runs.bytes_read IS 'Bytes of the feed that it read.';
COMMENT ON COLUMN courier.source_runs.findings IS 'What was wrong with single entries, as a list.';
COMMENT ON COLUMN courier.source_runs.finished_at IS 'When it ended; null before.';
COMMENT ON COLUMN courier.source_runs.items_read IS 'Items that it read.';
COMMENT ON COLUMN courier.source_runs.progress_at IS 'When it last got on.';
COMMENT ON COLUMN courier.source_runs.published IS 'Changes that it published.';
COMMENT ON COLUMN courier.source_runs.reason IS 'Why it ended so.';
COMMENT ON COLUMN courier.source_runs.routes IS 'Counts and decisions for each route, as a list.';
COMMENT ON COLUMN courier.source_runs.run IS 'The number of the run.';
COMMENT ON COLUMN courier.source_runs.snapshot_at IS 'From when the state of the source is that it read.';
COMMENT ON COLUMN courier.source_runs.source IS 'The name of the source.';
COMMENT ON COLUMN courier.source_runs.started_at IS 'When it began.';
COMMENT ON COLUMN courier.source_runs.state IS 'How it ended, or that it is under way.';
COMMENT ON COLUMN courier.source_runs.to_publish IS 'Changes that it found.';
COMMENT ON COLUMN courier.source_runs.trigger IS 'What started it.';
COMMENT ON COLUMN courier.source_items.account IS 'The account, as the configuration names it.';
COMMENT ON COLUMN courier.source_items.attributes IS 'The names of the attributes that were last sent.';
COMMENT ON COLUMN courier.source_items.catalog IS 'The catalog, as the configuration names it.';
COMMENT ON COLUMN courier.source_items.catalog_type IS 'The type of the items, such as RETAIL or PRODUCT_ITEM.';
COMMENT ON COLUMN courier.source_items.changed_at IS 'When it last changed in the source.';
COMMENT ON COLUMN courier.source_items.gone IS 'Whether a deletion was sent last.';
COMMENT ON COLUMN courier.source_items.group_id IS 'The product that it belongs to.';
COMMENT ON COLUMN courier.source_items.item_id IS 'The id of the item.';
COMMENT ON COLUMN courier.source_items.missing IS 'In how many complete runs in a row it was not in the feed.';
COMMENT ON COLUMN courier.source_items.revision IS 'Counts the changes that were sent of it.';
COMMENT ON COLUMN courier.source_items.sent_at IS 'When its last change was sent.';
COMMENT ON COLUMN courier.source_items.source IS 'The name of the source.';
COMMENT ON COLUMN courier.webhook_deliveries.attempts IS 'How often it was taken in.';
COMMENT ON COLUMN courier.webhook_deliveries.body_bytes IS 'How many bytes it had.';
COMMENT ON COLUMN courier.webhook_deliveries.delivery_id IS 'The id that the sender gave it.';
COMMENT ON COLUMN courier.webhook_deliveries.findings IS 'What was wrong with single entries, as a list.';
COMMENT ON COLUMN courier.webhook_deliveries.headers IS 'Its headers.';
COMMENT ON COLUMN courier.webhook_deliveries.id IS 'Its number.';
COMMENT ON COLUMN courier.webhook_deliveries.older IS 'Items of which something newer was known.';
COMMENT ON COLUMN courier.webhook_deliveries.published IS 'Changes that were published of it.';
COMMENT ON COLUMN courier.webhook_deliveries.reason IS 'Why it ended so.';
COMMENT ON COLUMN courier.webhook_deliveries.received_at IS 'When it came.';
COMMENT ON COLUMN courier.webhook_deliveries.replayed_at IS 'When it was last taken in again; null before.';
COMMENT ON COLUMN courier.webhook_deliveries.retry_at IS 'When it is taken in again.';
COMMENT ON COLUMN courier.webhook_deliveries.source IS 'The name of the source.';
COMMENT ON COLUMN courier.webhook_deliveries.state IS 'What became of it.';
COMMENT ON COLUMN courier.webhook_deliveries.topic IS 'What it is about, as the sender says.';
COMMENT ON COLUMN courier.webhook_deliveries.unchanged IS 'Items that it did not change.';
COMMENT ON FUNCTION courier.item(text, text, text, text) IS 'The newest change of one item: account, catalog, item id, localization. In milliseconds, however many changes there are.';
COMMENT ON FUNCTION courier.items(text, text, text, integer) IS 'The items of a catalog, newest change first, page by page: account, catalog, the place that the last page ended at, how many.';
COMMENT ON FUNCTION courier.first_id(date) IS 'The least batch id of a day: WHERE batch_id >= courier.first_id(...) reads no older day.';
COMMENT ON FUNCTION courier.readable(bytea) IS 'Bytes as text: as they are where they are UTF-8, escaped otherwise.';
COMMENT ON FUNCTION courier.moment(timestamptz) IS 'A time as sentences have it, in UTC.';

-- A plan sends nothing: neither one that failed nor one under way says how a source is.
CREATE OR REPLACE VIEW courier.source_status AS
SELECT s.name AS source, r.account, r.catalog, r.catalog_type,
    (SELECT count(*) FROM courier.source_item i WHERE i.route = r.id AND i.revision > 0 AND NOT i.gone) AS items,
    coalesce((route.counts #>> '{counts,invalid}')::bigint, 0) AS invalid, run.state,
    CASE WHEN run.state IN ('withheld', 'invalid', 'stopped') THEN route.counts ->> 'reason' ELSE run.reason END AS reason, run.id AS run, run.started_at, run.finished_at, s.snapshot_at,
    good.finished_at AS last_good_at, s.webhook_at AS last_webhook_at,
    coalesce(greatest(good.finished_at, s.webhook_at, s.created_at) < now() - s.silent_after, false) AS silent,
    s.runner_until IS NOT NULL AND s.runner_until > now() AS running
FROM courier.source s
JOIN courier.source_route r ON r.source = s.id
LEFT JOIN LATERAL (SELECT x.* FROM courier.source_run x WHERE x.source = s.id AND x.state <> 'planned' AND x.trigger <> 'plan' ORDER BY x.id DESC LIMIT 1) run ON true
LEFT JOIN LATERAL (SELECT x.finished_at FROM courier.source_run x
    WHERE x.source = s.id AND x.state IN ('done', 'unchanged', 'withheld') ORDER BY x.id DESC LIMIT 1) good ON true
LEFT JOIN LATERAL (SELECT c.entry AS counts FROM jsonb_array_elements(coalesce((
        SELECT x.counts FROM courier.source_run x WHERE x.source = s.id AND x.state NOT IN ('planned', 'unchanged', 'reading') AND x.trigger <> 'plan' ORDER BY x.id DESC LIMIT 1), '[]')) AS c(entry)
    WHERE c.entry ->> 'route' = r.account || '/' || r.catalog || '/' || r.catalog_type LIMIT 1) route ON true;

-- +goose Down
CREATE OR REPLACE VIEW courier.source_status AS
SELECT s.name AS source, r.account, r.catalog, r.catalog_type,
    (SELECT count(*) FROM courier.source_item i WHERE i.route = r.id AND i.revision > 0 AND NOT i.gone) AS items,
    coalesce((route.counts #>> '{counts,invalid}')::bigint, 0) AS invalid, run.state,
    CASE WHEN run.state IN ('withheld', 'invalid', 'stopped') THEN route.counts ->> 'reason' ELSE run.reason END AS reason, run.id AS run, run.started_at, run.finished_at, s.snapshot_at,
    good.finished_at AS last_good_at, s.webhook_at AS last_webhook_at,
    coalesce(greatest(good.finished_at, s.webhook_at, s.created_at) < now() - s.silent_after, false) AS silent,
    s.runner_until IS NOT NULL AND s.runner_until > now() AS running
FROM courier.source s
JOIN courier.source_route r ON r.source = s.id
LEFT JOIN LATERAL (SELECT x.* FROM courier.source_run x WHERE x.source = s.id AND x.state <> 'planned' ORDER BY x.id DESC LIMIT 1) run ON true
LEFT JOIN LATERAL (SELECT x.finished_at FROM courier.source_run x
    WHERE x.source = s.id AND x.state IN ('done', 'unchanged', 'withheld') ORDER BY x.id DESC LIMIT 1) good ON true
LEFT JOIN LATERAL (SELECT c.entry AS counts FROM jsonb_array_elements(coalesce((
        SELECT x.counts FROM courier.source_run x WHERE x.source = s.id AND x.state NOT IN ('planned', 'unchanged', 'reading') ORDER BY x.id DESC LIMIT 1), '[]')) AS c(entry)
    WHERE c.entry ->> 'route' = r.account || '/' || r.catalog || '/' || r.catalog_type LIMIT 1) route ON true;
DROP VIEW courier.item_status, courier.mutation_status, courier.mutation_facts, courier.batch_status, courier.account_status;
CREATE VIEW courier.mutation_status AS
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

CREATE VIEW courier.item_status AS
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

CREATE VIEW courier.batch_status AS
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

CREATE VIEW courier.account_status AS
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

DROP FUNCTION courier.moment, courier.scope_words, courier.state_began;
DROP INDEX courier.batch_failed;
DROP TABLE courier.configured, courier.account_health;
ALTER TABLE courier.quota_scope DROP COLUMN blocked_since;
ALTER TABLE courier.lane DROP COLUMN problem, DROP COLUMN problem_since, DROP COLUMN invalid_at;
ALTER TABLE courier.account DROP COLUMN since, DROP COLUMN removing_at;
ALTER TABLE courier.worker DROP COLUMN configured_at;
