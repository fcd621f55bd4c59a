-- name: AddSource :one
-- Makes the source's row at its first run; later it only reads it.
INSERT INTO courier.source (name, item_id) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET name = excluded.name
RETURNING id, item_id, snapshot_at, fingerprint;

-- name: AddSourceRoute :one
INSERT INTO courier.source_route (source, account, catalog, catalog_type) VALUES ($1, $2, $3, $4)
ON CONFLICT (source, account, catalog, catalog_type) DO UPDATE SET source = excluded.source
RETURNING id, mapping_revision, coalesce(guard_known, 0)::integer AS guard_known;

-- name: HoldSource :one
-- Takes the source, or holds it longer. Another runner's expired hold is taken over with a
-- new token, so that what it still writes is refused.
UPDATE courier.source SET
    run_token = run_token + CASE WHEN runner = sqlc.arg(runner)::text AND runner_until > now() THEN 0 ELSE 1 END,
    runner = sqlc.arg(runner)::text,
    runner_until = now() + make_interval(secs => sqlc.arg(seconds)::double precision)
WHERE id = sqlc.arg(id) AND (runner IS NULL OR runner = sqlc.arg(runner)::text OR runner_until <= now())
RETURNING run_token;

-- name: ReleaseSource :exec
UPDATE courier.source SET runner = NULL, runner_until = NULL WHERE id = sqlc.arg(id) AND run_token = sqlc.arg(token);

-- name: SourceRunner :one
SELECT coalesce(runner, '') AS runner, coalesce(runner_until > now(), false)::boolean AS held FROM courier.source WHERE id = $1;

-- name: SourceItems :many
SELECT item_id, hash, shape, revision, gone, missing, missing_at, changed_at, sent_at, group_id FROM courier.source_item
WHERE route = sqlc.arg(route) AND item_id = ANY(sqlc.arg(item_ids)::text[]);

-- name: AddSourceItems :exec
-- Makes rows to lock for items that were never sent, in the order that all take locks.
INSERT INTO courier.source_item (route, item_id)
SELECT sqlc.arg(route), x.id FROM unnest(sqlc.arg(item_ids)::text[]) AS x(id) ORDER BY x.id COLLATE "C"
ON CONFLICT (route, item_id) DO NOTHING;

-- name: LockSourceItems :many
SELECT item_id, hash, shape, revision, gone, missing, missing_at, changed_at, sent_at, group_id FROM courier.source_item
WHERE route = sqlc.arg(route) AND item_id = ANY(sqlc.arg(item_ids)::text[])
ORDER BY item_id FOR UPDATE;

-- name: SaveSourceItems :execrows
-- The rows are locked by the same transaction. A state that was sent has a time; one that
-- is only intended has none.
UPDATE courier.source_item i SET hash = x.hash, shape = nullif(x.shape, 0), revision = x.revision, gone = x.gone, missing = x.missing, missing_at = nullif(x.missing_at, '0001-01-01 00:00:00+00'),
    changed_at = nullif(x.changed_at, '0001-01-01 00:00:00+00'), group_id = nullif(x.group_id, ''),
    sent_at = CASE WHEN x.doubtful THEN NULL WHEN x.revision <> i.revision OR x.revision > 0 AND i.sent_at IS NULL THEN now() ELSE i.sent_at END
FROM (SELECT unnest(sqlc.arg(item_ids)::text[]) AS item_id, unnest(sqlc.arg(hashes)::bytea[]) AS hash, unnest(sqlc.arg(shapes)::integer[]) AS shape,
    unnest(sqlc.arg(revisions)::integer[]) AS revision, unnest(sqlc.arg(gone)::boolean[]) AS gone, unnest(sqlc.arg(missing)::smallint[]) AS missing,
    unnest(sqlc.arg(missing_at)::timestamptz[]) AS missing_at,
    unnest(sqlc.arg(changed_at)::timestamptz[]) AS changed_at, unnest(sqlc.arg(group_ids)::text[]) AS group_id,
    unnest(sqlc.arg(doubtful)::boolean[]) AS doubtful) x
WHERE i.route = sqlc.arg(route) AND i.item_id = x.item_id;

