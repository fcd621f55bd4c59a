package catalog

import "github.com/tidwall/gjson"

// MergeRules say how a platform reads two changes of one item, so that they may be
// merged into one with the same effect. The zero value merges nothing.
type MergeRules struct {
	Semantics Semantics
	// StickyAttribute names an attribute whose value leaves something behind when it is
	// cleared again, such as a currency of the whole item: clearing it does not merge
	// over a value of it. "" for none.
	StickyAttribute string
}

// Semantics is how a platform reads operations: a column of the merge table in
// docs/design.md. The zero value says that nothing is known, so that nothing merges.
//
// What null means follows from it. In an UPDATE it clears the attribute. An UPSERT
// that replaces the whole item says the same by a null and by an attribute left out.
// The null of an UPSERT that is overlaid clears, as in an UPDATE. In a CREATE a null
// has nothing to clear; nobody documents what it does where the item exists and
// CREATE is overlaid, so that merging keeps a CREATE's own nulls and never adds
// one.
type Semantics struct {
	// Merges says that two changes may become one where the result is the same.
	Merges bool
	// UpsertReplaces says that an UPSERT is the whole item. Without it an UPSERT is
	// overlaid on what is there.
	UpsertReplaces bool
	// UpsertAlone says that it is not known whether an UPSERT replaces, so that nothing
	// that came before merges into one.
	UpsertAlone bool
}

// Merge makes one change out of two of the same item that follow each other. ok
// is false where both must be sent in order, the second after the first is
// final. Merge is associative where it merges, and the merged change leaves any
// item in the state the two would have left it in. When the platform refuses a
// merged change, its parts must be sent one by one: the later ones may be fine.
//
// Nothing merges into a CREATE that follows something: whether a CREATE of an
// existing item replaces it, is overlaid it or is refused is not documented.
// Attributes must be valid JSON objects. The merged change may share memory with
// the newer one.
func (r MergeRules) Merge(older, newer Change) (merged Change, ok bool) {
	if !r.Semantics.Merges || r.clearsLasting(older, newer) {
		return Change{}, false
	}
	switch newer.Operation {
	case Delete:
		return replaceBy(newer, known(older.Operation))
	case Upsert:
		if r.Semantics.UpsertAlone {
			return Change{}, false
		}
		if r.Semantics.UpsertReplaces {
			return replaceBy(newer, known(older.Operation) && older.Operation != Delete)
		}
		return mergeOverlaidUpsert(older, newer)
	case Update:
		return r.mergeUpdate(older, newer)
	case DeleteDiscontinued:
		return replaceBy(newer, older.Operation == DeleteDiscontinued)
	default:
		return Change{}, false
	}
}

// replaceBy is the newer change alone, where it may stand for both.
func replaceBy(newer Change, ok bool) (Change, bool) {
	if !ok {
		return Change{}, false
	}
	return newer, true
}

// clearsLasting reports that the newer change clears, by null or "", what the older
// one gives a value that lasts.
func (r MergeRules) clearsLasting(older, newer Change) bool {
	if r.StickyAttribute == "" || len(older.Attributes) == 0 || len(newer.Attributes) == 0 {
		return false
	}
	cleared := gjson.GetBytes(newer.Attributes, r.StickyAttribute)
	return cleared.Exists() && isEmpty(cleared) && !isEmpty(gjson.GetBytes(older.Attributes, r.StickyAttribute))
}

func isEmpty(value gjson.Result) bool { return value.String() == "" }

func known(op Operation) bool { return op >= Create && op <= DeleteDiscontinued }

// mergeOverlaidUpsert refuses an older UPDATE: where the item does not exist, the
// UPDATE is refused and the UPSERT creates the item without the UPDATE's
// attributes.
func mergeOverlaidUpsert(older, newer Change) (Change, bool) {
	switch older.Operation {
	case Create:
		return mergeIntoCreate(older, newer)
	case Upsert:
		return overlay(older, newer, keepNulls)
	default:
		return Change{}, false
	}
}

func (r MergeRules) mergeUpdate(older, newer Change) (Change, bool) {
	switch older.Operation {
	case Create:
		return mergeIntoCreate(older, newer)
	case Upsert:
		if r.Semantics.UpsertReplaces {
			return overlay(older, newer, removeNulls)
		}
		return overlay(older, newer, keepNulls)
	case Update:
		return overlay(older, newer, keepNulls)
	default:
		return Change{}, false
	}
}

// mergeIntoCreate refuses a newer null: if the item exists and CREATE is laid
// over it, the null clears what was there before, and a CREATE cannot say that.
func mergeIntoCreate(older, newer Change) (Change, bool) {
	if newer.HasNull {
		return Change{}, false
	}
	return overlay(older, newer, keepNulls)
}
