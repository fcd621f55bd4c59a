package meta

import (
	"slices"
	"strconv"
	"strings"
)

// Meta may refuse records in its answer to the POST and give a handle for the
// others. Whether the status of that handle counts those refusals is not
// documented, and Meta names no successes: a worker that takes the batch over and
// knows the handle alone would take the refused for succeeded. So the handle that
// is kept carries them: refused:3,17|<Meta's handle>, by index of the record, or
// refused:?|<Meta's handle> where the answer does not say which.

const (
	refusedPrefix = "refused:"
	refusedEnd    = "|"
	refusedWho    = "?"
	// maxRefused bounds the indexes that a handle carries; beyond, it is as if the
	// answer did not say which.
	maxRefused = 100
)

// refusals are the records refused in the answer to the POST.
type refusals struct {
	indexes []int
	unnamed bool // there are some that the answer does not name
}

func (r refusals) none() bool { return len(r.indexes) == 0 && !r.unnamed }

// mark adds the refusals to a handle.
func (r refusals) mark(handle string) string {
	if r.none() {
		return handle
	}
	who := refusedWho
	if !r.unnamed && len(r.indexes) <= maxRefused {
		slices.Sort(r.indexes)
		texts := make([]string, len(r.indexes))
		for i, index := range r.indexes {
			texts[i] = strconv.Itoa(index)
		}
		who = strings.Join(texts, ",")
	}
	return refusedPrefix + who + refusedEnd + handle
}

// unmark takes the refusals out of a kept handle.
func unmark(kept string) (handle string, r refusals) {
	marked, found := strings.CutPrefix(kept, refusedPrefix)
	if !found {
		return kept, refusals{}
	}
	who, handle, found := strings.Cut(marked, refusedEnd)
	if !found {
		return kept, refusals{}
	}
	for text := range strings.SplitSeq(who, ",") {
		index, err := strconv.Atoi(text)
		if err != nil || index < 0 {
			return handle, refusals{unnamed: true}
		}
		r.indexes = append(r.indexes, index)
	}
	return handle, r
}