-- name: SourceItemsAfter :many
-- What the destination has, or may have, a page in the order of ids.
SELECT item_id, hash, shape, revision, gone, missing, missing_at, changed_at, sent_at, group_id FROM courier.source_item
WHERE route = sqlc.arg(route) AND item_id > sqlc.arg(after)::text AND revision > 0 AND (NOT gone OR sent_at IS NULL)
ORDER BY item_id LIMIT sqlc.arg(lim);

-- name: SourceItemsOfGroup :many
SELECT item_id FROM courier.source_item
WHERE route = sqlc.arg(route) AND group_id = sqlc.arg(group_id)::text AND item_id > sqlc.arg(after)::text AND (NOT gone OR revision > 0 AND sent_at IS NULL) ORDER BY item_id LIMIT sqlc.arg(lim);

-- name: AddSourceShape :one
INSERT INTO courier.source_shape (digest, names) VALUES ($1, $2)
ON CONFLICT (digest) DO UPDATE SET digest = excluded.digest RETURNING id;

-- name: SourceShapes :many
SELECT id, names FROM courier.source_shape WHERE id = ANY(sqlc.arg(ids)::integer[]);

-- name: StartSourceRun :one
-- Only the holder of the source starts a run, and its earlier ones that never ended did not
-- end well.
WITH abandoned AS (
    UPDATE courier.source_run r SET state = 'abandoned', finished_at = now(), reason = 'the process ended'
    WHERE r.source = sqlc.arg(source) AND r.finished_at IS NULL
        AND EXISTS (SELECT FROM courier.source s WHERE s.id = r.source AND s.run_token = sqlc.arg(token) AND s.runner_until > now())
)
INSERT INTO courier.source_run (source, token, trigger, approved)
SELECT s.id, s.run_token, sqlc.arg(trigger), sqlc.arg(approved) FROM courier.source s
WHERE s.id = sqlc.arg(source) AND s.run_token = sqlc.arg(token) AND s.runner_until > now()
RETURNING id;

-- name: UpdateSourceRun :execrows
UPDATE courier.source_run SET progress_at = now(), state = sqlc.arg(state), snapshot_at = sqlc.narg(snapshot_at),
    bytes_read = sqlc.arg(bytes_read), items_read = sqlc.arg(items_read), to_publish = sqlc.arg(to_publish), published = sqlc.arg(published),
    counts = sqlc.arg(counts), findings = sqlc.arg(findings), reason = sqlc.narg(reason),
    finished_at = CASE WHEN sqlc.arg(finished)::boolean THEN now() END
WHERE id = sqlc.arg(id) AND finished_at IS NULL;

-- name: FinishSource :execrows
-- Notes the snapshot that was worked through; a former runner's is refused.
UPDATE courier.source SET snapshot_at = greatest(snapshot_at, sqlc.narg(snapshot_at)::timestamptz), fingerprint = sqlc.narg(fingerprint)
WHERE id = sqlc.arg(id) AND run_token = sqlc.arg(token);

-- name: SetItemID :execrows
-- A migration of the item ids; a former runner's is refused.
UPDATE courier.source SET item_id = sqlc.arg(item_id) WHERE id = sqlc.arg(id) AND run_token = sqlc.arg(token);

-- name: SaveSourceRoute :exec
UPDATE courier.source_route SET mapping_revision = sqlc.arg(mapping_revision), guard_known = nullif(sqlc.arg(guard_known)::integer, 0)
WHERE id = sqlc.arg(id) AND (mapping_revision <> sqlc.arg(mapping_revision) OR guard_known IS DISTINCT FROM nullif(sqlc.arg(guard_known)::integer, 0));

-- name: SourceRuns :many
-- The newest runs first; '' is every source and every state, 0 every run.
SELECT run, source, trigger, state, reason, started_at, progress_at, finished_at, snapshot_at, bytes_read, items_read, to_publish, published, approved,
    routes, findings
FROM courier.source_runs WHERE (sqlc.arg(source)::text = '' OR source = sqlc.arg(source)::text) AND (sqlc.arg(run)::bigint = 0 OR run = sqlc.arg(run)::bigint)
    AND (sqlc.arg(state)::text = '' OR state = sqlc.arg(state)::text)
