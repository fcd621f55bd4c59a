package rest

import (
	"strings"

	"github.com/tidwall/gjson"
)

// Entries are the entries of a list, also where an answer has something else in its
// place: an object, a text or a number is a list of one; null, false, 0 and "" are an
// empty one. Entries that are null or "" are left out.
func Entries(value gjson.Result) []gjson.Result {
	if !value.IsArray() {
		if Says(value) {
			return []gjson.Result{value}
		}
		return nil
	}
	var found []gjson.Result
	value.ForEach(func(_, entry gjson.Result) bool {
		blank := entry.Type == gjson.String && strings.TrimSpace(entry.Str) == ""
		if entry.Type != gjson.Null && !blank {
			found = append(found, entry)
		}
		return true
	})
	return found
}

// Says reports that a value is more than nothing: not missing, null, false, 0 or blank.
func Says(value gjson.Result) bool {
	switch value.Type {
	case gjson.String:
		return strings.TrimSpace(value.Str) != ""
	case gjson.Number:
		return value.Num != 0
	case gjson.True:
		return true
	case gjson.JSON:
		return strings.TrimSpace(strings.Trim(value.Raw, "{}[]")) != ""
	default:
		return false
	}
}

// Words are what an entry of a list of errors or warnings says: its message, in
// whatever member it is, or all of it. "" when it says nothing.
func Words(entry gjson.Result) string {
	if !entry.IsObject() {
		if entry.IsArray() || entry.Type != gjson.Null {
			return strings.TrimSpace(entry.String())
		}
		return ""
	}
	for _, name := range []string{"message", "error_user_msg", "description", "error", "reason"} {
		if said := entry.Get(name); said.Type == gjson.String && strings.TrimSpace(said.Str) != "" {
			return said.Str
		}
	}
	if !Says(entry) {
		return ""
	}
	return entry.Raw
}

// Text is a value that names something, such as a handle or an id: a string without
// the white space around it, or the digits of a whole number. "" for anything else.
func Text(value gjson.Result) string {
	switch {
	case value.Type == gjson.String:
		return strings.TrimSpace(value.Str)
	case value.Type == gjson.Number && isWhole(value.Raw):
		return value.Raw
	default:
		return ""
	}
}

func isWhole(digits string) bool {
	return digits != "" && strings.Trim(digits, "0123456789") == ""
}
