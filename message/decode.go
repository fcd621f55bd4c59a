package message

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
)

// Decode turns a stream message into a mutation. It is pure and never panics: a
// message that breaks a rule of the contract gives an arrival with a Problem, and
// a Mutation that holds what could be read of it.
//
// The body is the contract's object, or that object as a CloudEvents 1.0 event:
// in structured mode (content type application/cloudevents+json, or a member
// "specversion") or in binary mode (headers ce-…). A member that is null counts
// as absent. Members that the contract does not name are ignored. A name that
// stands twice in the object, or twice at the top of the attributes, is refused:
// readers differ on which of the two counts.
//
// The message is read as one mutation, also where its headers say that it is a pack: see
// [Decoder.Open].
func Decode(raw Raw) catalog.Arrival {
	var decoder Decoder
	return decoder.Decode(raw)
}

// Decoder decodes many messages faster than Decode does, because it remembers
// the subjects it has seen. It is not safe for concurrent use.
type Decoder struct {
	subjects map[string]parsedSubject
}

type parsedSubject struct {
	lane     catalog.Lane
	producer string
	problem  *catalog.Problem
}

// Decode is the function Decode.
func (d *Decoder) Decode(raw Raw) catalog.Arrival {
	reading := reading{mutation: &catalog.Mutation{
		PublishedAt: raw.Time,
		ReceivedAt:  raw.ReceivedAt,
		Position:    raw.Position,
		Message:     catalog.Message{Data: raw.Data},
	}}
	return reading.decode(func() {
		subject := d.subject(raw.Subject)
		reading.mutation.Lane = subject.lane
		reading.mutation.Message.Subject = subject.producer
		reading.report(subject.problem)
		reading.readHeaders(raw.Headers)
		reading.readBody(raw.Data)
	})
}

// subject parses a subject, once for each that is remembered.
func (d *Decoder) subject(subject string) parsedSubject {
	const remembered = 4096
	if known, ok := d.subjects[subject]; ok {
		return known
	}
	lane, problem := ParseSubject(subject)
	parsed := parsedSubject{lane: lane, producer: producerSubject(subject), problem: problem}
	if d.subjects == nil || len(d.subjects) >= remembered {
		d.subjects = make(map[string]parsedSubject)
	}
	d.subjects[subject] = parsed
	return parsed
}

// reading is the state of decoding one message.
type reading struct {
	mutation *catalog.Mutation
	problem  *catalog.Problem // the first one found

	headers headers
	bodyID  string // from the body or the event
}

// decode reads and settles what it has found, also when reading panics.
func (r *reading) decode(read func()) (arrival catalog.Arrival) {
	defer func() {
		if cause := recover(); cause != nil {
			r.problem = &catalog.Problem{Reason: catalog.InternalError, Text: "decoding the message failed: " + Quote(fmt.Sprint(cause))}
			r.identify()
		}
		arrival = catalog.Arrival{Mutation: r.mutation, Problem: r.problem}
	}()
	read()
	r.identify()
	return arrival
}

// report keeps the first problem; it is the one the producer is told of.
func (r *reading) report(problem *catalog.Problem) {
	if r.problem == nil {
		r.problem = problem
	}
}

// identify settles the mutation's id: the body's (or the event's), else the
// message's, else its place in the stream. The message's id is the pack's, so a line adds its
// number.
func (r *reading) identify() {
	if r.mutation.ID = r.bodyID; r.mutation.ID != "" {
		return
	}
	p := r.mutation.Position
	if id := r.headers.messageID; id != "" {
		problem := CheckID(HeaderID, id)
		if problem == nil && p.Line > 0 && len(id) > MaxPackID {
			problem = invalid(HeaderID, HeaderID+" "+Quote(id)+" has more than "+strconv.Itoa(MaxPackID)+" bytes, too many to make the ids of lines of it")
		}
		if problem == nil {
			r.mutation.ID = lineID(id, p.Line)
			return
		}
		r.report(problem)
	}
	r.mutation.ID = lineID(strconv.FormatInt(p.Generation, 10)+"-"+strconv.FormatUint(p.Sequence, 10), p.Line)
}

// lineID is the id of a line without one of its own, in the message with this id.
func lineID(id string, line int) string {
	if line == 0 {
		return id
	}
	return id + "/" + strconv.Itoa(line)
}

// readBody checks the body as a whole, then reads its members.
func (r *reading) readBody(data []byte) {
	text, problem := checkBody(data)
	if problem != nil {
		r.report(problem)
		return
	}
	r.readText(text)
}

// readText reads a body that is a text of bearable size.
func (r *reading) readText(text string) {
	members, attributes, problem := membersOf(text, "the body")
	if problem != nil {
		if problem.Reason == catalog.InvalidJSON && isLines(text) {
			problem.Text = "the body has more than one JSON object: a pack of lines needs the header Content-Type: " + PackContentType
		}
		r.report(problem)
		return
	}
	event, isEvent := r.event(members)
	if !isEvent {
		r.readEnvelope(members, attributes, "")
		return
	}
	r.readEvent(event, members, attributes)
}

