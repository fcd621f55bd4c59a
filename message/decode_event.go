package message

import (
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
)

// event is what counts of a CloudEvents 1.0 event. Its source and type say
// nothing that Courier needs and are not asked for.
type event struct {
	binary      bool
	specVersion string // raw JSON in structured mode, plain in binary mode, as are the others
	id          string
	time        string
	contentType string // of the data
}

// event finds out whether the message is an event, and in which mode.
func (r *reading) event(members members) (event, bool) {
	h := r.headers
	structured := hasPrefixFold(strings.TrimSpace(h.contentType), "application/cloudevents")
	if h.eventSpecVersion != "" && !structured {
		return event{binary: true, specVersion: h.eventSpecVersion, id: h.eventID, time: h.eventTime, contentType: h.contentType}, true
	}
	return event{
		specVersion: members[memberSpecVersion], id: members[memberID], time: members[memberTime],
		contentType: members[memberDataContentType],
	}, structured || present(members[memberSpecVersion])
}

// readEvent reads the event's attributes and then the contract's object, which
// is its data. The event's id is the mutation's, and its time is when the change
// happened, unless the object says so itself.
func (r *reading) readEvent(e event, members members, attributes attributes) {
	id, occurredAt, ok := r.eventAttributes(&e)
	r.bodyID = id
	if !ok {
		return
	}
	if !e.binary {
		data, problem := eventData(members)
		if problem == nil {
			members, attributes, problem = membersOf(data, "the event's data")
		}
		if problem != nil {
			r.report(problem)
			return
		}
	}
	if !present(members[memberOccurredAt]) {
		members[memberOccurredAt] = occurredAt
	}
	r.readEnvelope(members, attributes, id)
}

// eventAttributes checks the event's own attributes. occurredAt is raw JSON.
func (r *reading) eventAttributes(e *event) (id, occurredAt string, ok bool) {
	if e.binary {
		e.specVersion, e.id, e.time = quoteRaw(e.specVersion), quoteRaw(e.id), quoteRaw(e.time)
		e.contentType = quoteRaw(e.contentType)
	}
	id = r.required("id", e.id, MaxID)
	if version := r.required("specversion", e.specVersion, MaxTokenLength); version != "1.0" {
		if version != "" {
			r.report(invalid("specversion", "specversion "+Quote(version)+" must be 1.0"))
		}
		return id, "", false
	}
	if present(e.contentType) && !isJSONType(r.text("datacontenttype", e.contentType, MaxID)) {
		r.report(invalid("datacontenttype", "the event's data must be application/json"))
		return id, "", false
	}
	return id, e.time, id != ""
}

// eventData finds the data of an event in structured mode.
func eventData(members members) (string, *catalog.Problem) {
	if data := members[memberData]; present(data) {
		if data[0] != '{' {
			return "", wrongType("data", "a JSON object", data)
		}
		return data, nil
	}
	encoded := members[memberDataBase64]
	if !present(encoded) {
		return "", missing("data", "the event's data is required")
	}
	if encoded[0] != '"' {
		return "", wrongType("data_base64", "a string", encoded)
	}
	decoded, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(encoded[1:len(encoded)-1], `\/`, "/"))
	if err != nil {
		return "", invalid("data_base64", "data_base64 is not base64")
	}
	return checkBody(decoded)
}

func isJSONType(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	return mediaType == "application/json" || mediaType == "text/json" || strings.HasSuffix(mediaType, "+json")
}

// eventHeader undoes the percent-encoding of an event's header values.
func eventHeader(value string) string {
	if !strings.Contains(value, "%") {
		return value
	}
	if plain, err := url.PathUnescape(value); err == nil {
		return plain
	}
	return value
}

// quoteRaw makes a header's value raw JSON, so that both modes are read alike.
func quoteRaw(value string) string {
	if value == "" {
		return ""
	}
	return string(rawjson.AppendString(nil, Printable(value)))
}
