package batcher

import "github.com/catalog-courier/catalog-courier/catalog"

// Waits reports whether a mutation of the item waits in memory. In a spilled lane
// more may wait in the store.
func (b *Batcher) Waits(key catalog.ItemKey) bool {
	l := b.lanes[key.Lane]
	if l == nil {
		return false
	}
	it := l.find(key.ItemID, key.Localization)
	return it != nil && it.waiting()
}