// isLines reports whether a text looks like the lines of a pack.
func isLines(text string) bool {
	first, rest, _ := strings.Cut(text, "\n")
	kind, fault := rawjson.Check(first)
	return kind == rawjson.Object && fault == rawjson.None && strings.HasPrefix(strings.TrimSpace(rest), "{")
}

// checkBody makes sure that the body is a text of bearable size.
func checkBody(data []byte) (string, *catalog.Problem) {
	if len(data) > MaxBody {
		return "", TooLarge(len(data))
	}
	if !utf8.Valid(data) {
		return "", &catalog.Problem{Reason: catalog.InvalidJSON, Text: "the body is not valid UTF-8"}
	}
	// The strings found in it share the memory of data, which is never written to
	// after the message was received.
	return unsafe.String(unsafe.SliceData(data), len(data)), nil //nolint:gosec // see above
}

// readEnvelope reads the contract's members. eventID, if not empty, is the id of
// the event around the object and counts instead of the object's own.
func (r *reading) readEnvelope(members members, attributes attributes, eventID string) {
	m := r.mutation
	r.bodyID = eventID
	if raw := members[memberID]; eventID == "" && present(raw) {
		r.bodyID = r.text("id", raw, MaxID)
	}
	m.ItemID = r.required("item_id", members[memberItemID], MaxItemID)
	r.readOperation(members[memberOperation])
	r.readAttributes(members[memberAttributes], attributes)
	r.readVersion(members[memberVersion])
	r.readLocalization(members[memberLocalization])
	if raw := members[memberOccurredAt]; present(raw) {
		m.OccurredAt = r.time("occurred_at", raw)
	}
}

func (r *reading) readOperation(raw string) {
	name := r.required("operation", raw, MaxTokenLength)
	if name == "" {
		return
	}
	operation, ok := catalog.ParseOperation(name)
	if !ok {
		r.report(&catalog.Problem{
			Reason: catalog.UnknownOperation, Field: "operation",
			Text: "operation " + Quote(name) + " must be one of " + operationNames(),
		})
		return
	}
	r.mutation.Operation = operation
}

func operationNames() string {
	operations := catalog.Operations()
	names := make([]string, len(operations))
	for i, operation := range operations {
		names[i] = operation.String()
	}
	return strings.Join(names, ", ")
}

func (r *reading) readAttributes(raw string, inside attributes) {
	if !present(raw) {
		if r.mutation.Operation.NeedsAttributes() {
			r.report(missing("attributes", "attributes are required for "+r.mutation.Operation.String()))
		}
		return
	}
	if raw[0] != '{' {
		r.report(wrongType("attributes", "a JSON object", raw))
		return
	}
	if inside.problem != nil {
		r.report(inside.problem)
		return
	}
	r.mutation.HasNull = inside.hasNull
	r.mutation.Attributes = unsafe.Slice(unsafe.StringData(raw), len(raw)) //nolint:gosec // a part of Message.Data again
}

func (r *reading) readVersion(raw string) {
	if !present(raw) {
		return
	}
	if c := raw[0]; c != '-' && (c < '0' || c > '9') {
		r.report(wrongType("version", "an integer", raw))
		return
	}
	version, err := strconv.ParseInt(raw, 10, 64)
	if err != nil {
		r.report(invalid("version", "version "+Quote(raw)+" must be an integer of at most 64 bits, without fraction or exponent"))
		return
	}
	r.mutation.Version, r.mutation.HasVersion = version, true
}

func (r *reading) readLocalization(raw string) {
	if !present(raw) {
		return
	}
	if raw[0] != '{' {
		r.report(wrongType("localization", "a JSON object", raw))
		return
	}
	kind := r.required("localization.type", rawOf(raw, "type"), MaxLocalizationValue)
	value := r.required("localization.value", rawOf(raw, "value"), MaxLocalizationValue)
	switch kind {
	case "LANGUAGE", "COUNTRY", "LANGUAGE_AND_COUNTRY":
	case "":
		return
	default:
		r.report(invalid("localization.type", "localization.type "+Quote(kind)+" must be LANGUAGE, COUNTRY or LANGUAGE_AND_COUNTRY"))
		return
	}
	if value != "" {
		r.mutation.Localization = catalog.Localization{Type: kind, Value: value}
	}
}

// rawOf is the raw value of an object's first member of that name, "" where there is none.
func rawOf(object, name string) string {
	for scan := rawjson.Scan(object); ; {
		found, value, ok := scan.Member()
		if !ok || found.Text() == name {
			return value.Raw
		}
	}
}
