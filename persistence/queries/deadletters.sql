-- name: DeadLetters :many
-- Oldest first. A page is bounded by rows and by bytes: what comes after max_bytes is left
-- out. The length of a body is known without reading it.
SELECT b.id, b.mutation_id, b.account, b.catalog, b.catalog_type, b.item_id, b.localization, b.operation, b.subject,
    CASE WHEN sqlc.arg(whole)::boolean THEN b.headers ELSE '{}'::bytea[] END::bytea[] AS headers,
    CASE WHEN sqlc.arg(whole)::boolean THEN b.body ELSE ''::bytea END::bytea AS body,
    b.reason, b.field, b.text, b.failed_at, b.replayed_at, b.generation, b.sequence, b.line, b.lost,
    b.batch_id, b.errors, b.replayed_by, b.replaced_by, b.dismissed_at, b.dismissed_by, b.dismiss_reason, b.resolved_at, a.platform
FROM (
SELECT d.id, d.mutation_id, l.account, l.catalog, l.catalog_type, d.item_id, d.localization, d.operation, d.subject,
    d.headers, d.body, d.reason, d.field, d.text, d.failed_at, d.replayed_at, d.generation, d.sequence, d.line, d.lost,
    d.batch_id, d.errors, d.replayed_by, d.replaced_by, d.dismissed_at, d.dismissed_by, d.dismiss_reason, d.resolved_at,
    sum(octet_length(d.body) + pg_column_size(d.headers)) OVER (ORDER BY d.id) - octet_length(d.body) - pg_column_size(d.headers) AS before
FROM courier.dead_letter d JOIN courier.lane l ON l.id = d.lane
WHERE d.id > sqlc.arg(after_id) AND (sqlc.narg(up_to)::bigint IS NULL OR d.id <= sqlc.narg(up_to))
    AND (sqlc.narg(ids)::bigint[] IS NULL OR d.id = ANY (sqlc.narg(ids)::bigint[]))
    AND (sqlc.narg(account)::text IS NULL OR l.account = sqlc.narg(account))
    AND (sqlc.narg(catalog)::text IS NULL OR l.catalog = sqlc.narg(catalog))
    AND (sqlc.narg(catalog_type)::text IS NULL OR l.catalog_type = sqlc.narg(catalog_type))
    AND (sqlc.narg(reason)::text IS NULL OR d.reason = sqlc.narg(reason))
    AND (sqlc.narg(attribute)::text IS NULL OR d.field = sqlc.narg(attribute)
        OR d.errors @> jsonb_build_array(jsonb_build_object('attribute', sqlc.narg(attribute)::text)))
    AND (sqlc.narg(item_id)::text IS NULL OR d.item_id = sqlc.narg(item_id))
    AND (sqlc.narg(mutation_id)::text IS NULL OR d.mutation_id = sqlc.narg(mutation_id))
    AND (sqlc.narg(failed_since)::timestamptz IS NULL OR d.failed_at >= sqlc.narg(failed_since))
    AND (sqlc.narg(failed_before)::timestamptz IS NULL OR d.failed_at < sqlc.narg(failed_before))
    AND (NOT sqlc.arg(open_only)::boolean OR d.replayed_at IS NULL AND d.dismissed_at IS NULL AND d.resolved_at IS NULL)
    AND (sqlc.narg(states)::text[] IS NULL OR CASE WHEN d.replayed_at IS NOT NULL THEN 'replayed' WHEN d.dismissed_at IS NOT NULL THEN 'dismissed'
        WHEN d.resolved_at IS NOT NULL THEN 'resolved' ELSE 'open' END = ANY (sqlc.narg(states)::text[]))
ORDER BY d.id LIMIT sqlc.arg(lim)
) b LEFT JOIN courier.account a ON a.name = b.account
WHERE NOT sqlc.arg(whole)::boolean OR b.before < sqlc.arg(max_bytes)::bigint
ORDER BY b.id;

-- name: NewestDeadLetters :many
-- As DeadLetters, newest first: before_id continues a list.
SELECT b.id, b.mutation_id, b.account, b.catalog, b.catalog_type, b.item_id, b.localization, b.operation, b.subject,
    CASE WHEN sqlc.arg(whole)::boolean THEN b.headers ELSE '{}'::bytea[] END::bytea[] AS headers,
    CASE WHEN sqlc.arg(whole)::boolean THEN b.body ELSE ''::bytea END::bytea AS body,
    b.reason, b.field, b.text, b.failed_at, b.replayed_at, b.generation, b.sequence, b.line, b.lost,
    b.batch_id, b.errors, b.replayed_by, b.replaced_by, b.dismissed_at, b.dismissed_by, b.dismiss_reason, b.resolved_at, a.platform
