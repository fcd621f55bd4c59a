package replay

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/publish"
)

// Republication is the dead letter's message under a new Nats-Msg-Id: the stream would take
// the old one for a repeat. The mutation keeps its id, in the body. The new id is the same
// until the letter is marked, so that the stream drops what a replay that was killed has
// published already.
func Republication(l *persistence.DeadLetter, installation string) (publish.Publication, error) {
	p := publish.Publication{Subject: l.Message.Subject, ID: idOf("replay", l, installation, ""), Data: l.Message.Data, Headers: ownHeaders(l)}
	id := gjson.GetBytes(p.Data, "id")
	named := id.Exists() && id.Type != gjson.Null // null counts as absent
	if isEvent(l) || named || l.MutationID == "" || !isObject(p.Data) {
		return p, nil // the id is in the event, in the body, or cannot be put anywhere
	}
	data, err := sjson.SetBytes(append([]byte(nil), p.Data...), "id", l.MutationID)
	if err != nil {
		return publish.Publication{}, fmt.Errorf("putting the id into dead letter %d: %w", l.ID, err)
	}
	p.Data = data
	return p, nil
}

// idOf is the same for the same act on a letter until the letter is marked.
func idOf(act string, l *persistence.DeadLetter, installation, more string) string {
	name := fmt.Sprintf("%s %s %d %d %d %d%s", act, installation, l.ID, l.Position.Generation, l.Position.Sequence, l.ReplayedAt.UnixMicro(), lineOf(l)+more)
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)).String()
}

// lineOf tells a line of a pack from its neighbours; "" for a message of its own.
func lineOf(l *persistence.DeadLetter) string {
	if l.Position.Line == 0 {
		return ""
	}
	return " line " + strconv.Itoa(l.Position.Line)
}

// ownHeaders are the producer's: the server's own belong to the first message.
func ownHeaders(l *persistence.DeadLetter) (own []catalog.Header) {
	for _, header := range l.Message.Headers {
		if !strings.HasPrefix(strings.ToLower(header.Name), "nats-") {
			own = append(own, catalog.Header{Name: header.Name, Value: header.Value})
		}
	}
	return own
}

const eventID = "ce-id"

// isEvent reports whether the message is a CloudEvent, which has its id in itself.
func isEvent(l *persistence.DeadLetter) bool {
	for _, header := range l.Message.Headers {
		if strings.EqualFold(header.Name, eventID) {
			return true
		}
	}
	return isEventBody(l.Message.Data)
}

// isEventBody reports a CloudEvent in structured mode. A member that is null counts as absent.
func isEventBody(body []byte) bool {
	return gjson.GetBytes(body, "specversion").Type != gjson.Null
}

func isObject(data []byte) bool { return gjson.ValidBytes(data) && gjson.ParseBytes(data).IsObject() }
