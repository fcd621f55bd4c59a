package feed

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// wrappers are the members in which an object holds its list of items.
var wrappers = []string{
	"products", "items", "data", "entries", "listings", "records", "results", "rows", "hotels", "vehicles", "destinations", "flights",
	"home_listings", "variants", "offers",
}

// openJSON tells an array, an object with one, and objects one after the other apart.
func (s *session) openJSON(text *bufio.Reader, start []byte) (*Reader, error) {
	if start[0] == '{' {
		if err := refusal(start); err != nil {
			return nil, err
		}
		if !wrapped(start) {
			source := s.objects(text, start)
			return &Reader{session: s, source: source, format: JSONLines}, nil
		}
	}
	limit := &budget{from: text, left: s.tokenLimit()}
	decoder := json.NewDecoder(limit)
	decoder.UseNumber()
	a := &jsonArray{session: s, decoder: decoder, budget: limit, wrapped: start[0] == '{'}
	if err := a.enter(); err != nil {
		return nil, err
	}
	return &Reader{session: s, source: a, format: JSON}, nil
}

// refusal recognizes what a programming interface answers instead of items.
func refusal(start []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(start))
	var first map[string]json.RawMessage
	if err := decoder.Decode(&first); err != nil || len(first) > 5 {
		return nil //nolint:nilerr // no whole object at the start: it is found out while reading
	}
	for _, name := range []string{"error", "errors"} {
		if _, has := first[name]; has && first["id"] == nil {
			return fail(ErrNotAFeed, "it is an error message: "+legible.Clip(clipBytes(string(start)), 200), "correct the address or the permission")
		}
	}
	return nil
}

// wrapped reports whether the first object holds a list of items, by its first members:
// an item has an id before it has lists. Where it has none there, objects that follow are items,
// too.
func wrapped(start []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(start))
	if _, err := decoder.Token(); err != nil {
		return false
	}
	for range 20 {
		token, err := decoder.Token()
		name, ok := token.(string)
		if err != nil || !ok || idName(strings.ToLower(name)) {
			return false
		}
		rest := bytes.TrimLeft(start[decoder.InputOffset():], ": \t\r\n")
		if len(rest) > 0 && rest[0] == '[' && slices.Contains(wrappers, strings.ToLower(name)) {
			inside := bytes.TrimLeft(rest[1:], " \t\r\n")
			return (len(inside) == 0 || inside[0] == '{' || inside[0] == ']') && !followed(start)
		}
		var skip json.RawMessage
		if decoder.Decode(&skip) != nil {
			return false
		}
	}
	return false
}

// followed reports whether another object follows the first one: then they are the items.
func followed(start []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(start))
	var first json.RawMessage
	if decoder.Decode(&first) != nil {
		return false // it is longer than what was read ahead
	}
	rest := bytes.TrimLeft(start[decoder.InputOffset():], " \t\r\n")
	return len(rest) > 0 && rest[0] == '{'
}

// jsonArray reads the objects of one array.
type jsonArray struct {
	session *session
	decoder *json.Decoder
	budget  *budget
	wrapped bool
	count   int64
	done    bool
}

// enter goes to the array's first element.
func (a *jsonArray) enter() error {
	for {
		token, err := a.token()
		if err != nil {
			return err
		}
		if name, ok := token.(string); ok && a.wrapped {
			if !slices.Contains(wrappers, strings.ToLower(name)) {
				var skip json.RawMessage
				if err := a.decoder.Decode(&skip); err != nil {
					return a.broken(err)
				}
				continue
			}
			if token, err = a.token(); err != nil {
				return err
			}
			if token == json.Delim('[') {
				return nil
			}
			return fail(ErrNotAFeed, "the member "+name+" is not a list", "check the export")
		}
		if token == json.Delim('[') {
			return nil
		}
		if token == json.Delim('}') {
			return fail(ErrNotAFeed, "the object has no list of items", "name the list "+strings.Join(wrappers[:2], " or "))
		}
	}
}

func (a *jsonArray) token() (json.Token, error) {
	a.budget.left = a.session.tokenLimit()
	token, err := a.decoder.Token()
	if err != nil {
		return nil, a.broken(err)
	}
	return token, nil
}

// broken names what is wrong with the JSON.
func (a *jsonArray) broken(err error) error {
	place := Place{Record: a.count}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return caused(ErrTruncated, place, err, "the JSON has no end: fetch or write the feed again")
	}
	return caused(ErrMalformed, place, err, "correct the feed: it is not JSON from there on")
}

func (a *jsonArray) next() (Record, error) {
	if a.done {
		return Record{}, io.EOF
	}
	for {
		a.budget.left = a.session.tokenLimit()
		if !a.decoder.More() {
			return Record{}, a.leave()
		}
		a.count++
		var value any
		if err := a.decoder.Decode(&value); err != nil {
			return Record{}, a.broken(err)
		}
		if record, ok := a.session.object(value, Place{Record: a.count}); ok {
			return record, nil
		}
	}
}

// leave reads to the end of the input: what follows the list has no items, and must be
// complete.
func (a *jsonArray) leave() error {
	if _, err := a.token(); err != nil { // ]
		return err
	}
	if a.wrapped {
		for a.decoder.More() {
			if _, err := a.token(); err != nil {
				return err
			}
			var skip json.RawMessage
			if err := a.decoder.Decode(&skip); err != nil {
				return a.broken(err)
			}
		}
		if _, err := a.token(); err != nil { // }
			return err
		}
	}
	a.budget.left = a.session.tokenLimit()
	if _, err := a.decoder.Token(); !errors.Is(err, io.EOF) {
		if err != nil {
			return a.broken(err)
		}
		return failAt(ErrMalformed, Place{Record: a.count}, "there is more after the end of the JSON", "write one array, or one object a line")
	}
	a.done = true
	return io.EOF
}

// object makes a record of a decoded value. It returns false where it is none.
func (s *session) object(value any, place Place) (Record, bool) {
	object, ok := value.(map[string]any)
	if !ok {
		s.stats.Unreadable++
		s.find(KindLine, place, "", fmt.Sprint(value), "an item is a JSON object: this was passed over")
		return Record{}, false
	}
	record := Record{Place: place}
	record.Item, _ = prune(object).(map[string]any)
	if record.Item == nil {
		s.find(KindEmptyItem, place, "", "", "an object without any value was passed over")
		return Record{}, false
	}
	s.inspect(record.Item, "", &record)
	return record, true
}

// inspect applies the limits to values that were not read text by text.
func (s *session) inspect(value any, field string, record *Record) any {
	switch value := value.(type) {
	case string:
		s.checkText(value, field, record.Place)
		if len(value) > s.options.MaxCell {
			s.find(KindTooLong, record.Place, field, value, tooLong)
			record.Damaged = record.Damaged || !longText(field)
			return strings.ToValidUTF8(value[:s.options.MaxCell], "")
		}
	case map[string]any:
		names := make([]string, 0, len(value))
		for name := range value {
			names = append(names, name)
		}
		slices.Sort(names) // findings come in one order
		for _, name := range names {
			value[name] = s.inspect(value[name], strings.TrimPrefix(field+"."+name, "."), record)
		}
	case []any:
		for i, element := range value {
			value[i] = s.inspect(element, field, record)
		}
	}
	return value
}
