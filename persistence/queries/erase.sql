-- Erases what is kept of an item: see the function.
-- name: EraseItem :many
SELECT e.what::text AS what, e.touched::bigint AS touched FROM courier.erase_item(@account, @item) e;
