package catalog

// Rules say how a platform reads two changes of one item, so that they may be
// merged into one with the same effect. The zero value merges nothing.
type Rules struct {
	Semantics Semantics
}

// Semantics is a column of the merge table in docs/design.md.
type Semantics uint8

// The platforms' readings.
const (
	NoMerging          Semantics = iota
	PinterestSemantics           // UPSERT replaces the whole item
	MetaSemantics                // UPSERT is laid over what is there
)

// Merge makes one change out of two of the same item that follow each other. ok
// is false where both must be sent in order, the second after the first is
// final. Merge is associative where it merges, and the merged change leaves any
// item in the state the two would have left it in.
func (r Rules) Merge(older, newer Change) (merged Change, ok bool) {
	panic("to be written by the catalog helper")
}