FROM (
SELECT d.id, d.mutation_id, l.account, l.catalog, l.catalog_type, d.item_id, d.localization, d.operation, d.subject,
    d.headers, d.body, d.reason, d.field, d.text, d.failed_at, d.replayed_at, d.generation, d.sequence, d.line, d.lost,
    d.batch_id, d.errors, d.replayed_by, d.replaced_by, d.dismissed_at, d.dismissed_by, d.dismiss_reason, d.resolved_at,
    sum(octet_length(d.body) + pg_column_size(d.headers)) OVER (ORDER BY d.id DESC) - octet_length(d.body) - pg_column_size(d.headers) AS before
FROM courier.dead_letter d JOIN courier.lane l ON l.id = d.lane
WHERE d.id < sqlc.arg(before_id)
    AND (sqlc.narg(ids)::bigint[] IS NULL OR d.id = ANY (sqlc.narg(ids)::bigint[]))
    AND (sqlc.narg(account)::text IS NULL OR l.account = sqlc.narg(account))
    AND (sqlc.narg(catalog)::text IS NULL OR l.catalog = sqlc.narg(catalog))
    AND (sqlc.narg(catalog_type)::text IS NULL OR l.catalog_type = sqlc.narg(catalog_type))
    AND (sqlc.narg(reason)::text IS NULL OR d.reason = sqlc.narg(reason))
    AND (sqlc.narg(attribute)::text IS NULL OR d.field = sqlc.narg(attribute)
        OR d.errors @> jsonb_build_array(jsonb_build_object('attribute', sqlc.narg(attribute)::text)))
    AND (sqlc.narg(item_id)::text IS NULL OR d.item_id = sqlc.narg(item_id))
    AND (sqlc.narg(mutation_id)::text IS NULL OR d.mutation_id = sqlc.narg(mutation_id))
    AND (sqlc.narg(failed_since)::timestamptz IS NULL OR d.failed_at >= sqlc.narg(failed_since))
    AND (sqlc.narg(failed_before)::timestamptz IS NULL OR d.failed_at < sqlc.narg(failed_before))
    AND (NOT sqlc.arg(open_only)::boolean OR d.replayed_at IS NULL AND d.dismissed_at IS NULL AND d.resolved_at IS NULL)
    AND (sqlc.narg(states)::text[] IS NULL OR CASE WHEN d.replayed_at IS NOT NULL THEN 'replayed' WHEN d.dismissed_at IS NOT NULL THEN 'dismissed'
        WHEN d.resolved_at IS NOT NULL THEN 'resolved' ELSE 'open' END = ANY (sqlc.narg(states)::text[]))
ORDER BY d.id DESC LIMIT sqlc.arg(lim)
) b LEFT JOIN courier.account a ON a.name = b.account
WHERE NOT sqlc.arg(whole)::boolean OR b.before < sqlc.arg(max_bytes)::bigint
ORDER BY b.id DESC;

-- name: CountMatchingDeadLetters :one
-- How many there are, at most lim: counting all of them takes as long as they are many.
SELECT count(*) FROM (
    SELECT FROM courier.dead_letter d JOIN courier.lane l ON l.id = d.lane
    WHERE (sqlc.narg(ids)::bigint[] IS NULL OR d.id = ANY (sqlc.narg(ids)::bigint[]))
    AND (sqlc.narg(account)::text IS NULL OR l.account = sqlc.narg(account))
    AND (sqlc.narg(catalog)::text IS NULL OR l.catalog = sqlc.narg(catalog))
    AND (sqlc.narg(catalog_type)::text IS NULL OR l.catalog_type = sqlc.narg(catalog_type))
    AND (sqlc.narg(reason)::text IS NULL OR d.reason = sqlc.narg(reason))
    AND (sqlc.narg(attribute)::text IS NULL OR d.field = sqlc.narg(attribute)
        OR d.errors @> jsonb_build_array(jsonb_build_object('attribute', sqlc.narg(attribute)::text)))
    AND (sqlc.narg(item_id)::text IS NULL OR d.item_id = sqlc.narg(item_id))
    AND (sqlc.narg(mutation_id)::text IS NULL OR d.mutation_id = sqlc.narg(mutation_id))
    AND (sqlc.narg(failed_since)::timestamptz IS NULL OR d.failed_at >= sqlc.narg(failed_since))
    AND (sqlc.narg(failed_before)::timestamptz IS NULL OR d.failed_at < sqlc.narg(failed_before))
    AND (NOT sqlc.arg(open_only)::boolean OR d.replayed_at IS NULL AND d.dismissed_at IS NULL AND d.resolved_at IS NULL)
    AND (sqlc.narg(states)::text[] IS NULL OR CASE WHEN d.replayed_at IS NOT NULL THEN 'replayed' WHEN d.dismissed_at IS NOT NULL THEN 'dismissed'
        WHEN d.resolved_at IS NOT NULL THEN 'resolved' ELSE 'open' END = ANY (sqlc.narg(states)::text[]))
    LIMIT sqlc.arg(lim)
) c;

