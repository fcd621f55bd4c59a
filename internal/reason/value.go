package reason

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// valueWidth is how many columns of a value are shown, and maxRecord how many bytes of a
// record are looked at.
const (
	valueWidth = 80
	maxRecord  = 1 << 20
)

// Value finds what was sent in an attribute: on one line, printable, at most 80 columns.
// record is what was sent of the item: a mutation as it was published, or a record of a
// request, in which the attributes are a member "attributes" or "data" or members of the
// record itself. attribute is as the platform or a rule names it, such as price,
// image[0].url or address.city. It is not found where nothing was sent.
//
// What is sent of items holds no secret: tokens are in the headers of requests, and no
// record has them.
func Value(record []byte, attribute string) (value string, found bool) {
	if attribute == "" || len(record) > maxRecord || !gjson.ValidBytes(record) {
		return "", false
	}
	whole := gjson.ParseBytes(record)
	steps := strings.FieldsFunc(attribute, func(r rune) bool { return r == '.' || r == '[' || r == ']' || r == '/' })
	for _, inside := range []gjson.Result{member(whole, "attributes"), member(whole, "data"), whole} {
		if at := walk(inside, steps); at.Exists() {
			return shown(at), true
		}
		if at := member(inside, attribute); at.Exists() { // a name with a dot in it
			return shown(at), true
		}
	}
	return "", false
}

func walk(at gjson.Result, steps []string) gjson.Result {
	if len(steps) == 0 {
		return gjson.Result{}
	}
	for _, step := range steps {
		if at = member(at, step); !at.Exists() {
			return at
		}
	}
	return at
}

// member is that of an object by its name, or of a list by its number. A name is never a
// pattern.
func member(of gjson.Result, name string) (found gjson.Result) {
	if !of.IsObject() && !of.IsArray() {
		return gjson.Result{}
	}
	of.ForEach(func(key, value gjson.Result) bool {
		if key.String() == name {
			found = value
			return false
		}
		return true
	})
	return found
}

// shown is a text without its quotation marks; everything else as JSON.
func shown(value gjson.Result) string {
	if value.Type == gjson.String {
		return legible.Clip(value.Str, valueWidth)
	}
	return legible.Clip(value.Raw, valueWidth)
}
