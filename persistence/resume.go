package persistence

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// Resume reads what the partition's new owner needs, in one snapshot. The bodies
// of all open batches are unpacked: batches in flight are bounded by what the
// read quota can follow.
func (s *Store) Resume(ctx context.Context, lease ledger.Lease) (*ledger.Resumption, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	var resumption *ledger.Resumption
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, s.pool, snapshot, func(tx pgx.Tx) (err error) {
		resumption, err = s.resume(ctx, s.query.WithTx(tx), lease)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("resuming partition %d: %w", lease.Partition, err)
	}
	return resumption, nil
}

func (s *Store) resume(ctx context.Context, q *query.Queries, lease ledger.Lease) (*ledger.Resumption, error) {
	partition := int32(lease.Partition) //nolint:gosec // at most maxPartitions
	row, err := q.LeaseRow(ctx, partition)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && (row.Token == nil || *row.Token != lease.Token) {
		return nil, ledger.ErrLeaseLost
	}
	if err != nil {
		return nil, err
	}
	r := &ledger.Resumption{
		Anchor:   anchor(row.Generation, row.Sequence, row.MessageNs, row.MessageID),
		Commits:  row.Commits,
		Slowest:  time.Duration(row.SlowestNs),
		Sent:     idOf(row.Sent),
		Noted:    row.Noted,
		Accounts: make(map[string]ledger.AccountState),
	}
	ranges, err := q.RecordedRanges(ctx, query.RecordedRangesParams{Partition: partition, Generation: row.Generation})
	if err != nil {
		return nil, err
	}
	r.Recorded = mergeRanges(ranges, r.Anchor.Position.Sequence)
	if r.Open, err = s.openBatches(ctx, q, partition); err != nil {
		return nil, err
	}
	lanes, err := q.WaitingLanes(ctx, partition)
	if err != nil {
		return nil, err
	}
	for _, l := range lanes {
		r.WaitingLanes = append(r.WaitingLanes, catalog.Lane{Account: l.Account, Catalog: l.Catalog, Type: catalog.Type(l.CatalogType)})
	}
	accounts, err := q.AccountsOf(ctx, partition)
	if err != nil {
		return nil, err
	}
	for _, a := range accounts {
		r.Accounts[a.Name] = accountState(a)
	}
	return r, nil
}

func idOf(id *uuid.UUID) uuid.UUID {
	if id == nil {
		return uuid.Nil
	}
	return *id
}

