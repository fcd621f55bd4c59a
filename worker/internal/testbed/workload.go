package testbed

import (
	"fmt"
	"math/rand/v2"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/queue"
)

// Workload makes up changes as shops do: most are updates, a few items change all
// the time, items are deleted and made again at once, and now and then a change
// makes no sense. The same seed makes the same changes.
type Workload struct {
	// Lanes that the items are spread over.
	Lanes []catalog.Lane
	// Items per lane; the first Hot of them get every third change.
	Items int
	Hot   int

	random *rand.Rand
	made   int
	exists map[catalog.ItemKey]bool
	queued []queue.Mutation
}

// NewWorkload makes a workload; set its fields before Next.
func NewWorkload(seed uint64) *Workload {
	return &Workload{
		Items: 1000, Hot: 5,
		random: rand.New(rand.NewPCG(seed, 2)), //nolint:gosec // repeatable on purpose
		exists: map[catalog.ItemKey]bool{},
	}
}

// Next makes the next n changes, in order.
func (w *Workload) Next(n int) []queue.Mutation {
	changes := make([]queue.Mutation, 0, n)
	for len(changes) < n {
		if len(w.queued) == 0 {
			w.invent()
		}
		changes, w.queued = append(changes, w.queued[0]), w.queued[1:]
	}
	return changes
}

// invent queues the next change, or two that belong together.
func (w *Workload) invent() {
	lane := w.Lanes[w.random.IntN(len(w.Lanes))]
	number := w.random.IntN(w.Items)
	if w.random.IntN(3) == 0 {
		number = w.random.IntN(w.Hot)
	}
	key := catalog.ItemKey{Lane: lane, ItemID: itemID(lane.Type, number)}
	if !w.exists[key] {
		w.inventForMissing(key)
		return
	}
	switch dice := w.random.IntN(100); {
	case dice < 55:
		w.add(key, catalog.Update, Part(lane.Type, w.mark(), w.random.IntN(1000)))
	case dice < 63:
		w.add(key, catalog.Update, Cleared(lane.Type))
	case dice < 80:
		w.add(key, catalog.Upsert, Whole(lane.Type, w.mark()))
	case dice < 90: // delete, then recreate
		w.add(key, catalog.Delete, nil)
		w.add(key, []catalog.Operation{catalog.Create, catalog.Upsert}[w.random.IntN(2)], Whole(lane.Type, w.mark()))
	default:
		w.add(key, catalog.Delete, nil)
	}
}

func (w *Workload) inventForMissing(key catalog.ItemKey) {
	switch dice := w.random.IntN(100); {
	case dice < 3: // refused: there is nothing to update
		w.add(key, catalog.Update, Part(key.Lane.Type, w.mark(), w.random.IntN(1000)))
	case dice < 50:
		w.add(key, catalog.Upsert, Whole(key.Lane.Type, w.mark()))
	default:
		w.add(key, catalog.Create, Whole(key.Lane.Type, w.mark()))
	}
}

func (w *Workload) add(key catalog.ItemKey, operation catalog.Operation, attributes map[string]any) {
	change := Mutation(key.Lane, key.ItemID, operation, attributes)
	if attributes == nil {
		change.Attributes = nil
	}
	w.queued = append(w.queued, change)
	switch operation {
	case catalog.Create, catalog.Upsert:
		w.exists[key] = true
	case catalog.Delete:
		delete(w.exists, key)
	default: // changes what is there, or nothing
	}
}

// mark is another text for every change, so that a lost one shows.
func (w *Workload) mark() string {
	w.made++
	return fmt.Sprintf("m%07d", w.made)
}

// itemID names items of every catalog type; a flight has two airports.

func itemID(itemType catalog.Type, number int) string {
	if itemType == "FLIGHT" {
		return airport(number/676) + "/" + airport(number%676+17)
	}
	return fmt.Sprintf("SKU-%05d", number)
}

func airport(number int) string {
	return string([]byte{'A' + byte(number/676%26), 'A' + byte(number/26%26), 'A' + byte(number%26)}) //nolint:gosec // below 26
}
