package batcher_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/batcher"
	"github.com/catalog-courier/catalog-courier/catalog"
)

// The two readings of an UPSERT, see catalog.Semantics.
var (
	replacing = catalog.Semantics{Merges: true, UpsertReplaces: true}
	overlaid  = catalog.Semantics{Merges: true}
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	products = catalog.Lane{Account: "acme", Catalog: "products", Type: "PRODUCT_ITEM"}
	flights  = catalog.Lane{Account: "acme", Catalog: "flights", Type: "FLIGHT"}
)

var polish = catalog.Localization{Type: "LANGUAGE", Value: "pl_PL"}

const account = "meta:catalog:1"

var metaRules = catalog.MergeRules{Semantics: overlaid}

// testLane is a lane as the engine would make it, for batches of at most items.
func testLane(key catalog.Lane, items int) batcher.Lane {
	return batcher.Lane{
		Key: key, Sender: account, Rules: metaRules,
		MaxItems: items, MaxBytes: 1 << 20, MaxAge: 2 * time.Second, Overhead: 10,
	}
}

func newBatcher(lanes ...batcher.Lane) *batcher.Batcher {
	b := batcher.New(batcher.Config{})
	for _, lane := range lanes {
		b.AddLane(lane)
	}
	return b
}

// producer numbers mutations as a stream does.
type producer struct {
	last uint64
}

// update makes an UPDATE of one attribute, received at the time given.
func (p *producer) update(lane catalog.Lane, id string, received time.Time) *catalog.Mutation {
	return p.mutation(lane, id, catalog.Update, fmt.Sprintf(`{"n":%d}`, p.last+1), received)
}

func (p *producer) mutation(lane catalog.Lane, id string, op catalog.Operation, attributes string, received time.Time) *catalog.Mutation {
	p.last++
	data := []byte(attributes)
	return &catalog.Mutation{
		ID: fmt.Sprint("m", p.last), Lane: lane, ItemID: id, Operation: op,
		Attributes: data, HasNull: strings.Contains(attributes, ":null"),
		ReceivedAt: received, Position: catalog.Position{Sequence: p.last},
		Message: catalog.Message{Data: data},
	}
}

func (p *producer) remove(lane catalog.Lane, id string, received time.Time) *catalog.Mutation {
	return p.mutation(lane, id, catalog.Delete, "", received)
}

func add(t *testing.T, b *batcher.Batcher, now time.Time, ms ...*catalog.Mutation) {
	t.Helper()
	for _, m := range ms {
		require.Nil(t, b.Add(m, now))
	}
}

func cut(t *testing.T, b *batcher.Batcher, now time.Time) *batcher.Batch {
	t.Helper()
	batch, ok := b.Cut(account, now)
	require.True(t, ok, "nothing to cut")
	return batch
}

func requireNothingDue(t *testing.T, b *batcher.Batcher, now time.Time) {
	t.Helper()
	require.Empty(t, b.Due(now))
	batch, ok := b.Cut(account, now)
	require.False(t, ok, "%+v", batch)
}

func requireEmpty(t *testing.T, b *batcher.Batcher) {
	t.Helper()
	require.Equal(t, batcher.Stats{}, b.Stats())
	_, ok := b.NextDue()
	require.False(t, ok)
}

func release(b *batcher.Batcher, batch *batcher.Batch, now time.Time) {
	for i := range batch.Records {
		b.Release(batch.Records[i].Key, nil, now)
	}
}

// ids are the item ids of a batch, in its order.
func ids(batch *batcher.Batch) []string {
	ids := make([]string, 0, len(batch.Records))
	for i := range batch.Records {
		ids = append(ids, batch.Records[i].Key.ItemID)
	}
	return ids
}

func positions(ms []*catalog.Mutation) []uint64 {
	positions := make([]uint64, 0, len(ms))
	for _, m := range ms {
		positions = append(positions, m.Position.Sequence)
	}
	return positions
}

// constituents are the positions that each record of a batch carries.
func constituents(batch *batcher.Batch) [][]uint64 {
	all := make([][]uint64, 0, len(batch.Records))
	for i := range batch.Records {
		all = append(all, positions(batch.Records[i].Constituents))
	}
	return all
}
