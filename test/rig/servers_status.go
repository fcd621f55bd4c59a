package rig

import (
	"context"
	"errors"
)

// Errors of programs that wait until everything is final.
var (
	// ErrWorkerEnded says that a worker ended before the work did.
	ErrWorkerEnded = errors.New("a worker ended unexpectedly")
	// ErrNotFinal says that the time was over before the work was done.
	ErrNotFinal = errors.New("not everything became final in time")
)

// Statuses counts mutations by status.
func (s *Servers) Statuses(ctx context.Context) (map[string]int, error) {
	rows, err := s.Database.Query(ctx, `SELECT status, count(*) FROM courier.mutation_status GROUP BY 1`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	counts := map[string]int{}
	for rows.Next() {
		var status string
		var count int
		if err := rows.Scan(&status, &count); err != nil {
			return nil, err
		}
		counts[status] = count
	}
	return counts, rows.Err()
}
