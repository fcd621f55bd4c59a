package persistence

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// Stats are counts for metrics and the status command. Reading them costs a scan
// of what is open, not of what is done.
type Stats struct {
	Waiting     []WaitingStats
	Open        []OpenStats
	DeadLetters []DeadLetterStats
	// Owned is how many partitions each worker owns.
	Owned map[uuid.UUID]int
}

// WaitingStats count the waiting rows of an account.
type WaitingStats struct {
	Account   string
	Partition int
	Mutations int64
	Oldest    time.Time // receipt of the oldest
}

// OpenStats count the batches of an account that are not finished.
type OpenStats struct {
	Account string
	Batches int64
	Records int64
}

// DeadLetterStats count the dead letters that were not replayed.
type DeadLetterStats struct {
	Account string
	Reason  catalog.Reason
	Letters int64
}

// Stats reads the counts of all accounts.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	stats := Stats{Owned: make(map[uuid.UUID]int)}
	waiting, err := s.query.WaitingCounts(ctx)
	if err != nil {
		return stats, fmt.Errorf("counting waiting rows: %w", err)
	}
	for _, row := range waiting {
		stats.Waiting = append(stats.Waiting, WaitingStats{
			Account: row.Account, Partition: int(row.Partition), Mutations: row.Items, Oldest: row.Oldest,
		})
	}
	open, err := s.query.OpenBatchCounts(ctx)
	if err != nil {
		return stats, fmt.Errorf("counting open batches: %w", err)
	}
	for _, row := range open {
		stats.Open = append(stats.Open, OpenStats{Account: row.Account, Batches: row.Batches, Records: row.Records})
	}
	letters, err := s.query.DeadLetterCounts(ctx)
	if err != nil {
		return stats, fmt.Errorf("counting dead letters: %w", err)
	}
	for _, row := range letters {
		stats.DeadLetters = append(stats.DeadLetters, DeadLetterStats{Account: row.Account, Reason: catalog.Reason(row.Reason), Letters: row.Letters})
	}
	owned, err := s.query.OwnedPartitions(ctx)
	if err != nil {
		return stats, fmt.Errorf("counting leases: %w", err)
	}
	for _, row := range owned {
		if row.Owner != nil {
			stats.Owned[*row.Owner] = int(row.Partitions)
		}
	}
	return stats, nil
}
