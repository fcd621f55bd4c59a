-- name: OutcomesOf :many
-- What became of mutations that are final, by their ids and places in the stream. A place
-- alone may be of several generations: the newest one counts.
SELECT DISTINCT ON (s.mutation_id, s.stream_sequence, s.stream_line) s.mutation_id, s.stream_sequence, s.stream_line, s.status::text AS status, s.errors
FROM (SELECT unnest(sqlc.arg(ids)::text[]) AS id, unnest(sqlc.arg(places)::bigint[]) AS place, unnest(sqlc.arg(lines)::smallint[]) AS line) c
JOIN courier.mutation_status s ON s.mutation_id = c.id AND s.stream_sequence = c.place AND s.stream_line = c.line
WHERE s.finished_at IS NOT NULL
ORDER BY s.mutation_id, s.stream_sequence, s.stream_line, s.stream_generation DESC;
