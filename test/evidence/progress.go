package evidence

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Progress is what the database says cheaply of many mutations.
type Progress struct {
	Rows        int
	OpenBatches int
	Waiting     int // rows of mutations that wait to be sent
}

// Done reports that so many mutations have a row and nothing is left to do.
func (p Progress) Done(mutations int) bool {
	return p.Rows >= mutations && p.OpenBatches == 0 && p.Waiting == 0
}

// ReadProgress looks at batches, of which there are few, and counts rows: looking does
// not disturb the workers much.
func ReadProgress(ctx context.Context, pool *pgxpool.Pool) (p Progress, err error) {
	err = pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM courier.mutation),
		(SELECT count(*) FROM courier.batch WHERE finished_at IS NULL),
		(SELECT count(*) FROM courier.waiting)`).Scan(&p.Rows, &p.OpenBatches, &p.Waiting)
	return p, err
}

// Lease is who works a partition.
type Lease struct {
	Partition int
	Owner     string // the worker's name, "" for nobody
	Commits   int64  // transactions of the partition so far
}

// Leases reads the leases of all partitions, in their order.
func Leases(ctx context.Context, pool *pgxpool.Pool) ([]Lease, error) {
	rows, err := pool.Query(ctx, `
		SELECT l.partition, coalesce(w.name, ''), l.commits
		FROM courier.lease l LEFT JOIN courier.worker w ON w.id = l.owner ORDER BY l.partition`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Lease])
}

// Owned counts the partitions of each worker; "" has those of nobody.
func Owned(leases []Lease) map[string]int {
	owned := map[string]int{}
	for _, l := range leases {
		owned[l.Owner]++
	}
	return owned
}
