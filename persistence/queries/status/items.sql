-- The index of items, as package status reads it: by views and by functions that read one page.

-- name: IndexedItems :many
-- Items behind a place of the list and before the end of those whose id begins as a text
-- does. A second lower bound would have Postgres begin at the lower of the two.
SELECT i.lane, i.account, i.catalog, i.catalog_type, i.item_id, i.localization, i.status::text AS status, coalesce(i.operation, '')::text AS operation, i.mutation_id,
    i.code, i.attribute, i.message, i.error_count, coalesce(i.last_succeeded_operation, '')::text AS last_succeeded_operation, i.last_succeeded_at,
    i.finished_at, i.failed_at, i.stream_generation, i.stream_sequence, i.stream_line, coalesce(i.dismissed, false)::boolean AS dismissed
FROM courier.indexed_items i
WHERE i.item_id < sqlc.arg(beyond)::text
    AND (i.item_id, i.lane, i.localization) > (sqlc.arg(after_item)::text, sqlc.arg(after_lane)::integer, sqlc.arg(after_localization)::text)
ORDER BY i.item_id, i.lane, i.localization
LIMIT sqlc.arg(lim);

-- name: NewerChanges :many
SELECT n.nth::integer AS nth, n.status::text AS status, coalesce(n.operation, '')::text AS operation, n.mutation_id::text AS mutation_id, coalesce(n.errors, '[]')::jsonb AS errors,
    n.received_at::timestamptz AS received_at, n.stream_generation::integer AS stream_generation, n.stream_sequence::bigint AS stream_sequence, n.stream_line::smallint AS stream_line
FROM courier.newer_changes(sqlc.arg(lanes)::integer[], sqlc.arg(items)::text[], sqlc.arg(localizations)::text[], sqlc.arg(generations)::integer[], sqlc.arg(sequences)::bigint[], sqlc.arg(lines)::smallint[]) n;

-- name: ItemCounts :many
SELECT c.state::text AS state, sum(c.items)::bigint AS items FROM courier.item_counts c
WHERE (sqlc.arg(account)::text = '' OR c.account = sqlc.arg(account)) GROUP BY c.state;

-- name: TopIssues :many
-- The highest counts, of each lane by itself.
SELECT c.account, c.platform, c.code, c.attribute, c.items FROM courier.item_counts c
WHERE c.state IN ('failed', 'unconfirmed', 'invalid')
    AND (sqlc.arg(account)::text = '' OR c.account = sqlc.arg(account)) AND (sqlc.arg(platform)::text = '' OR c.platform = sqlc.arg(platform))
    AND (sqlc.arg(code)::text = '' OR c.code = sqlc.arg(code)) AND (NOT sqlc.arg(by_attribute)::boolean OR c.attribute = sqlc.arg(attribute))
    AND (sqlc.arg(catalog)::text = '' OR c.catalog = sqlc.arg(catalog)) AND (sqlc.arg(catalog_type)::text = '' OR c.catalog_type = sqlc.arg(catalog_type))
ORDER BY c.items DESC LIMIT sqlc.arg(lim);

-- name: IssueCounts :many
-- All counts of some groups.
SELECT g.nth::integer AS nth, f.lane::integer AS lane, f.items::bigint AS items
FROM (SELECT n.i AS nth, (sqlc.arg(accounts)::text[])[n.i] AS account, (sqlc.arg(codes)::text[])[n.i] AS code, (sqlc.arg(attributes)::text[])[n.i] AS attribute
    FROM generate_subscripts(sqlc.arg(accounts)::text[], 1) AS n(i)) g
CROSS JOIN LATERAL (
    SELECT c.lane, sum(c.items) AS items FROM courier.item_counts c
    WHERE c.account = g.account AND c.code = g.code AND c.attribute = g.attribute AND c.state IN ('failed', 'unconfirmed', 'invalid')
        AND (sqlc.arg(catalog)::text = '' OR c.catalog = sqlc.arg(catalog)) AND (sqlc.arg(catalog_type)::text = '' OR c.catalog_type = sqlc.arg(catalog_type))
    GROUP BY c.lane OFFSET 0
) f;

