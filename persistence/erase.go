package persistence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/sleep"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// ErrItemOpen is returned for an item that cannot be erased yet: a change of it waits, or
// is at a platform.
var ErrItemOpen = errors.New("something of the item is still open")

// Erased is what was erased, or would be, of one kind.
type Erased struct {
	What string // such as "dead letters deleted"
	Rows int64
}

// eraseTimeout bounds an erasure: it looks through the mutations of all days. While it
// writes, the item's partition commits nothing.
const eraseTimeout = 10 * time.Minute

// While other parts have read something of the item and not yet written it, EraseItem looks
// again: it would be written after the erasure.
const (
	eraseTries = 20
	erasePause = 500 * time.Millisecond
)

// EraseItem erases what is kept of an item of an account that people may not keep, under
// the lock of the partition's fence, and nothing of other items. It is for the owner of the
// schema. With dry it changes nothing. ErrItemOpen changes nothing either.
func (s *Store) EraseItem(ctx context.Context, account, item string, dry bool) (erased []Erased, err error) {
	ctx, cancel := context.WithTimeout(ctx, eraseTimeout)
	defer cancel()
	if item == "" {
		return nil, fmt.Errorf("erasing an item: %w", errNoItem)
	}
	oldest, err := s.oldestMutations(ctx)
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		e := erasure{Store: s, account: account, item: item, oldest: oldest, dry: dry, last: try == eraseTries}
		err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return e.run(ctx, s.query.WithTx(tx)) })
		switch {
		case err == nil, errors.Is(err, errDry):
			return e.erased, nil
		case errors.Is(err, errBehind) && !e.last:
		case errors.Is(err, ErrItemOpen):
			return nil, err
		default:
			return nil, fmt.Errorf("erasing an item: %w", err)
		}
		if err := sleep.For(ctx, erasePause); err != nil {
			return nil, fmt.Errorf("erasing an item: %w", err)
		}
	}
}

var (
	errNoItem = errors.New("no item is named")
	// errBehind says that something of the item was read and is still to be written.
	errBehind = fmt.Errorf("%w: its outcomes are not in the index of items yet", ErrItemOpen)
	// errDry undoes an erasure that was only to be counted.
	errDry = errors.New("nothing is to be changed")
)

// erasure is one try to erase an item.
type erasure struct {
	*Store
	account, item string
	oldest        time.Time // day whose mutations are kept
	dry           bool
	last          bool // webhooks that are behind are not waited for any longer
	erased        []Erased
	// batches had the item, and records are its places in them: -1 where that is unknown.
	batches []uuid.UUID
	records []int32
}

func (e *erasure) run(ctx context.Context, q *query.Queries) error {
	rewritten, err := e.rewriteBatches(ctx, q)
	if err != nil {
		return err
	}
	e.erased = append(e.erased, Erased{What: "batches without the item's messages", Rows: rewritten})
	rows, err := q.EraseItem(ctx, query.EraseItemParams{Account: e.account, Item: e.item, Batches: e.batches, Records: e.records})
	if err != nil {
		return err
	}
	for _, row := range rows {
		switch {
		case row.What == "open" && row.Touched > 0:
			return fmt.Errorf("%w: %d changes or deliveries are not final", ErrItemOpen, row.Touched)
		case row.What == "behind" && row.Touched > 0 && !e.dry, row.What == "posting" && row.Touched > 0 && !e.dry && !e.last:
			return errBehind
		case row.What == "open", row.What == "behind", row.What == "posting":
		default:
			e.erased = append(e.erased, Erased{What: row.What, Rows: row.Touched})
		}
	}
	if err := e.deleteUnreadPacks(ctx, q); err != nil {
		return err
	}
	if e.dry {
		return errDry
	}
	return nil
}

