-- name: UsedLanes :many
SELECT l.account, l.catalog, l.catalog_type FROM courier.lane l ORDER BY l.account, l.catalog, l.catalog_type LIMIT sqlc.arg(lim);