ORDER BY run DESC LIMIT sqlc.arg(lim);

-- name: SourceStartedAt :one
-- When the last run of a source began that was not only a plan, and the time that it is now.
SELECT coalesce((SELECT max(r.started_at) FROM courier.source_run r WHERE r.source = s.id AND r.state <> 'planned' AND r.trigger <> 'plan'), 'epoch')::timestamptz AS started_at, now()::timestamptz AS now
FROM courier.source s WHERE s.name = $1;

-- name: SetSourceSilence :exec
UPDATE courier.source SET silent_after = make_interval(secs => nullif(sqlc.arg(seconds)::double precision, 0))
WHERE id = sqlc.arg(id) AND silent_after IS DISTINCT FROM make_interval(secs => nullif(sqlc.arg(seconds)::double precision, 0));

-- name: SilentSources :many
SELECT DISTINCT source FROM courier.source_status WHERE silent ORDER BY source;

-- name: SourceStatus :many
SELECT source, account, catalog, catalog_type, items, invalid::bigint AS invalid, coalesce(state, '')::text AS state, coalesce(reason, '')::text AS reason, coalesce(run, 0)::bigint AS run, finished_at,
    last_good_at, last_webhook_at, silent::boolean AS silent, coalesce(running, false)::boolean AS running
FROM courier.source_status ORDER BY source, account, catalog, catalog_type;

-- name: ReceiveWebhook :one
-- Keeps a delivery. One that was accepted before stays as it is and is not found.
INSERT INTO courier.webhook_delivery (source, delivery_id, topic, state, published, unchanged, older, reason, findings, headers, body, retry_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, CASE WHEN $4 = 'pending' THEN now() END)
ON CONFLICT (source, delivery_id) DO UPDATE SET state = excluded.state, published = excluded.published, unchanged = excluded.unchanged,
    older = excluded.older, reason = excluded.reason, findings = excluded.findings, retry_at = excluded.retry_at
    WHERE webhook_delivery.state IN ('rejected', 'pending')
RETURNING id;

-- name: FinishWebhook :execrows
-- Writes what became of a kept delivery. replay is set where somebody asked for it.
UPDATE courier.webhook_delivery SET state = sqlc.arg(state), published = sqlc.arg(published), unchanged = sqlc.arg(unchanged), older = sqlc.arg(older),
    reason = sqlc.narg(reason), findings = sqlc.arg(findings), retry_at = NULL,
    replayed_at = CASE WHEN sqlc.arg(replay)::boolean THEN now() ELSE replayed_at END
WHERE id = sqlc.arg(id) AND (sqlc.arg(replay)::boolean OR state = 'pending');

-- name: TakePendingWebhooks :many
-- Takes deliveries whose time has come for a while; one whose process ends is taken again.
UPDATE courier.webhook_delivery d SET attempts = attempts + 1, retry_at = now() + make_interval(secs => sqlc.arg(seconds)::double precision)
WHERE d.id IN (
    SELECT p.id FROM courier.webhook_delivery p
    WHERE p.source = sqlc.arg(source) AND p.state = 'pending' AND p.retry_at <= now()
    ORDER BY p.retry_at LIMIT sqlc.arg(lim) FOR UPDATE SKIP LOCKED
)
RETURNING d.id, d.delivery_id, d.topic, d.state, d.headers, d.body, d.received_at, d.attempts, now()::timestamptz AS now;

-- name: DelayWebhook :exec
-- Says why a pending delivery is still pending, and when the shop is asked again.
UPDATE courier.webhook_delivery SET reason = sqlc.arg(reason)::text, retry_at = now() + make_interval(secs => sqlc.arg(seconds)::double precision)
WHERE id = sqlc.arg(id) AND state = 'pending';

-- name: WebhookSource :one
-- What a delivery must know: whether it came before, and what changed at the source since.
SELECT s.item_id, s.snapshot_at, coalesce((SELECT d.state FROM courier.webhook_delivery d WHERE d.source = s.id AND d.delivery_id = $2), '')::text AS state
FROM courier.source s WHERE s.id = $1;

