package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/publish"
)

// maxShown is how many characters of a caller's value an answer repeats.
const maxShown = 60

// item is one mutation that can be published.
type item struct {
	line     int
	id       string // of the mutation
	explicit bool   // the caller chose the id
	// repeats, if not 0, is the number, from 1, of the item that is the same line: it is not
	// published twice.
	repeats int
	key     catalog.ItemKey

	publication publish.Publication
}

// request is what all mutations of a request share.
type request struct {
	lane    catalog.Lane
	subject string
	as      form
	event   map[string][]string // the headers of an event in binary mode
	pack    string              // what ids begin with; "" without Idempotency-Key
	check   func(context.Context, publish.Publication) *catalog.Problem
}

// items reads the texts of a request: those that can be published, and all that is wrong
// with the others.
func (r *request) items(ctx context.Context, texts []text) (good []item, bad []lineError, err error) {
	var decoder message.Decoder
	seen := map[string]int{} // explicit ids, and where in good they are
	good = make([]item, 0, len(texts))
	for _, t := range texts {
		read, problems, err := r.item(ctx, &decoder, t)
		if err != nil {
			return nil, nil, err
		}
		if len(problems) == 0 && read.explicit {
			if before, known := seen[read.id]; known {
				if !bytes.Equal(good[before].publication.Data, read.publication.Data) {
					problems = []lineError{{
						Line: t.line, ItemID: shown(read.key.ItemID), Field: "id", Rule: string(catalog.InvalidValue), Value: shown(quoted(read.id)),
						Detail: fmt.Sprintf("line %d has the same id and other content: the stream would drop one of the two; each change needs an id of its own", good[before].line),
					}}
				}
				read.repeats = before + 1
			} else {
				seen[read.id] = len(good)
			}
		}
		if len(problems) > 0 {
			bad = append(bad, problems...)
			continue
		}
		good = append(good, read)
	}
	return good, bad, nil
}

// item reads one text. problems are what the caller has to change.
func (r *request) item(ctx context.Context, decoder *message.Decoder, t text) (read item, problems []lineError, err error) {
	if problem := r.readable(t.data); problem != nil {
		return read, []lineError{r.lineError(t, "", problem)}, nil
	}
	id := r.pack + "/" + strconv.Itoa(t.line)
	if r.pack == "" {
		fresh, err := uuid.NewV7()
		if err != nil {
			return read, nil, fmt.Errorf("making a mutation id: %w", err)
		}
		id = fresh.String()
	}
	headers := map[string][]string{message.HeaderID: {id}}
	maps.Copy(headers, r.event)
	if r.as == formEvent || r.as == formEvents { // so that an object without specversion is refused
		headers[message.HeaderContentType] = []string{"application/cloudevents+json"}
	}
	arrival := decoder.Decode(message.Raw{Subject: r.subject, Headers: headers, Data: t.data})
	found := arrival.Problem
	if found == nil {
		found = r.agreement(t.data)
	}
	m := arrival.Mutation
	read = item{line: t.line, id: m.ID, explicit: m.ID != id, key: m.Key(), publication: publish.Publication{
		Subject: r.subject, ID: id, Data: t.data, Headers: r.headers(),
	}}
	if read.explicit && found == nil {
		read.publication.ID = messageID(r.lane.Account, m.ID)
		found = message.CheckID("id", m.ID)
	}
	if found == nil {
		found = r.check(ctx, read.publication)
	}
	if found != nil {
		problems = append(problems, r.lineError(t, m.ItemID, found))
		for _, other := range found.Others {
			problems = append(problems, r.lineError(t, m.ItemID, &other))
		}
	}
	return read, problems, nil
}

// readable says what keeps a text from being a JSON object, in more words than decoding
// has for it.
func (r *request) readable(data []byte) *catalog.Problem {
	switch {
	case len(data) > message.MaxBody:
		return message.TooLarge(len(data))
	case !utf8.Valid(data):
		return &catalog.Problem{Reason: catalog.InvalidJSON, Text: "the line is not valid UTF-8"}
	case !isJSON(data):
		return &catalog.Problem{Reason: catalog.InvalidJSON, Text: notJSON(data, "the line")}
	case data[0] == '[':
		return &catalog.Problem{Reason: catalog.WrongType, Text: "the line is not a JSON object but an array: write one object per line, or send one array as application/json"}
	case data[0] != '{':
		return &catalog.Problem{Reason: catalog.WrongType, Text: "the line is not a JSON object"}
	}
	return nil
}