-- name: GroupDeadLetters :many
-- The newest lim letters by what they have in common. A letter with several errors counts
-- for each attribute; the same code of two platforms is two groups.
SELECT CASE WHEN sqlc.arg(by_account)::boolean THEN x.account ELSE '' END::text AS account,
    CASE WHEN sqlc.arg(by_reason)::boolean THEN x.reason ELSE '' END::text AS reason,
    CASE WHEN sqlc.arg(by_attribute)::boolean THEN coalesce(x.platform, '') ELSE '' END::text AS platform,
    coalesce(e.code, '')::text AS code, coalesce(e.attribute, '')::text AS attribute,
    count(DISTINCT x.id) AS letters, count(DISTINCT (x.lane, x.item_id, x.localization)) AS items,
    min(x.failed_at)::timestamptz AS oldest, max(x.failed_at)::timestamptz AS newest, max(x.id)::bigint AS newest_id
FROM (
    SELECT d.id, d.lane, l.account, a.platform, d.reason, d.item_id, d.localization, d.failed_at, d.field,
        coalesce(d.errors, jsonb_build_array(jsonb_build_object('attribute', d.field))) AS errors
    FROM courier.dead_letter d JOIN courier.lane l ON l.id = d.lane LEFT JOIN courier.account a ON a.name = l.account
    WHERE (sqlc.narg(ids)::bigint[] IS NULL OR d.id = ANY (sqlc.narg(ids)::bigint[]))
    AND (sqlc.narg(account)::text IS NULL OR l.account = sqlc.narg(account))
    AND (sqlc.narg(catalog)::text IS NULL OR l.catalog = sqlc.narg(catalog))
    AND (sqlc.narg(catalog_type)::text IS NULL OR l.catalog_type = sqlc.narg(catalog_type))
    AND (sqlc.narg(reason)::text IS NULL OR d.reason = sqlc.narg(reason))
    AND (sqlc.narg(attribute)::text IS NULL OR d.field = sqlc.narg(attribute)
        OR d.errors @> jsonb_build_array(jsonb_build_object('attribute', sqlc.narg(attribute)::text)))
    AND (sqlc.narg(item_id)::text IS NULL OR d.item_id = sqlc.narg(item_id))
    AND (sqlc.narg(mutation_id)::text IS NULL OR d.mutation_id = sqlc.narg(mutation_id))
    AND (sqlc.narg(failed_since)::timestamptz IS NULL OR d.failed_at >= sqlc.narg(failed_since))
    AND (sqlc.narg(failed_before)::timestamptz IS NULL OR d.failed_at < sqlc.narg(failed_before))
    AND (NOT sqlc.arg(open_only)::boolean OR d.replayed_at IS NULL AND d.dismissed_at IS NULL AND d.resolved_at IS NULL)
    AND (sqlc.narg(states)::text[] IS NULL OR CASE WHEN d.replayed_at IS NOT NULL THEN 'replayed' WHEN d.dismissed_at IS NOT NULL THEN 'dismissed'
        WHEN d.resolved_at IS NOT NULL THEN 'resolved' ELSE 'open' END = ANY (sqlc.narg(states)::text[]))
    ORDER BY d.id DESC LIMIT sqlc.arg(lim)
) x LEFT JOIN LATERAL (
    SELECT DISTINCT i->>'code' AS code, i->>'attribute' AS attribute
    FROM jsonb_array_elements(CASE jsonb_typeof(x.errors) WHEN 'array' THEN x.errors ELSE '[]' END) i
) e ON sqlc.arg(by_attribute)::boolean
GROUP BY 1, 2, 3, 4, 5 ORDER BY 6 DESC, 10 DESC LIMIT sqlc.arg(groups);

-- name: ExistingDeadLetters :many
SELECT d.id FROM courier.dead_letter d WHERE d.id = ANY (sqlc.arg(ids)::bigint[]) ORDER BY d.id;

