-- Erases what is kept of an item: see the function.
-- name: EraseItem :many
SELECT e.what::text AS what, e.touched::bigint AS touched
FROM courier.erase_item(@account, @item, @batches::uuid[], @records::integer[]) e;

-- Batches of an account that may have an item, the oldest first: those that its mutations name,
-- those with a record that went on in a later batch (a half of the batch, or one that was returned),
-- and those of mutations that are older than all days that are kept: their rows are gone.
-- name: BatchesOfItem :many
SELECT b.id, b.payload, (b.finished_at IS NOT NULL)::boolean AS finished, (b.id = ANY (@named::uuid[]))::boolean AS named
FROM courier.batch b
WHERE b.id > @after::uuid AND b.lane IN (SELECT l.id FROM courier.lane l WHERE l.account = @account)
    AND (b.id = ANY (@named::uuid[])
        OR b.payload <> '' AND (b.records > b.succeeded + b.failed OR b.oldest_received_at < @oldest::timestamptz
            OR EXISTS (SELECT FROM courier.record_outcome o WHERE o.batch_id = b.id AND o.result = 4)))
ORDER BY b.id LIMIT @lim;

-- name: BatchesNamedByItem :many
SELECT DISTINCT m.batch_id::uuid AS id FROM courier.mutation m
WHERE m.lane IN (SELECT l.id FROM courier.lane l WHERE l.account = @account) AND m.item_id = @item AND m.batch_id IS NOT NULL;

-- name: ReplacePayload :exec
UPDATE courier.batch SET payload = @payload WHERE id = @id;

-- The item's id as a string of JSON, in the forms that encoders write.
-- name: FormsOfItem :many
SELECT unnest(courier.json_forms(@item))::bytea AS form;

-- Dead letters of an account that are packs that could not be read, the oldest first.
-- name: UnreadPacks :many
SELECT d.id, d.headers, d.body FROM courier.dead_letter d
WHERE d.id > @after::bigint AND d.lane IN (SELECT l.id FROM courier.lane l WHERE l.account = @account)
    AND d.reason = 'bad_pack' AND d.item_id = '' AND d.body <> ''
ORDER BY d.id LIMIT @lim;

-- name: DeleteUnreadPacks :execrows
DELETE FROM courier.dead_letter d WHERE d.id = ANY (@ids::bigint[]);
