package feed

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// maxDepth bounds nesting: feeds have three levels, an attack has thousands.
const maxDepth = 32

// tokenSlack is what one token of XML may be longer than a record, before the parser is
// stopped: it holds a token in memory as a whole.
const tokenSlack = 1 << 20

// layouts are the outlines of feeds: where items are under the root.
var layouts = map[string]struct {
	format Format
	paths  []string
}{
	"rss":      {RSS2, []string{"rss/channel/item"}},
	"RDF":      {RSS1, []string{"RDF/item", "RDF/product"}},
	"feed":     {Atom, []string{"feed/entry"}},
	"listings": {Listings, []string{"listings/listing"}},
}

// xmlSource reads items at one path and nowhere else: an item's price is a child of the
// item, not one of its shipping.
type xmlSource struct {
	session *session
	decoder *xml.Decoder
	budget  *budget
	format  Format
	paths   []string
	path    []string // open elements above items
	count   int64
}

// budget stops a reader that takes more for one token than memory allows.
type budget struct {
	from io.Reader
	left int64
}

func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fail(ErrTooLarge, "one value or record is larger than the limit", "raise the limit if the feed is right")
	}
	n, err := b.from.Read(p)
	b.left -= int64(n)
	return n, err
}

func (s *session) openXML(text *bufio.Reader) (*Reader, error) {
	limit := &budget{from: newCleaner(text, s), left: s.tokenLimit()}
	decoder := xml.NewDecoder(limit)
	decoder.Entity = xml.HTMLEntity
	x := &xmlSource{session: s, decoder: decoder, budget: limit}
	for {
		token, err := x.token()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil, fail(ErrNotAFeed, "there is no XML element in it", "check the address or the export")
			}
			return nil, err
		}
		root, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		layout, known := layouts[root.Name.Local]
		if !known {
			return nil, failAt(ErrNotAFeed, x.place(), "the root element is <"+legible.Clip(root.Name.Local, 40)+">",
				"rss, feed, RDF and listings are read; check the address")
		}
		x.format, x.paths, x.path = layout.format, layout.paths, []string{root.Name.Local}
		return &Reader{session: s, source: x, format: layout.format}, nil
	}
}

func (s *session) tokenLimit() int64 { return int64(s.options.MaxRecord) + tokenSlack }

func (x *xmlSource) place() Place {
	line, _ := x.decoder.InputPos()
	return Place{Line: int64(line), Record: x.count}
}

// token reads with a fresh budget and names the errors.
func (x *xmlSource) token() (xml.Token, error) {
	x.budget.left = x.session.tokenLimit()
	token, err := x.decoder.Token()
	if err == nil || errors.Is(err, io.EOF) {
		return token, err
	}
	if syntax := (*xml.SyntaxError)(nil); errors.As(err, &syntax) && strings.HasPrefix(syntax.Msg, "unexpected EOF") {
		return nil, caused(ErrTruncated, x.place(), err, "fetch or write the feed again")
	}
	return nil, caused(ErrMalformed, x.place(), err, "correct the feed: it is not well-formed XML")
}

func (x *xmlSource) next() (Record, error) {
	for {
		token, err := x.token()
		if err != nil {
			if errors.Is(err, io.EOF) && len(x.path) > 0 { // cannot be: the parser counts too
				return Record{}, failAt(ErrTruncated, x.place(), "elements are not closed", "fetch or write the feed again")
			}
			return Record{}, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			x.path = append(x.path, token.Name.Local)
			if len(x.path) > maxDepth {
				return Record{}, failAt(ErrMalformed, x.place(), fmt.Sprintf("elements are nested more than %d deep", maxDepth), "check who wrote the feed")
			}
			if !x.atItem() {
				continue
			}
			x.count++
			record, err := x.item(token)
			if err != nil {
				return Record{}, err
			}
			x.path = x.path[:len(x.path)-1]
			if len(record.Item) == 0 {
				x.session.find(KindEmptyItem, record.Place, "", "", "an item without any value was passed over")
				continue
			}
			return record, nil
		case xml.EndElement:
			x.path = x.path[:len(x.path)-1]
		}
	}
}

func (x *xmlSource) atItem() bool {
	if len(x.path) > 3 {
		return false
	}
	path := strings.Join(x.path, "/")
	return slices.Contains(x.paths, path)
}

// item reads up to the item's end.
func (x *xmlSource) item(start xml.StartElement) (Record, error) {
	record := Record{Place: x.place()}
	build := &builder{source: x, record: &record, left: x.session.options.MaxRecord}
	item, err := build.element(start, 0)
	if err != nil {
		return Record{}, err
	}
	switch fields := item.(type) {
	case map[string]any:
		record.Item = fields
	case string: // an item that holds text instead of elements
		record.Item = map[string]any{"value": fields}
	}
	if x.format == Atom {
		atomNames(record.Item)
	}
	for _, name := range idNames {
		if ids, many := record.Item[name].([]any); many {
			x.session.find(KindNested, record.Place, name, fmt.Sprint(ids[0], ", ", ids[1]), "an item has one id: the first one was taken, and the item is not sent")
			record.Item[name], record.Damaged = ids[0], true
		}
	}
	return record, nil
}

// atomNames gives an entry's text the name that all other formats have for it.
func atomNames(item map[string]any) {
	for _, name := range []string{"summary", "content"} {
		value, has := item[name]
		if _, taken := item["description"]; has && !taken {
			item["description"] = value
			delete(item, name)
			return
		}
	}
}