-- name: DismissDeadLetters :many
-- Only those that are open: whoever comes second changes nothing. They are locked in order.
WITH open AS (
    SELECT o.id FROM courier.dead_letter o WHERE o.id = ANY (sqlc.arg(ids)::bigint[]) AND o.replayed_at IS NULL AND o.dismissed_at IS NULL
    ORDER BY o.id FOR UPDATE
)
UPDATE courier.dead_letter d SET dismissed_at = clock_timestamp(), dismissed_by = sqlc.arg(by), dismiss_reason = sqlc.arg(reason)
FROM open WHERE d.id = open.id
RETURNING d.id;

-- name: EndIssues :exec
-- The issues that dead letters are about end: of each item whose newest final change is a
-- letter's. Rows are locked in the order in which the index of items writes them.
WITH ended AS (
    SELECT i.item_id, i.lane, i.localization
    FROM courier.dead_letter d JOIN courier.item i ON i.item_id = d.item_id COLLATE "C" AND i.lane = d.lane AND i.localization = coalesce(d.localization, '') COLLATE "C"
    WHERE d.id = ANY (sqlc.arg(ids)::bigint[]) AND i.failed_at IS NOT NULL AND (i.generation, i.sequence, i.line) = (d.generation, d.sequence, d.line)
    ORDER BY i.item_id, i.lane, i.localization FOR UPDATE OF i
)
UPDATE courier.item i SET failed_at = NULL FROM ended e
WHERE i.item_id = e.item_id AND i.lane = e.lane AND i.localization = e.localization;

-- name: LettersOfFailures :many
-- Which of some failed changes have a dead letter that was dismissed, or that an edit replaced
-- by a change of another item, as its own item id can be none. The letters are locked, so that
-- somebody who does so at this moment finds what the index writes of its item.
SELECT u.nth::bigint AS nth,
    (d.dismissed_at IS NOT NULL OR d.replaced_by IS NOT NULL AND d.reason = ANY (sqlc.arg(nameless)::text[]))::boolean AS dismissed
FROM (SELECT n.i AS nth, (sqlc.arg(lanes)::integer[])[n.i] AS lane, (sqlc.arg(generations)::integer[])[n.i] AS generation,
        (sqlc.arg(sequences)::bigint[])[n.i] AS sequence, (sqlc.arg(lines)::smallint[])[n.i] AS line
    FROM generate_subscripts(sqlc.arg(lanes)::integer[], 1) AS n(i)) u
JOIN courier.dead_letter d ON d.sequence = u.sequence AND d.line = u.line AND d.lane = u.lane AND d.generation = u.generation
ORDER BY d.id FOR SHARE OF d;

-- name: ResolvedLetters :many
-- Which dead letters have a newer change of the same item that succeeded: by the index of
-- items, which costs next to nothing for each letter and is some seconds behind. Items that
-- are not in it yet are looked up among the mutations. "lane + 0" as in NewerChanges.
SELECT d.id FROM courier.dead_letter d
LEFT JOIN courier.item i ON i.item_id = d.item_id AND i.lane = d.lane AND i.localization = coalesce(d.localization, '')
WHERE d.id = ANY (sqlc.arg(ids)::bigint[]) AND d.item_id <> '' AND CASE WHEN i.item_id IS NOT NULL
    THEN coalesce((i.succeeded_generation, i.succeeded_sequence, i.succeeded_line) > (d.generation, d.sequence, d.line), false)
    ELSE EXISTS (
        SELECT FROM courier.mutation m
        LEFT JOIN courier.batch b ON b.id = m.batch_id
        LEFT JOIN courier.record_outcome o ON o.batch_id = m.batch_id AND o.record = m.record
        WHERE m.item_id = d.item_id AND m.lane + 0 = d.lane AND m.localization IS NOT DISTINCT FROM d.localization
            AND (m.generation, m.sequence, m.line) > (d.generation, d.sequence, d.line)
            AND (m.state = 4 OR m.state = 0 AND m.superseded_by IS NULL AND b.finished_at IS NOT NULL AND coalesce(o.result, 1) = 1))
    END;

-- name: OpenDeadLettersBefore :many
SELECT d.id FROM courier.dead_letter d
WHERE d.id < sqlc.arg(before_id) AND d.replayed_at IS NULL AND d.dismissed_at IS NULL AND d.resolved_at IS NULL
ORDER BY d.id DESC LIMIT sqlc.arg(lim);

-- name: ResolveDeadLetters :execrows
UPDATE courier.dead_letter d SET resolved_at = now()
WHERE d.id = ANY (sqlc.arg(ids)::bigint[]) AND d.replayed_at IS NULL AND d.dismissed_at IS NULL AND d.resolved_at IS NULL;