-- name: IssueSamples :many
-- The newest of the failing items of some lanes, and how long some of them have failed.
SELECT g.nth::integer AS nth, f.first_at::timestamptz AS first_at, f.last_at::timestamptz AS last_at, f.samples::text[] AS samples, f.message::text AS message
FROM (SELECT (sqlc.arg(lanes)::integer[])[n.i] AS lane, (sqlc.arg(codes)::text[])[n.i] AS code, (sqlc.arg(attributes)::text[])[n.i] AS attribute, (sqlc.arg(nths)::integer[])[n.i] AS nth
    FROM generate_subscripts(sqlc.arg(lanes)::integer[], 1) AS n(i)) g
CROSS JOIN LATERAL (
    SELECT (SELECT i.failed_at FROM courier.indexed_items i WHERE i.lane = g.lane AND i.code = g.code AND i.attribute = g.attribute AND i.failed_at IS NOT NULL
            ORDER BY i.failed_at LIMIT 1) AS first_at, max(s.failed_at) AS last_at,
        array_agg(s.item_id ORDER BY s.failed_at DESC) AS samples, coalesce(max(s.message), '') AS message
    FROM (SELECT i.failed_at, i.item_id, i.message FROM courier.indexed_items i
        WHERE i.lane = g.lane AND i.code = g.code AND i.attribute = g.attribute AND i.failed_at IS NOT NULL
        ORDER BY i.failed_at DESC, i.item_id DESC LIMIT 3) s
    HAVING count(*) > 0
) f;

-- name: FailingGroups :many
SELECT c.lane, c.code, c.attribute FROM courier.item_counts c
WHERE c.state IN ('failed', 'unconfirmed', 'invalid') AND (sqlc.arg(account)::text = '' OR c.account = sqlc.arg(account))
    AND (sqlc.arg(catalog)::text = '' OR c.catalog = sqlc.arg(catalog)) AND (sqlc.arg(catalog_type)::text = '' OR c.catalog_type = sqlc.arg(catalog_type))
    AND (sqlc.arg(platform)::text = '' OR c.platform = sqlc.arg(platform))
    AND (sqlc.arg(code)::text = '' OR c.code = sqlc.arg(code)) AND (NOT sqlc.arg(by_attribute)::boolean OR c.attribute = sqlc.arg(attribute))
    AND (sqlc.arg(state)::text = '' OR c.state = sqlc.arg(state))
GROUP BY c.lane, c.code, c.attribute
ORDER BY c.lane, c.code, c.attribute LIMIT sqlc.arg(lim);

-- name: FailingItems :many
-- The newest failing items of some groups, before a place of the list.
SELECT f.lane, f.account, f.catalog, f.catalog_type, f.item_id, f.localization, f.status::text AS status, coalesce(f.operation, '')::text AS operation, f.mutation_id,
    f.code, f.attribute, f.message, f.error_count, coalesce(f.last_succeeded_operation, '')::text AS last_succeeded_operation, f.last_succeeded_at,
    f.finished_at, f.failed_at, f.stream_generation, f.stream_sequence, f.stream_line, coalesce(f.dismissed, false)::boolean AS dismissed
FROM (SELECT (sqlc.arg(lanes)::integer[])[n.i] AS lane, (sqlc.arg(codes)::text[])[n.i] AS code, (sqlc.arg(attributes)::text[])[n.i] AS attribute
    FROM generate_subscripts(sqlc.arg(lanes)::integer[], 1) AS n(i)) g
