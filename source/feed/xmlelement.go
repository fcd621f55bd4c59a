package feed

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
)

// repeats are elements that may repeat by their format: they are a list even where there
// is one, so that a mapping has one case.
var repeats = map[Format][]string{
	RSS2:     googleRepeats,
	RSS1:     googleRepeats,
	Atom:     googleRepeats,
	Listings: {"image", "video", "neighborhood", "guest_rating", "guest_ratings", "tag"},
}

var googleRepeats = []string{
	"additional_image_link", "shipping", "tax", "product_highlight", "product_detail", "included_destination",
	"excluded_destination", "shopping_ads_excluded_country", "lifestyle_image_link", "certification",
}

// texts are elements whose content is text. Elements inside them are markup that
// somebody forgot to escape.
var texts = []string{"title", "description", "summary", "content", "name", "short_description"}

// builder makes one item's values.
type builder struct {
	source *xmlSource
	record *Record
	left   int // bytes of text that the record may still take
}

// rank orders names that differ in their prefix only: Google's beat the feed's own,
// which beat those of anything else, such as media:title or atom:link.
func rank(name xml.Name, own string) int8 {
	switch {
	case name.Space == "g" || strings.Contains(name.Space, "base.google.com/ns/"):
		return 3
	case name.Space == "" || name.Space == own:
		return 2
	default:
		return 1
	}
}

// fields are the children of one element.
type fields struct {
	values map[string]any
	ranks  map[string]int8
}

func (f *fields) add(name string, r int8, value any, list bool) {
	if f.values == nil {
		f.values, f.ranks = map[string]any{}, map[string]int8{}
	}
	old, has := f.values[name]
	switch {
	case has && f.ranks[name] > r:
		return
	case !has || f.ranks[name] < r:
		if list {
			value = []any{value}
		}
		f.values[name] = value
		f.ranks[name] = r
	default:
		if many, ok := old.([]any); ok {
			f.values[name] = append(many, value)
		} else {
			f.values[name] = []any{old, value}
		}
	}
}

// element reads one element to its end. It returns nil where there is no value.
func (b *builder) element(start xml.StartElement, depth int) (any, error) {
	if depth > maxDepth {
		return nil, failAt(ErrMalformed, b.source.place(), fmt.Sprintf("elements are nested more than %d deep", maxDepth), "check who wrote the feed")
	}
	local := start.Name.Local
	if depth > 0 && slices.Contains(texts, local) {
		return b.flat(start)
	}
	var inside fields
	var text strings.Builder
	for {
		token, err := b.source.token()
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.CharData:
			b.append(&text, token, local)
		case xml.StartElement:
			value, err := b.element(token, depth+1)
			if err != nil {
				return nil, err
			}
			if value == nil || b.left < 0 {
				continue
			}
			name := b.name(token)
			list := slices.Contains(repeats[b.source.format], name) && (depth == 0 || name == "tag")
			inside.add(name, rank(token.Name, start.Name.Space), value, list)
		case xml.EndElement:
			return b.value(start, strings.TrimSpace(text.String()), inside, depth), nil
		}
	}
}

// name is the key of an element in its parent.
func (b *builder) name(start xml.StartElement) string {
	name := start.Name.Local
	switch {
	case name == "component": // <component name="addr1">: the name is in the attribute
		if named := attribute(start, "name"); named != "" {
			return named
		}
	case name == "link" && b.source.format == Atom:
		if rel := attribute(start, "rel"); rel != "" && rel != "alternate" {
			return "link_" + rel
		}
	}
	return name
}

func attribute(start xml.StartElement, name string) string {
	for _, a := range start.Attr {
		if a.Name.Local == name && a.Name.Space == "" {
			return strings.TrimSpace(a.Value)
		}
	}
	return ""
}

// value joins text, attributes and children of an element.
func (b *builder) value(start xml.StartElement, text string, inside fields, depth int) any {
	local := start.Name.Local
	if local == "link" && text == "" && inside.values == nil { // Atom: <link href="…"/>
		text = attribute(start, "href")
	}
	if local == "link" || local == "component" {
		if text == "" && inside.values == nil {
			return nil
		}
		if inside.values == nil {
			return text
		}
	}
	for _, a := range start.Attr {
		if b.meaningless(a, local) || b.left < 0 {
			continue
		}
		value := b.keep(strings.TrimSpace(a.Value), local+"."+a.Name.Local)
		if value != "" {
			inside.add(a.Name.Local, 0, value, false) // a child of the same name is taken instead
		}
	}
	switch {
	case inside.values == nil && text == "":
		return nil
	case inside.values == nil:
		return text
	case text != "" && depth > 0:
		inside.add("value", 0, text, false)
	}
	return inside.values
}

// meaningless are attributes for parsers and readers of news.
func (b *builder) meaningless(a xml.Attr, local string) bool {
	switch {
	case a.Name.Space != "" || a.Name.Local == "xmlns":
		return true
	case local == "address":
		return a.Name.Local == "format"
	case local == "guid":
		return a.Name.Local == "isPermaLink"
	default:
		return false
	}
}

// flat reads an element as text; what is inside is markup whose text counts.
func (b *builder) flat(start xml.StartElement) (any, error) {
	var text strings.Builder
	markup := false
	for depth := 0; ; {
		token, err := b.source.token()
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.CharData:
			b.append(&text, token, start.Name.Local)
		case xml.StartElement:
			depth++
			markup = true
			text.WriteByte(' ')
		case xml.EndElement:
			if depth--; depth >= 0 {
				text.WriteByte(' ')
				continue
			}
			value := strings.TrimSpace(text.String())
			if markup {
				value = strings.Join(strings.Fields(value), " ")
				b.source.session.find(KindMarkup, b.record.Place, start.Name.Local, value, "HTML in XML is escaped or in CDATA: its text was taken without the tags")
			}
			if value == "" {
				return nil, nil //nolint:nilnil // there is no value
			}
			return value, nil
		}
		if depth > maxDepth {
			return nil, failAt(ErrMalformed, b.source.place(), fmt.Sprintf("elements are nested more than %d deep", maxDepth), "check who wrote the feed")
		}
	}
}

// append takes text while the limits allow it.
func (b *builder) append(text *strings.Builder, more []byte, field string) {
	if b.left < 0 {
		return
	}
	if limit := b.source.session.options.MaxCell - text.Len(); len(more) > limit {
		if limit <= 0 { // reported before
			return
		}
		text.WriteString(b.keep(strings.ToValidUTF8(string(more[:limit]), ""), field))
		b.source.session.find(KindTooLong, b.record.Place, field, text.String(), tooLong)
		b.record.Damaged = b.record.Damaged || !longText(field)
		return
	}
	text.WriteString(b.keep(string(more), field))
}

// keep counts a text against the record's limit and reports bytes that were not text.
func (b *builder) keep(text, field string) string {
	if b.left -= len(text) + len(field); b.left < 0 {
		if !b.record.Damaged {
			b.source.session.find(KindTooLong, b.record.Place, field, text, "the record is larger than the limit: its beginning was read, and the item is not sent")
		}
		b.record.Damaged = true
		return ""
	}
	b.source.session.checkText(text, field, b.record.Place)
	return text
}

// checkText reports what the decoder could not make text of.
func (s *session) checkText(text, field string, place Place) {
	if strings.Contains(text, replacement) {
		s.find(KindEncoding, place, field, text, "bytes that are not text of the feed's encoding were replaced")
	}
}
