package outcome

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/message"
)

// TypePrefix begins the type of every event; the status follows.
const TypePrefix = "dev.catalog-courier.mutation."

// Event is one outcome as a CloudEvents 1.0 event. The same outcome always makes the same
// event, whoever makes it.
type Event struct {
	ID      string
	Source  string
	Type    string
	Subject string // the item's id
	Time    time.Time
	// Data is the JSON object that docs/events.md describes.
	Data []byte
	// Address is the subject of the stream that it is published under.
	Address string
}

// data has the names of the mutation_status view.
type data struct {
	MutationID   string         `json:"mutation_id"`
	Account      string         `json:"account"`
	Catalog      string         `json:"catalog"`
	CatalogType  string         `json:"catalog_type"`
	ItemID       string         `json:"item_id"`
	Localization string         `json:"localization,omitempty"`
	Operation    string         `json:"operation,omitempty"`
	Status       Status         `json:"status"`
	Reason       string         `json:"reason,omitempty"`
	Errors       []ledger.Issue `json:"errors,omitempty"`
	Warnings     []ledger.Issue `json:"warnings,omitempty"`
	Truncated    bool           `json:"truncated,omitempty"`
	SupersededBy string         `json:"superseded_by,omitempty"`
	BatchID      string         `json:"batch_id,omitempty"`
	Handle       string         `json:"handle,omitempty"`
	Attempts     int            `json:"attempts"`
	PublishedAt  *time.Time     `json:"published_at,omitempty"`
	ReceivedAt   time.Time      `json:"received_at"`
	FinishedAt   time.Time      `json:"finished_at"`
	Generation   int64          `json:"stream_generation"`
	Sequence     uint64         `json:"stream_sequence"`
	Line         int            `json:"stream_line,omitempty"` // of a pack
}

const (
	// maxData is how many bytes the data of an event has at most. What is longer has more
	// errors than anybody reads; then only some are kept, and each is cut.
	maxData  = 64 << 10
	maxKept  = 10
	maxWords = 1000
)

// EventOf makes the event of an outcome.
func EventOf(o *Outcome) (Event, error) {
	d := data{
		MutationID: o.MutationID, Account: o.Account, Catalog: o.Catalog, CatalogType: string(o.Type), ItemID: o.ItemID,
		Status: o.Status, Reason: string(o.Reason), Errors: o.Errors, Warnings: o.Warnings, SupersededBy: o.SupersededBy, Handle: o.Handle,
		Attempts: o.Attempts, ReceivedAt: o.ReceivedAt, FinishedAt: o.FinishedAt, Generation: o.Position.Generation, Sequence: o.Position.Sequence,
		Line: o.Position.Line,
	}
	if o.Operation != 0 {
		d.Operation = o.Operation.String()
	}
	if !o.Localization.IsZero() {
		d.Localization = o.Localization.Type + "/" + o.Localization.Value
	}
	if o.BatchID != uuid.Nil {
		d.BatchID = o.BatchID.String()
	}
	if !o.PublishedAt.IsZero() {
		d.PublishedAt = &o.PublishedAt
	}
	body, err := json.Marshal(&d)
	if err == nil && len(body) > maxData {
		d.Errors, d.Warnings, d.Truncated = few(d.Errors), few(d.Warnings), true
		body, err = json.Marshal(&d)
	}
	if err != nil {
		return Event{}, fmt.Errorf("encoding the outcome of mutation %s: %w", o.MutationID, err)
	}
	return Event{
		ID:     o.MutationID + ":" + placeOf(o.Position) + ":" + string(o.Status),
		Source: "/accounts/" + url.PathEscape(o.Account) + "/catalogs/" + url.PathEscape(o.Catalog) + "/types/" + url.PathEscape(string(o.Type)), Type: TypePrefix + string(o.Status),
		Subject: o.ItemID, Time: o.FinishedAt, Data: body, Address: message.OutcomeSubject(o.Lane, string(o.Status)),
	}, nil
}

// placeOf is a place in the stream as a part of an id: the lines of a pack may have one id.
func placeOf(p catalog.Position) string {
	place := strconv.FormatInt(p.Generation, 10) + "-" + strconv.FormatUint(p.Sequence, 10)
	if p.Line > 0 {
		place += "-" + strconv.Itoa(p.Line)
	}
	return place
}

// few are the first issues, with words that are cut.
func few(issues []ledger.Issue) []ledger.Issue {
	kept := make([]ledger.Issue, min(len(issues), maxKept))
	for i := range kept {
		kept[i] = ledger.Issue{
			Code: legible.Cut(issues[i].Code, maxWords), Attribute: legible.Cut(issues[i].Attribute, maxWords), Message: legible.Cut(issues[i].Message, maxWords),
		}
	}
	return kept
}

// Message is the event in the binary mode of the CloudEvents binding to NATS: attributes
// as headers, and the data as the body.
func (e *Event) Message() *nats.Msg {
	id := encoded(e.ID)
	m := nats.NewMsg(e.Address)
	m.Data = e.Data
	m.Header = nats.Header{
		nats.MsgIdHdr:        {id},
		"ce-specversion":     {"1.0"},
		"ce-id":              {id},
		"ce-source":          {encoded(e.Source)},
		"ce-type":            {e.Type},
		"ce-time":            {e.Time.UTC().Format(time.RFC3339Nano)},
		"ce-datacontenttype": {"application/json"},
	}
	if e.Subject != "" { // an attribute must not be empty
		m.Header["ce-subject"] = []string{encoded(e.Subject)}
	}
	return m
}

// encoded percent-encodes what the binding forbids in a header: space, the double quote,
// the percent sign, and everything that is not printable ASCII.
func encoded(value string) string {
	const hex = "0123456789ABCDEF"
	plain := func(c byte) bool { return c > ' ' && c < 0x7f && c != '"' && c != '%' }
	for i := range len(value) {
		if plain(value[i]) {
			continue
		}
		var b strings.Builder
		b.Grow(len(value) + 16)
		for j := range len(value) {
			if c := value[j]; plain(c) {
				b.WriteByte(c)
			} else {
				b.WriteByte('%')
				b.WriteByte(hex[c>>4])
				b.WriteByte(hex[c&15])
			}
		}
		return b.String()
	}
	return value
}

// Structured is the event in the JSON format of CloudEvents: attributes beside the data.
func (e *Event) Structured() ([]byte, error) {
	return json.Marshal(struct {
		SpecVersion string          `json:"specversion"`
		ID          string          `json:"id"`
		Source      string          `json:"source"`
		Type        string          `json:"type"`
		Subject     string          `json:"subject,omitempty"`
		Time        time.Time       `json:"time"`
		ContentType string          `json:"datacontenttype"`
		Data        json.RawMessage `json:"data"`
	}{"1.0", e.ID, e.Source, e.Type, e.Subject, e.Time.UTC(), "application/json", e.Data})
}
