package catalog

import (
	"strings"
)

// JoinItemID makes the item id of a composite key: its parts in the documented
// order, joined by "/", with "/" and "%" inside a part percent-encoded.
func JoinItemID(parts ...string) string {
	escaped := make([]string, len(parts))
	for i, part := range parts {
		escaped[i] = itemIDEscaper.Replace(part)
	}
	return strings.Join(escaped, "/")
}

var itemIDEscaper = strings.NewReplacer("%", "%25", "/", "%2F")

// SplitItemID undoes JoinItemID. It refuses an id with another number of parts,
// an empty part, or a "%" that is not the "%2F" or "%25" of JoinItemID: an item has one
// id, and "%2f" would be a second one of the same item.
func SplitItemID(id string, names []string) ([]string, *Problem) {
	parts := strings.Split(id, "/")
	if len(parts) != len(names) {
		return nil, &Problem{Reason: BadKey, Field: "item_id", Text: "item_id " + quoteShort(id) + " must be " +
			strings.Join(names, "/") + ", with \"/\" inside a part written %2F and \"%\" written %25"}
	}
	for i, part := range parts {
		plain, ok := unescapePart(part)
		if !ok || plain == "" {
			return nil, &Problem{Reason: BadKey, Field: "item_id", Text: "the part " + names[i] + " of item_id " +
				quoteShort(id) + " is empty or has a % that is not %2F or %25"}
		}
		parts[i] = plain
	}
	return parts, nil
}

func unescapePart(part string) (string, bool) {
	if !strings.Contains(part, "%") {
		return part, true
	}
	var plain strings.Builder
	for i := 0; i < len(part); i++ {
		if part[i] != '%' {
			plain.WriteByte(part[i])
			continue
		}
		if i+2 >= len(part) {
			return "", false
		}
		switch part[i : i+3] {
		case "%2F":
			plain.WriteByte('/')
		case "%25":
			plain.WriteByte('%')
		default:
			return "", false
		}
		i += 2
	}
	return plain.String(), true
}

// quoteShort quotes a producer's value for a message to people, cut to a length
// that keeps a line readable.
func quoteShort(value string) string {
	const limit = 60
	if len(value) > limit {
		value = strings.ToValidUTF8(value[:limit], "") + "…"
	}
	return `"` + value + `"`
}