-- name: Unreplayed :many
-- Those that nobody has replayed or dismissed since they were listed. Stamps are
-- microseconds since 1970 of the later of both, 0 for never.
SELECT d.id FROM (SELECT unnest(sqlc.arg(ids)::bigint[]) AS id, unnest(sqlc.arg(stamps)::bigint[]) AS stamp) c
JOIN courier.dead_letter d ON d.id = c.id
WHERE coalesce((extract(epoch FROM greatest(d.replayed_at, d.dismissed_at)) * 1000000)::bigint, 0) = c.stamp
ORDER BY d.id;

-- name: MarkReplayedAgain :execrows
UPDATE courier.dead_letter SET replayed_at = clock_timestamp(), replayed_by = sqlc.narg(by), replaced_by = sqlc.narg(replaced_by)
WHERE id = ANY (sqlc.arg(ids)::bigint[]);

-- name: DeadLetterCounts :many
SELECT l.account, d.reason, count(*) AS letters
FROM courier.dead_letter d JOIN courier.lane l ON l.id = d.lane
WHERE d.replayed_at IS NULL AND d.dismissed_at IS NULL AND d.resolved_at IS NULL
GROUP BY l.account, d.reason;

-- name: DropOldestMessages :one
-- Drops the messages of an account's oldest dead letters until so many bytes are free,
-- at most lim of them, and returns how many it dropped, their bytes, and what is left.
WITH candidate AS (
    SELECT d.id, octet_length(d.body) + pg_column_size(d.headers) AS size
    FROM courier.lane l
    JOIN LATERAL (SELECT x.id, x.body, x.headers FROM courier.dead_letter x
        WHERE x.lane = l.id AND x.lost IS NULL
            AND x.id > (SELECT s.dropped_to FROM courier.dead_letter_size s WHERE s.account = sqlc.arg(account))
        ORDER BY x.id LIMIT sqlc.arg(lim)) d ON true
    WHERE l.account = sqlc.arg(account) ORDER BY d.id LIMIT sqlc.arg(lim)
), chosen AS (
    SELECT c.id, c.size FROM (SELECT a.id, a.size, sum(a.size) OVER (ORDER BY a.id) - a.size AS before FROM candidate a) c
    WHERE c.before < sqlc.arg(to_free)::bigint
), dropped AS (
    UPDATE courier.dead_letter d SET lost = octet_length(d.body), body = '', headers = '{}'
    FROM chosen c WHERE d.id = c.id AND d.lost IS NULL RETURNING d.id, c.size
)
UPDATE courier.dead_letter_size s SET
    bytes = greatest(s.bytes - (SELECT coalesce(sum(size), 0) FROM dropped), 0)::bigint,
    dropped_to = greatest(s.dropped_to, (SELECT coalesce(max(id), 0) FROM dropped))
WHERE s.account = sqlc.arg(account)
RETURNING (SELECT count(*) FROM dropped)::bigint AS letters, (SELECT coalesce(sum(size), 0) FROM dropped)::bigint AS freed, s.bytes;

-- name: NewerChanges :many
-- Which dead letters have a newer change of the same item that was not itself
-- given up.
-- "lane + 0" keeps the server from mutation_block: without statistics it may take a
-- lane to have a handful of rows, and read all of it for each letter.
SELECT d.id FROM courier.dead_letter d
WHERE d.id = ANY (sqlc.arg(ids)::bigint[]) AND d.item_id <> '' AND EXISTS (
    SELECT FROM courier.mutation m
    WHERE m.item_id = d.item_id AND m.lane + 0 = d.lane AND m.localization IS NOT DISTINCT FROM d.localization
        AND (m.generation, m.sequence, m.line) > (d.generation, d.sequence, d.line) AND m.state <> 2
        AND NOT EXISTS (SELECT FROM courier.dead_letter x WHERE x.sequence = m.sequence AND x.line = m.line AND x.generation = m.generation AND x.lane = m.lane));

-- name: MarkReplayed :execrows
UPDATE courier.dead_letter SET replayed_at = sqlc.arg(at) WHERE id = ANY (sqlc.arg(ids)::bigint[]) AND replayed_at IS NULL;

-- name: NewestDeadLetter :one
SELECT coalesce(max(d.id), 0)::bigint FROM courier.dead_letter d;

-- name: LockReplays :exec
-- One replay at a time goes through a page; the lock ends with the transaction, also when
-- the process is killed. Rows are not locked: workers must not wait for NATS.
SELECT pg_advisory_xact_lock(hashtextextended('courier.dead_letter.replay', 0)),
    set_config('idle_in_transaction_session_timeout', sqlc.arg(idle_ms)::text, true);
