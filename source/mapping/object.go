package mapping

import "slices"

// object holds the attributes of an item, or the members of one of them, sorted by name: the
// order in which they are encoded.
type object []member

type member struct {
	name  string
	value any
}

func (o *object) search(name string) (int, bool) {
	members := *o
	low, high := 0, len(members)
	for low < high {
		if middle := (low + high) / 2; members[middle].name < name {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, low < len(members) && members[low].name == name
}

// get returns nil where there is no such member.
func (o *object) get(name string) any {
	if at, ok := o.search(name); ok {
		return (*o)[at].value
	}
	return nil
}

func (o *object) set(name string, value any) {
	at, ok := o.search(name)
	if ok {
		(*o)[at].value = value
		return
	}
	*o = slices.Insert(*o, at, member{name, value})
}

func (o *object) remove(name string) {
	if at, ok := o.search(name); ok {
		*o = slices.Delete(*o, at, at+1)
	}
}
