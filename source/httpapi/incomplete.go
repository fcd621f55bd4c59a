package httpapi

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/publish"
)

// incomplete says what is known of a request whose publishing stopped.
func incomplete(items []item, results []publish.Result, err error, keyed bool) *refusal {
	known := &publication{IDs: make([]string, 0, len(items)), RepeatSafe: true}
	newer := map[catalog.ItemKey]bool{} // items of which a later change is stored
	fixed := true                       // each id is the same in a repeat
	all := outcomes(items, results)
	for i, item := range slices.Backward(items) {
		fixed = fixed && (item.explicit || keyed)
		switch result := all[i]; {
		case result.Outcome != publish.Refused:
			known.Stored++
			newer[item.key] = true
			continue
		case result.NotStored:
			known.NotStored++
		default:
			known.Unknown++
		}
		if newer[item.key] { // a repeat would put the older change behind the newer one
			known.RepeatSafe = false
		}
	}
	for _, item := range items {
		known.IDs = append(known.IDs, item.id)
	}
	ordered := known.RepeatSafe
	nothing := known.Stored == 0 && known.Unknown == 0
	known.RepeatSafe = ordered && (fixed || nothing)

	of := kindUnavailable
	switch {
	case errors.Is(err, publish.ErrStreamFull):
		of = kindStreamFull
	case errors.Is(err, publish.ErrDenied):
		of = kindDenied
	}
	detail := incompleteDetail(known, nothing, ordered, keyed)
	if of == kindDenied {
		detail = "the permissions of this server's NATS user do not include this path: its operator has to grant it. " + detail
	}
	refused := refuse(of, detail)
	refused.known, refused.cause = known, err
	return refused
}

// outcomes are what became of each item. One that repeats a line has its result, and one that
// publishing did not come to is not stored.
func outcomes(items []item, results []publish.Result) []publish.Result {
	all := make([]publish.Result, len(items))
	for i, item := range items {
		switch {
		case item.repeats > 0:
			all[i] = all[item.repeats-1]
		case len(results) > 0:
			all[i], results = results[0], results[1:]
		default:
			all[i].NotStored = true
		}
	}
	return all
}

func incompleteDetail(known *publication, nothing, ordered, keyed bool) string {
	if nothing {
		return "nothing of the request is stored; send it again later"
	}
	counts := fmt.Sprintf("%d mutations are stored, %d are not, and of %d it is not known", known.Stored, known.NotStored, known.Unknown)
	switch {
	case !ordered:
		return counts + ". An older change of an item is missing while a newer one is stored: do not repeat the request; send the present state of its items"
	case known.RepeatSafe && keyed:
		return counts + ". Repeat the same request with the same " + headerKey + ": what is stored is not stored again while the stream remembers its id"
	case known.RepeatSafe:
		return counts + ". Repeat the same request: what is stored is not stored again while the stream remembers its id"
	default:
		return counts + ". The ids of this answer are random: to repeat without storing twice, put them into the lines as id, in their order"
	}
}

// sortedByLine puts what the stream refused among what the server refused.
func sortedByLine(bad []lineError) []lineError {
	slices.SortStableFunc(bad, func(a, b lineError) int { return cmp.Compare(a.Line, b.Line) })
	return bad
}