func (s *Store) openBatches(ctx context.Context, q *query.Queries, partition int32) ([]ledger.OpenBatch, error) {
	rows, err := q.OpenBatches(ctx, partition)
	if err != nil {
		return nil, err
	}
	open := make([]ledger.OpenBatch, len(rows))
	ids := make([]uuid.UUID, len(rows))
	at := make(map[uuid.UUID]int, len(rows))
	for i, row := range rows {
		records, err := s.codec.unpackRecords(row.Payload)
		if err != nil {
			open[i].Damaged = err.Error()
			if records, err = damagedRecords(ctx, q, &row); err != nil {
				return nil, err
			}
		}
		ids[i], at[row.ID] = row.ID, i
		open[i].Batch = ledger.Batch{
			ID:    row.ID,
			Lane:  catalog.Lane{Account: row.Account, Catalog: row.Catalog, Type: catalog.Type(row.CatalogType)},
			Group: row.RequestGroup, Records: records, CreatedAt: row.CreatedAt,
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	attempts, err := q.AttemptsOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, a := range attempts {
		batch := &open[at[a.BatchID]]
		batch.Attempts = append(batch.Attempts, attempt(a))
	}
	for i := range open {
		open[i].Attempts = withFirst(open[i].Attempts, &open[i].Batch)
	}
	return open, nil
}

func attempt(a query.AttemptsOfRow) ledger.Attempt {
	out := ledger.Attempt{
		BatchID: a.BatchID, Number: int(a.Number), At: a.At, NextAt: timeOf(a.NextAt), Notes: a.Notes,
	}
	if len(a.Handles) > 0 {
		out.Handles = a.Handles
	}
	if a.Result != nil {
		out.Result = ledger.AttemptResult(*a.Result) //nolint:gosec // written from one
	}
	if a.Error != nil {
		out.Error = *a.Error
	}
	return out
}

// withFirst adds the first attempt, which the batch row implies, where no answer
// to it is known.
func withFirst(attempts []ledger.Attempt, batch *ledger.Batch) []ledger.Attempt {
	if len(attempts) > 0 && attempts[0].Number == 1 {
		return attempts
	}
	return slices.Insert(attempts, 0, ledger.Attempt{BatchID: batch.ID, Number: 1, At: batch.CreatedAt})
}

// mergeRanges joins the rows' ranges into few, in order, above the position.
func mergeRanges(rows []query.RecordedRangesRow, position uint64) []ledger.Range {
	var all []ledger.Range
	for _, row := range rows {
		for i := range min(len(row.FirstEach), len(row.LastEach)) {
			r := ledger.Range{First: uint64(row.FirstEach[i]), Last: uint64(row.LastEach[i])} //nolint:gosec // written from one
			if 2*i+1 < len(row.LinesEach) {
				r.FirstLine, r.LastLine = int(row.LinesEach[2*i]), int(row.LinesEach[2*i+1])
			}
			all = append(all, r)
		}
	}
	return ledger.JoinRanges(ledger.RangesAbove(all, position))
}

// Waiting reads a page of a lane's waiting rows: see ledger.Store.
func (s *Store) Waiting(ctx context.Context, lane catalog.Lane, after catalog.Position, limit int) (ledger.Page, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	limit = min(max(limit, 1), maxPage)
	rows, err := s.query.WaitingPage(ctx, query.WaitingPageParams{
		Account: clean(lane.Account), Catalog: clean(lane.Catalog), CatalogType: clean(string(lane.Type)),
		Generation: int32(after.Generation), //nolint:gosec // counts rewinds
		Sequence:   int64(after.Sequence),   //nolint:gosec // a stream's sequence fits
		Line:       lineOf(after),
		Lim:        int32(limit) + 1,
		MaxBytes:   maxPageBytes,
	})
	if err != nil {
		return ledger.Page{}, fmt.Errorf("reading waiting rows: %w", err)
	}
	page := ledger.Page{More: len(rows) > limit}
	size, unpacked := 0, 0
	for _, row := range rows[:min(limit, len(rows))] {
		size += len(row.Payload)
		if unpacked += unpackedSize(row.Payload); unpacked > maxPageBytes && len(page.Mutations)+len(page.Damaged) > 0 {
			page.More = true
			break
		}
		m, err := s.codec.unpackMutation(row.Payload)
		if err == nil && (m.Lane != lane || m.Position != placeAt(row.Generation, row.Sequence, row.Line)) {
			err = fmt.Errorf("%w: it is of another mutation", ledger.ErrPayload)
		}
		if err != nil {
			damaged, err := s.damagedRow(ctx, lane, row, err)
			if err != nil {
				return ledger.Page{}, err
			}
			page.Damaged = append(page.Damaged, damaged)
			continue
		}
		page.Mutations = append(page.Mutations, m)
	}
	page.More = page.More || size >= maxPageBytes
	return page, nil
}

const (
	// maxPage bounds a page of rows.
	maxPage = 100_000
	// maxPageBytes bounds a page, but for one row: in bytes compressed as it is stored,
	// and unpacked, as what repeats itself takes a thousandth of the room.
	maxPageBytes = 8 << 20
)

// NewestVersions reads the known versions of items: see ledger.Store.
func (s *Store) NewestVersions(ctx context.Context, keys []catalog.ItemKey) (map[catalog.ItemKey]ledger.ItemVersion, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	type place struct {
		account, catalog, catalogType string
		item, localization            string
	}
	var params query.NewestVersionsParams
	wanted := make(map[place]catalog.ItemKey, len(keys))
	for _, key := range keys {
		at := place{
			account: clean(key.Lane.Account), catalog: clean(key.Lane.Catalog), catalogType: clean(string(key.Lane.Type)),
			item: clean(key.ItemID), localization: localizationText(key.Localization),
		}
		wanted[at] = key
		params.Accounts = append(params.Accounts, at.account)
		params.Catalogs = append(params.Catalogs, at.catalog)
		params.Types = append(params.Types, at.catalogType)
		params.Items = append(params.Items, at.item)
		params.Localizations = append(params.Localizations, at.localization)
	}
	versions := make(map[catalog.ItemKey]ledger.ItemVersion, len(wanted))
	if len(wanted) == 0 {
		return versions, nil
	}
	rows, err := s.query.NewestVersions(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("reading versions: %w", rejected(err))
	}
	for _, row := range rows {
		key := wanted[place{account: row.Account, catalog: row.Catalog, catalogType: row.CatalogType, item: row.ItemID, localization: row.Localization}]
		versions[key] = ledger.ItemVersion{
			Key: key, Version: row.Version, MutationID: row.MutationID,
			Position: catalog.Position{Generation: row.Generation, Sequence: uint64(row.Sequence), Line: int(row.Line)}, //nolint:gosec // written from one
		}
	}
	return versions, nil
}

// RecordedAtOrBefore finds the newest recorded message of a partition at or
// before a sequence, as it was when it was recorded, so that the stream can be
// searched for where it still is the one that was read. ok is false when nothing
// is recorded there any more.
func (s *Store) RecordedAtOrBefore(ctx context.Context, partition int, generation int64, sequence uint64) (_ ledger.Anchor, ok bool, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	of := int32(partition) //nolint:gosec // at most maxPartitions
	// Every step goes back one generation.
	for range generation + 1 {
		found, ok, err := s.newestUpTo(ctx, of, generation, sequence)
		if ok || err != nil {
			return found, ok, err
		}
		before, err := s.query.RewindOf(ctx, query.RewindOfParams{Partition: of, Generation: generation})
		if errors.Is(err, pgx.ErrNoRows) {
			return ledger.Anchor{}, false, nil
		}
		if err != nil {
			return ledger.Anchor{}, false, fmt.Errorf("searching the generations: %w", err)
		}
		generation, sequence = before.FromGeneration, min(sequence, uint64(before.Sequence)) //nolint:gosec // written from one
	}
	return ledger.Anchor{}, false, nil
}

// newestUpTo finds a partition's newest recorded message of one generation up to a
// sequence. The sequence has a block range index, which finds a range of them and
// knows no order: so the search goes back by ever larger steps.
func (s *Store) newestUpTo(ctx context.Context, partition int32, generation int64, sequence uint64) (_ ledger.Anchor, ok bool, err error) {
	const firstStep, growth = 1 << 10, 1 << 5
	upTo := int64(min(sequence, math.MaxInt64))
	for step := int64(firstStep); upTo > 0; step *= growth {
		above := int64(0)
		if step < upTo && step < math.MaxInt64/growth { // at most 11 steps
			above = upTo - step
		}
		row, err := s.query.NewestMutationBetween(ctx, query.NewestMutationBetweenParams{
			Partition: partition, Generation: int32(generation), Above: above, UpTo: upTo, //nolint:gosec // counts rewinds
		})
		if err == nil {
			return anchor(generation, row.Sequence, row.PublishedNs, row.MessageID), true, nil
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return ledger.Anchor{}, false, fmt.Errorf("searching the recorded messages: %w", err)
		}
		upTo = above
	}
	return ledger.Anchor{}, false, nil
}
