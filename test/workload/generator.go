package workload

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/publish"
)

// Generator makes up changes as shops do: most are updates, a few items change all
// the time, items are deleted and made again at once, and now and then a change
// makes no sense. The same seed makes the same changes.
type Generator struct {
	// Lanes that the items are spread over.
	Lanes []catalog.Lane
	// Bases names, of those whose items only localize others, the lane of the others.
	Bases map[catalog.Lane]catalog.Lane
	// Discontinues are those that take DELETE_DISCONTINUED.
	Discontinues []catalog.Lane
	// Items per lane; the first Hot of them get every third change.
	Items int
	Hot   int

	random *rand.Rand
	made   int
	exists map[catalog.ItemKey]bool
	queued []publish.Mutation
}

// New makes a generator; set its fields before Next.
func New(seed uint64) *Generator {
	return &Generator{
		Items: 1000, Hot: 5,
		random: rand.New(rand.NewPCG(seed, 2)), //nolint:gosec // repeatable on purpose
		exists: map[catalog.ItemKey]bool{},
	}
}

// Next makes the next n changes, in order.
func (g *Generator) Next(n int) []publish.Mutation {
	changes := make([]publish.Mutation, 0, n)
	for len(changes) < n {
		if len(g.queued) == 0 {
			g.invent()
		}
		changes, g.queued = append(changes, g.queued[0]), g.queued[1:]
	}
	return changes
}

// invent queues the next change, or two that belong together.
func (g *Generator) invent() {
	lane := g.Lanes[g.random.IntN(len(g.Lanes))]
	number := g.random.IntN(g.Items)
	if g.random.IntN(3) == 0 {
		number = g.random.IntN(g.Hot)
	}
	base, localizes := g.Bases[lane]
	if localizes && g.localize(lane, catalog.ItemKey{Lane: base, ItemID: itemID(lane.Type, number)}) {
		return
	}
	if localizes {
		lane = base
	}
	key := catalog.ItemKey{Lane: lane, ItemID: itemID(lane.Type, number)}
	if !g.exists[key] {
		g.inventForMissing(key)
		return
	}
	switch dice := g.random.IntN(100); {
	case dice < 5 && slices.Contains(g.Discontinues, lane):
		g.add(key, catalog.DeleteDiscontinued, nil)
	case dice < 55:
		g.add(key, catalog.Update, Part(lane.Type, g.mark(), g.random.IntN(1000)))
	case dice < 63:
		g.clear(key)
	case dice < 80:
		g.add(key, catalog.Upsert, Whole(lane.Type, g.mark()))
	case dice < 90: // delete, then recreate
		g.add(key, catalog.Delete, nil)
		g.add(key, []catalog.Operation{catalog.Create, catalog.Upsert}[g.random.IntN(2)], Whole(lane.Type, g.mark()))
	default:
		g.add(key, catalog.Delete, nil)
	}
}

func (g *Generator) inventForMissing(key catalog.ItemKey) {
	switch dice := g.random.IntN(100); {
	case dice < 3: // refused: there is nothing to update
		g.add(key, catalog.Update, Part(key.Lane.Type, g.mark(), g.random.IntN(1000)))
	case dice < 50:
		g.add(key, catalog.Upsert, Whole(key.Lane.Type, g.mark()))
	default:
		g.add(key, catalog.Create, Whole(key.Lane.Type, g.mark()))
	}
}

// localize queues a change of a localization. It reports whether it did: what is not
// there is seldom localized.
func (g *Generator) localize(lane catalog.Lane, base catalog.ItemKey) bool {
	const seldom = 10
	if !g.exists[base] && g.random.IntN(seldom) > 0 {
		return false
	}
	key := catalog.ItemKey{Lane: lane, ItemID: base.ItemID}
	key.Localization = catalog.Localization{Type: "LANGUAGE", Value: []string{"pl_PL", "fr_FR"}[g.random.IntN(2)]}
	switch dice := g.random.IntN(100); {
	case dice < 50:
		g.add(key, catalog.Update, map[string]any{"title": text("title", g.mark())})
	case dice < 85:
		g.add(key, catalog.Upsert, map[string]any{"title": text("title", g.mark()), "description": text("description", g.mark())})
	default:
		g.add(key, catalog.Delete, nil)
	}
	return true
}

// clear clears an attribute where the type has one that can be, and changes one
// otherwise.
func (g *Generator) clear(key catalog.ItemKey) {
	attributes := Cleared(key.Lane.Type)
	if attributes == nil {
		attributes = Part(key.Lane.Type, g.mark(), g.random.IntN(1000))
	}
	g.add(key, catalog.Update, attributes)
}

func (g *Generator) add(key catalog.ItemKey, operation catalog.Operation, attributes map[string]any) {
	change := publish.Mutation{
		Account: key.Lane.Account, Catalog: key.Lane.Catalog, Type: key.Lane.Type,
		ItemID: key.ItemID, Localization: key.Localization, Operation: operation,
	}
	if attributes != nil {
		change.Attributes = attributes
	}
	g.queued = append(g.queued, change)
	switch operation {
	case catalog.Create, catalog.Upsert:
		g.exists[key] = true
	case catalog.Delete:
		delete(g.exists, key)
	default: // changes what is there, or nothing
	}
}

// mark is another text for every change, so that a lost one shows.
func (g *Generator) mark() string {
	g.made++
	return fmt.Sprintf("m%07d", g.made)
}

// itemID names items of every catalog type; some have keys of two parts.
func itemID(itemType catalog.Type, number int) string {
	switch itemType {
	case "FLIGHT":
		return airport(number/676) + "/" + airport(number%676+17)
	case "HOTEL_ROOM":
		return fmt.Sprintf("INN-%02d/SKU-%05d", number%7, number)
	case "LOCAL_INVENTORY":
		return fmt.Sprintf("SKU-%05d/STORE-%02d", number, number%7)
	default:
		return fmt.Sprintf("SKU-%05d", number)
	}
}

func airport(number int) string {
	return string([]byte{'A' + byte(number/676%26), 'A' + byte(number/26%26), 'A' + byte(number%26)}) //nolint:gosec // below 26
}
