package status

import (
	"context"

	"github.com/catalog-courier/catalog-courier/status/internal/query"
)

// linkLetters names the dead letters of changes that failed: changes is how many there are,
// at gives one of them.
func (r *Reader) linkLetters(ctx context.Context, changes int, at func(i int) *Mutation) error {
	type key struct {
		sequence      int64
		generation    int32
		account, item string
		mutation      string
	}
	failed := map[key]*Mutation{}
	var sequences []int64
	for i := range changes {
		m := at(i)
		if m.Status != Failed && m.Status != Unconfirmed && m.Status != Invalid {
			continue
		}
		generation, sequence, err := m.Place.parse()
		if err != nil {
			return err
		}
		failed[key{sequence, generation, m.Account, m.ItemID, m.ID}] = m
		sequences = append(sequences, sequence)
	}
	if len(sequences) == 0 {
		return nil
	}
	// A few of one place, of former histories of the stream.
	rows, err := r.query.LettersAt(ctx, query.LettersAtParams{Sequences: sequences, Lim: int32(16 * len(sequences))}) //nolint:gosec // a page
	if err != nil {
		return read("the dead letters of the changes", err)
	}
	for i := range rows {
		row := &rows[i]
		if m := failed[key{row.StreamSequence, row.StreamGeneration, row.Account, row.ItemID, row.MutationID}]; m != nil {
			m.DeadLetterID = row.ID
		}
	}
	return nil
}
