package meta

import (
	"slices"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/platform/rest"
)

// accepted is what a good answer to a POST says, member by member: what one says
// counts, whatever the others look like.
type accepted struct {
	handles []string
	// unusable reports that there is something in the place of a handle that cannot be
	// followed; cut, that handles are left out.
	unusable, cut bool
	// nothing reports that the answer says by itself that nothing was ingested: an
	// empty list of handles, or none and a list of what is wrong.
	nothing bool
	rows    []gjson.Result // of validation_status
}

const (
	maxHandles = 64   // one is usual; the older reference says "one or more"
	maxHandle  = 2048 // a handle is opaque, and some hundred characters in practice
)

// readAccepted reads the answer to a POST. A name that is there twice counts twice.
func readAccepted(answer gjson.Result) (read accepted) {
	if !answer.IsObject() {
		return accepted{}
	}
	answer.ForEach(func(name, value gjson.Result) bool {
		switch name.Str {
		case "handles", "handle":
			read.nothing = read.nothing || value.Type == gjson.Null || value.IsArray()
			for _, handle := range rest.Entries(value) {
				read.addHandle(handle)
			}
		case "validation_status":
			// Without handles it comes alone: seen where nothing was ingested.
			read.nothing = read.nothing || value.IsArray() || value.IsObject() || rest.Says(value)
			read.rows = append(read.rows, rowsOf(value)...)
		}
		return true
	})
	read.nothing = read.nothing && len(read.handles) == 0 && !read.unusable && !read.cut
	return read
}

// addHandle takes a handle as a string, as a number, or in an object that names it.
func (a *accepted) addHandle(entry gjson.Result) {
	handle := rest.Text(entry)
	for _, name := range []string{"handle", "id"} {
		if handle == "" && entry.IsObject() {
			handle = rest.Text(entry.Get(name))
		}
	}
	switch {
	case handle == "":
		a.unusable = a.unusable || rest.Says(entry)
	case slices.Contains(a.handles, handle):
	case len(handle) > maxHandle || len(a.handles) == maxHandles:
		a.cut = true
	default:
		a.handles = append(a.handles, handle)
	}
}

// rowsOf are the rows of validation_status. It is a list; an object in its place is
// one row, or has a row under the name of each item.
func rowsOf(value gjson.Result) []gjson.Result {
	if !value.IsObject() || isRow(value) {
		return rest.Entries(value)
	}
	var rows []gjson.Result
	value.ForEach(func(name, row gjson.Result) bool {
		if !isRow(row) {
			row = gjson.Parse(`{"errors":` + row.Raw + `}`)
		}
		if row.Get("retailer_id").Exists() || row.Get("id").Exists() {
			rows = append(rows, row)
		} else {
			rows = append(rows, gjson.Parse(`{"retailer_id":`+name.Raw+`,`+row.Raw[1:]))
		}
		return true
	})
	return rows
}

func isRow(value gjson.Result) bool {
	if !value.IsObject() {
		return false
	}
	for _, name := range []string{"retailer_id", "id", "errors", "error", "warnings", "warning", "message"} {
		if value.Get(name).Exists() {
			return true
		}
	}
	return false
}
