package status

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/status/internal/query"
)

// changesOf begins the statements that read what became of the changes of an item: where
// these are is found first, and they are read together by functions whose plans the session
// keeps. It is not made by sqlc, which does not know which columns of a function may be null.
const changesOf = `select s.mutation_id, s.account, s.catalog, s.catalog_type, s.item_id, coalesce(s.localization, ''), coalesce(s.operation, ''), s.status,
	coalesce(s.superseded_by, ''), s.batch_id, coalesce(s.handle, ''), s.attempts, s.errors, s.warnings, coalesce(s.reason, ''),
	s.published_at, s.received_at, s.submitted_at, s.finished_at, s.stream_generation, s.stream_sequence, s.stream_line
from (select coalesce(array_agg(c.day), '{}') as days, coalesce(array_agg(c.mutation_id), '{}') as ids,
		coalesce(array_agg(c.stream_generation), '{}') as generations, coalesce(array_agg(c.stream_sequence), '{}') as sequences,
		coalesce(array_agg(c.stream_line), '{}') as lines
	from courier.changes_of_item($1::text, $2::text, $3::text, $4::text, $5::boolean, $6::integer, $7::bigint, $9::smallint, $8::integer) c) k
cross join lateral courier.mutations_at(k.days, k.ids, k.generations, k.sequences, k.lines) s
where s.item_id = $1
`

const (
	byDestination = changesOf + "order by s.account, s.catalog, s.catalog_type, s.localization"
	newestFirst   = changesOf + "order by s.stream_generation desc, s.stream_sequence desc, s.stream_line desc"
)

// changes reads changes of an item before a place of the stream, up to limit of them; with
// newestOnly, the newest one at each destination.
func (r *Reader) changes(ctx context.Context, statement, item string, filter Filter, newestOnly bool, before point, limit int32) ([]query.MutationsRow, error) {
	rows, err := r.pool.Query(ctx, statement, item, filter.Account, filter.Catalog, filter.Type, newestOnly, before.generation, before.sequence, limit, before.line)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[query.MutationsRow])
}