// deleteUnreadPacks deletes the dead letters of packs that could not be read and that may have
// the item: their bytes are compressed, so that the statement does not find it in them.
func (e *erasure) deleteUnreadPacks(ctx context.Context, q *query.Queries) error {
	forms, err := q.FormsOfItem(ctx, e.item)
	if err != nil {
		return fmt.Errorf("writing the item as in a message: %w", err)
	}
	var ids []int64
	for after := int64(0); ; {
		page, err := q.UnreadPacks(ctx, query.UnreadPacksParams{After: after, Account: e.account, Lim: batchesAtOnce})
		if err != nil {
			return fmt.Errorf("reading the packs that cannot be read: %w", err)
		}
		for i := range page {
			after = page[i].ID
			text, whole := unpacked(headersOf(page[i].Headers), page[i].Body)
			if !whole || slices.ContainsFunc(forms, func(form []byte) bool { return bytes.Contains(text, form) }) {
				ids = append(ids, after)
			}
		}
		if len(page) < batchesAtOnce {
			break
		}
	}
	deleted, err := q.DeleteUnreadPacks(ctx, ids)
	if err != nil {
		return fmt.Errorf("deleting the packs that cannot be read: %w", err)
	}
	for i := range e.erased {
		if e.erased[i].What == "dead letters deleted" {
			e.erased[i].Rows += deleted
		}
	}
	return nil
}

// batchesAtOnce is how many payloads are in memory at once.
const batchesAtOnce = 16

// rewriteBatches takes the item out of the payloads that have it. The others of a batch stay
// as they are, and so do the numbers of its records: outcomes go by them.
func (e *erasure) rewriteBatches(ctx context.Context, q *query.Queries) (rewritten int64, err error) {
	e.batches, e.records = []uuid.UUID{}, []int32{} // null would be no list
	named, err := q.BatchesNamedByItem(ctx, query.BatchesNamedByItemParams{Account: e.account, Item: e.item})
	if err != nil {
		return 0, fmt.Errorf("reading the batches of the item: %w", err)
	}
	named = append([]uuid.UUID{}, named...)
	for after := uuid.Nil; ; {
		page, err := q.BatchesOfItem(ctx, query.BatchesOfItemParams{After: after, Account: e.account, Named: named, Oldest: e.oldest, Lim: batchesAtOnce})
		if err != nil {
			return 0, fmt.Errorf("reading the batches of the account: %w", err)
		}
		for i := range page {
			after = page[i].ID
			payload, found := e.withoutItem(&page[i])
			if !found {
				continue
			}
			if !page[i].Finished {
				return 0, fmt.Errorf("%w: batch %s is not finished", ErrItemOpen, after)
			}
			if err := q.ReplacePayload(ctx, query.ReplacePayloadParams{ID: after, Payload: payload}); err != nil {
				return 0, fmt.Errorf("taking the item out of batch %s: %w", after, err)
			}
			rewritten++
		}
		if len(page) < batchesAtOnce {
			return rewritten, nil
		}
	}
}

// withoutItem is the payload of a batch without what the item's messages say; not found where
// nothing of the item is in it. A payload that cannot be read may have it, and is emptied.
func (e *erasure) withoutItem(batch *query.BatchesOfItemRow) (payload []byte, found bool) {
	unnamed := func() {
		if batch.Named {
			e.batches, e.records = append(e.batches, batch.ID), append(e.records, -1)
		}
	}
	if len(batch.Payload) == 0 {
		unnamed()
		return nil, false
	}
	records, err := e.codec.unpackAsKept(batch.Payload)
	if err != nil {
		e.batches, e.records = append(e.batches, batch.ID), append(e.records, -1)
		return []byte{}, true
	}
	for r := range records {
		for c, m := range records[r].Constituents {
			if clean(m.ItemID) == e.item {
				records[r].Constituents[c] = withoutContent(m)
				e.batches, e.records = append(e.batches, batch.ID), append(e.records, int32(r))
				found = true
			}
		}
	}
	if !found {
		unnamed()
		return nil, false
	}
	return e.codec.packRecords(records), true
}

// withoutContent is what stays of a mutation: its id, its place and its times, by which its
// row is found.
func withoutContent(m *catalog.Mutation) *catalog.Mutation {
	bare := *m
	bare.ItemID, bare.Localization = "", catalog.Localization{}
	bare.Attributes, bare.HasNull = nil, false
	bare.Message = catalog.Message{Subject: m.Message.Subject}
	return &bare
}

// oldestMutations is the oldest day whose mutations are kept.
func (s *Store) oldestMutations(ctx context.Context) (oldest time.Time, err error) {
	err = s.eachDay(ctx, "courier.mutation", func(_ string, on time.Time) error {
		if oldest.IsZero() {
			oldest = on
		}
		return nil
	})
	if err != nil {
		return oldest, fmt.Errorf("reading which days are kept: %w", err)
	}
	return oldest, nil
}