CROSS JOIN LATERAL (
    SELECT i.* FROM courier.indexed_items i
    WHERE i.lane = g.lane AND i.code = g.code AND i.attribute = g.attribute AND i.failed_at IS NOT NULL
        AND (i.failed_at, i.item_id, i.localization) <= (sqlc.arg(before)::timestamptz, sqlc.arg(before_item)::text, sqlc.arg(before_localization)::text)
        AND (i.failed_at, i.item_id, i.localization, i.lane) < (sqlc.arg(before), sqlc.arg(before_item), sqlc.arg(before_localization), sqlc.arg(before_lane)::integer)
        AND (sqlc.arg(state)::text = '' OR i.status = sqlc.arg(state))
    ORDER BY i.failed_at DESC, i.item_id DESC, i.localization DESC LIMIT sqlc.arg(lim)
) f
ORDER BY f.failed_at DESC, f.item_id DESC, f.localization DESC, f.lane DESC
LIMIT sqlc.arg(lim);

-- name: FailingInOrder :many
-- The same over many groups, which together are a good part of all that fails. The time is
-- written as the index item_failed has it.
SELECT i.lane, i.account, i.catalog, i.catalog_type, i.item_id, i.localization, i.status::text AS status, coalesce(i.operation, '')::text AS operation, i.mutation_id,
    i.code, i.attribute, i.message, i.error_count, coalesce(i.last_succeeded_operation, '')::text AS last_succeeded_operation, i.last_succeeded_at,
    i.finished_at, i.failed_at, i.stream_generation, i.stream_sequence, i.stream_line, coalesce(i.dismissed, false)::boolean AS dismissed
FROM courier.indexed_items i
WHERE i.failed_at IS NOT NULL
    AND (i.failed_at AT TIME ZONE 'UTC', i.item_id, i.localization, i.lane) < (sqlc.arg(before)::timestamptz AT TIME ZONE 'UTC', sqlc.arg(before_item)::text, sqlc.arg(before_localization)::text, sqlc.arg(before_lane)::integer)
    AND (sqlc.arg(account)::text = '' OR i.account = sqlc.arg(account)) AND (sqlc.arg(catalog)::text = '' OR i.catalog = sqlc.arg(catalog))
    AND (sqlc.arg(catalog_type)::text = '' OR i.catalog_type = sqlc.arg(catalog_type))
    AND (sqlc.arg(platform)::text = '' OR i.account IN (SELECT a.account FROM courier.account_platforms a WHERE a.platform = sqlc.arg(platform)))
    AND (sqlc.arg(code)::text = '' OR i.code = sqlc.arg(code)) AND (NOT sqlc.arg(by_attribute)::boolean OR i.attribute = sqlc.arg(attribute))
    AND (sqlc.arg(state)::text = '' OR i.status = sqlc.arg(state))
ORDER BY i.failed_at AT TIME ZONE 'UTC' DESC, i.item_id DESC, i.localization DESC, i.lane DESC
LIMIT sqlc.arg(lim);

-- name: ListedItems :many
SELECT coalesce(i.place, '')::text AS place, coalesce(i.catalog_type, '')::text AS catalog_type, coalesce(i.item_id, '')::text AS item_id,
    coalesce(i.localization, '')::text AS localization, coalesce(i.status, '')::text AS status, coalesce(i.operation, '')::text AS operation,
    coalesce(i.mutation_id, '')::text AS mutation_id, coalesce(i.errors, '[]')::jsonb AS errors, coalesce(i.received_at, 'epoch')::timestamptz AS received_at
FROM courier.items(sqlc.arg(account)::text, sqlc.arg(catalog)::text, nullif(sqlc.arg(before)::text, ''), sqlc.arg(page)::integer) i;

-- name: WaitingItems :many
SELECT i.place::text AS place, i.catalog_type::text AS catalog_type, i.item_id::text AS item_id, coalesce(i.localization, '')::text AS localization,
    'waiting'::text AS status, coalesce(i.operation, '')::text AS operation, i.mutation_id::text AS mutation_id, coalesce(i.errors, '[]')::jsonb AS errors,
    i.received_at::timestamptz AS received_at
FROM courier.waiting_items(sqlc.arg(account)::text, sqlc.arg(catalog)::text, nullif(sqlc.arg(before)::text, ''), sqlc.arg(page)::integer) i;

-- name: Series :many
SELECT date_bin(make_interval(secs => sqlc.arg(step)::double precision), s.at, 'epoch')::timestamptz AS at,
    sum(s.arrived)::bigint AS arrived, sum(s.succeeded)::bigint AS succeeded, sum(s.failed)::bigint AS failed
