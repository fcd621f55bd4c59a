-- Erases what is kept of an item: see the function.
-- name: EraseItem :many
SELECT e.what::text AS what, e.touched::bigint AS touched
FROM courier.erase_item(@account, @item, @earlier::uuid[], @earlier_records::integer[]) e;

-- Batches of an account that returned a record, the oldest first.
-- name: ReturningBatches :many
SELECT b.id, b.payload FROM courier.batch b
WHERE b.id > @after::uuid AND b.lane IN (SELECT l.id FROM courier.lane l WHERE l.account = @account) AND b.payload <> ''
    AND EXISTS (SELECT FROM courier.record_outcome o WHERE o.batch_id = b.id AND o.result = 4)
ORDER BY b.id LIMIT @lim;