-- name: WebhookProduct :one
SELECT group_id, item_id, deleted_at FROM courier.webhook_product WHERE route = $1 AND product_id = $2;

-- name: SaveWebhookProduct :exec
INSERT INTO courier.webhook_product (route, product_id, group_id, item_id) VALUES ($1, $2, $3, $4)
ON CONFLICT (route, product_id) DO UPDATE SET group_id = excluded.group_id, item_id = excluded.item_id
    WHERE webhook_product.group_id <> excluded.group_id OR webhook_product.item_id <> excluded.item_id;

-- name: DeleteWebhookProduct :exec
INSERT INTO courier.webhook_product (route, product_id, deleted_at) VALUES ($1, $2, sqlc.arg(deleted_at)::timestamptz)
ON CONFLICT (route, product_id) DO UPDATE SET deleted_at = greatest(webhook_product.deleted_at, excluded.deleted_at);

-- name: ForgetWebhookProducts :execrows
DELETE FROM courier.webhook_product WHERE (route, product_id) IN (
    SELECT p.route, p.product_id FROM courier.webhook_product p
    WHERE p.deleted_at < now() - make_interval(secs => sqlc.arg(seconds)::double precision) LIMIT sqlc.arg(lim)
);

-- name: NoteWebhook :exec
-- Once a second is enough to see that a source is silent.
UPDATE courier.source SET webhook_at = now() WHERE id = $1 AND (webhook_at IS NULL OR webhook_at < now() - interval '1 second');

-- name: WebhookDelivery :one
SELECT d.id, s.name, d.delivery_id, d.topic, d.state, d.headers, d.body, d.received_at, d.attempts FROM courier.webhook_delivery d
JOIN courier.source s ON s.id = d.source WHERE d.id = $1;

-- name: WebhookDeliveries :many
-- The newest first: of one source or of all, in one state or in any.
SELECT source, id, received_at, delivery_id, topic, state, published, unchanged, older, reason, findings, coalesce(body_bytes, 0)::bigint AS body_bytes,
    replayed_at, attempts, retry_at
FROM courier.webhook_deliveries
WHERE (sqlc.arg(source)::text = '' OR source = sqlc.arg(source)::text) AND (sqlc.arg(state)::text = '' OR state = sqlc.arg(state)::text)
    AND (sqlc.arg(before)::bigint = 0 OR id < sqlc.arg(before)::bigint)
ORDER BY id DESC LIMIT sqlc.arg(lim);

-- name: ForgetWebhooks :execrows
DELETE FROM courier.webhook_delivery WHERE id IN (
    SELECT d.id FROM courier.webhook_delivery d
    WHERE d.received_at < now() - make_interval(secs => sqlc.arg(seconds)::double precision) AND (sqlc.arg(source)::integer = 0 OR d.source = sqlc.arg(source)::integer)
    ORDER BY d.received_at LIMIT sqlc.arg(lim)
);

-- name: SourceRoutes :many
SELECT id FROM courier.source_route ORDER BY id;

-- name: ForgetGoneItems :execrows
-- Deleted items, and rows that were made to be locked and never used. An item that was set out of stock has
-- the list of what it has there: it is cleared when the item comes back, however late.
DELETE FROM courier.source_item i WHERE (i.route, i.item_id) IN (
    SELECT x.route, x.item_id FROM courier.source_item x
    WHERE x.route = sqlc.arg(route) AND (x.gone AND x.shape IS NULL AND x.changed_at < now() - make_interval(secs => sqlc.arg(seconds)::double precision)
        OR x.revision = 0 AND NOT x.gone) LIMIT sqlc.arg(lim) FOR UPDATE SKIP LOCKED
);

-- name: ForgetSourceRuns :execrows
DELETE FROM courier.source_run WHERE id IN (
    SELECT r.id FROM courier.source_run r
    WHERE r.finished_at < now() - make_interval(secs => sqlc.arg(seconds)::double precision)
        AND r.id < (SELECT max(n.id) FROM courier.source_run n WHERE n.source = r.source) LIMIT sqlc.arg(lim)
);