FROM courier.account_series s
WHERE (sqlc.arg(account)::text = '' OR s.account = sqlc.arg(account)) AND s.at >= sqlc.arg(from_time) AND s.at < sqlc.arg(to_time)
GROUP BY 1 ORDER BY 1 LIMIT sqlc.arg(lim);

-- name: QuotaSeries :many
SELECT q.scope, date_bin(make_interval(secs => sqlc.arg(step)::double precision), q.at, 'epoch')::timestamptz AS at,
    coalesce(min(q.remaining), 0)::bigint AS remaining, coalesce(max(q."limit"), 0)::bigint AS quota_limit, coalesce(max(q.used_percent), 0)::double precision AS used_percent,
    bool_or(q.remaining IS NOT NULL)::boolean AS has_remaining, bool_or(q.used_percent IS NOT NULL)::boolean AS has_percent
FROM courier.quota_history q
WHERE q.account = sqlc.arg(account) AND q.at >= sqlc.arg(from_time) AND q.at < sqlc.arg(to_time)
GROUP BY 1, 2 ORDER BY 1, 2 LIMIT sqlc.arg(lim);

-- name: IndexLag :one
SELECT s.transactions_behind, s.seconds_behind, s.filling::boolean AS filling, s.filled_mutations::bigint AS filled_mutations FROM courier.item_index_status s;

-- name: IndexedSuccesses :many
SELECT i.account, i.catalog, i.catalog_type, i.localization, coalesce(i.last_succeeded_id, '')::text AS mutation_id,
    coalesce(i.last_succeeded_operation, '')::text AS operation, i.last_succeeded_at, i.stream_generation, i.stream_sequence, i.stream_line
FROM courier.indexed_items i WHERE i.item_id = sqlc.arg(item) LIMIT sqlc.arg(lim);

-- name: IssueMessages :many
-- What the platform said of the newest failing items of some lanes, put together where only
-- the item's id and numbers differ: see messageKey in package status.
SELECT x.nth::integer AS nth, x.key::text AS key, x.items::bigint AS items, x.first_at::timestamptz AS first_at, x.last_at::timestamptz AS last_at,
    x.samples::text[] AS samples, x.message::text AS message
FROM (
    SELECT f.nth, f.key, count(*) AS items, min(f.failed_at) AS first_at, max(f.failed_at) AS last_at,
        (array_agg(f.item_id ORDER BY f.failed_at DESC))[1:3] AS samples, (array_agg(f.message ORDER BY f.failed_at DESC))[1] AS message,
        row_number() OVER (PARTITION BY f.nth ORDER BY count(*) DESC, f.key) AS place
    FROM (
        SELECT g.nth, s.item_id, s.failed_at, s.message,
            left(regexp_replace(CASE WHEN length(s.item_id) >= sqlc.arg(shortest)::integer THEN replace(s.message, s.item_id, '…') ELSE s.message END, '[0-9]+', '…', 'g'), sqlc.arg(longest)::integer) AS key
        FROM (SELECT (sqlc.arg(lanes)::integer[])[n.i] AS lane, (sqlc.arg(codes)::text[])[n.i] AS code, (sqlc.arg(attributes)::text[])[n.i] AS attribute, (sqlc.arg(nths)::integer[])[n.i] AS nth
            FROM generate_subscripts(sqlc.arg(lanes)::integer[], 1) AS n(i)) g
        CROSS JOIN LATERAL (
            SELECT i.failed_at, i.item_id, i.message FROM courier.indexed_items i
            WHERE i.lane = g.lane AND i.code = g.code AND i.attribute = g.attribute AND i.failed_at IS NOT NULL
            ORDER BY i.failed_at DESC, i.item_id DESC LIMIT sqlc.arg(looked)) s
    ) f
    GROUP BY f.nth, f.key
) x
WHERE x.place <= sqlc.arg(shown)::bigint
ORDER BY x.nth, x.place;