// agreement checks that a line that names its account, catalog or type means those of the
// path. Of a CloudEvent its data is such a line; the type of the event is another thing.
func (r *request) agreement(data []byte) *catalog.Problem {
	if !rawjson.MayHold(data, "account", "catalog", "type", "catalog_type") {
		return nil
	}
	version, event := rawjson.Find(data, "specversion")
	if !event || version.Kind == rawjson.Null || r.as == formBinary {
		return r.namesAgree(data)
	}
	if inner, ok := rawjson.Find(data, "data"); ok && inner.Kind == rawjson.Object {
		return r.namesAgree([]byte(inner.Raw))
	}
	return nil
}

// namesAgree finds the first name that is not that of the path.
func (r *request) namesAgree(data []byte) (problem *catalog.Problem) {
	rawjson.Members(data, func(m rawjson.Member) bool {
		var want string
		switch m.Name {
		case "account":
			want = r.lane.Account
		case "catalog":
			want = r.lane.Catalog
		case "type", "catalog_type":
			want = string(r.lane.Type)
		default:
			return true
		}
		switch {
		case m.Kind != rawjson.String:
			problem = &catalog.Problem{Reason: catalog.WrongType, Field: m.Name, Text: m.Name + " must be text"}
		case m.Text != want:
			problem = &catalog.Problem{
				Reason: catalog.InvalidValue, Field: m.Name,
				Text: m.Name + " " + message.Quote(m.Text) + " is not that of the path, " + message.Quote(want) + ": remove it, or send the line to its own path",
			}
		}
		return problem == nil
	})
	return problem
}

// headers are those of a message: of an event in binary mode all that belong to it.
func (r *request) headers() (all []catalog.Header) {
	for name, values := range r.event {
		all = append(all, catalog.Header{Name: name, Value: values[0]})
	}
	return all
}

// messageID is what the stream drops repeats by, of a mutation whose id the caller chose.
// It begins with the account, so that no caller can suppress the changes of another
// account by using their ids first.
func messageID(account, id string) string {
	if scoped := account + "/" + id; len(scoped) <= message.MaxID {
		return scoped
	}
	sum := sha256.Sum256([]byte(id))
	return account + "/sha256:" + hex.EncodeToString(sum[:])
}

// lineError is a problem of a text. In binary mode the attributes of the event are headers,
// and not in the text.
func (r *request) lineError(t text, itemID string, problem *catalog.Problem) lineError {
	found := lineErrorOf(t, itemID, problem)
	if r.as == formBinary && slices.Contains([]string{"id", "specversion", "time", "datacontenttype"}, problem.Field) {
		found.Value = ""
	}
	return found
}

func lineErrorOf(t text, itemID string, problem *catalog.Problem) lineError {
	return lineError{
		Line: t.line, ItemID: shown(itemID), Field: problem.Field, Rule: string(problem.Reason), Detail: problem.Text,
		Value: shown(valueOf(t.data, problem.Field)),
	}
}

// valueOf is what a text has in a field, as JSON; the text itself where no field is to
// blame. In a CloudEvent the field may be one of its data.
func valueOf(data []byte, field string) string {
	if field == "" {
		return string(data[:min(len(data), 4*maxShown)])
	}
	name, _, _ := strings.Cut(field, ".")
	if found, ok := rawjson.Find(data, name); ok {
		return found.Raw
	}
	if inner, ok := rawjson.Find(data, "data"); ok && inner.Kind == rawjson.Object {
		if found, ok := rawjson.Find([]byte(inner.Raw), name); ok {
			return found.Raw
		}
	}
	return ""
}

func shown(value string) string { return legible.Cut(value, maxShown) }

func quoted(value string) string { return string(rawjson.AppendString(nil, value)) }
