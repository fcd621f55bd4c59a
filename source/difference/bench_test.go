package difference

import (
	"encoding/json"
	"fmt"
	"testing"
)

// BenchmarkCompare compares an item that did not change, as nearly all are, and one that did.
func BenchmarkCompare(b *testing.B) {
	r := route()
	attributes := json.RawMessage(fmt.Sprintf(`{"availability":"in stock","description":"%0600d","price":"5 EUR","title":"Lamp"}`, 1))
	known, err := r.Compare(Item{ID: "1", Attributes: attributes}, State{}, at(1))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("unchanged", func(b *testing.B) {
		for b.Loop() {
			if change, err := r.Compare(Item{ID: "1", Attributes: attributes}, known.State, at(2)); err != nil || change.Publishes() {
				b.Fatal(change.Kind, err)
			}
		}
	})
	b.Run("changed", func(b *testing.B) {
		other := known.State
		other.Hash[0]++
		for b.Loop() {
			if change, err := r.Compare(Item{ID: "1", Attributes: attributes}, other, at(2)); err != nil || !change.Publishes() {
				b.Fatal(change.Kind, err)
			}
		}
	})
}
