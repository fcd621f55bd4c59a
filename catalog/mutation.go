package catalog

import (
	"cmp"
	"math"
	"time"
)

// Type is a catalog type in the platform's own spelling, such as RETAIL
// (Pinterest) or PRODUCT_ITEM (Meta).
type Type string

// Lane is one catalog type of one catalog of one account: the widest set of
// items that may ever share a request, and the narrowest that is sure to hold
// every mutation of an item that is not localized.
type Lane struct {
	Account string
	Catalog string
	Type    Type
}

// Compare orders lanes by account, catalog and type: below 0 when l comes first.
func (l Lane) Compare(other Lane) int {
	return cmp.Or(cmp.Compare(l.Account, other.Account), cmp.Compare(l.Catalog, other.Catalog), cmp.Compare(l.Type, other.Type))
}

// Localization narrows an item to one language or country (Meta's
// localized_items_batch). The zero value is the item itself.
type Localization struct {
	Type  string // LANGUAGE, COUNTRY or LANGUAGE_AND_COUNTRY, upper case
	Value string // such as pl_PL, GB or en_XX|US
}

// IsZero reports whether the item is not localized.
func (l Localization) IsZero() bool { return l == Localization{} }

// ItemKey names an item: what order is kept for.
type ItemKey struct {
	Lane         Lane
	ItemID       string // as in the message; parts of a composite key joined by "/"
	Localization Localization
}

// Position is a place in the stream. Generation counts how often the stream's
// store was found to have been restored from an older copy; within a generation
// sequences only grow.
type Position struct {
	Generation int64
	Sequence   uint64
	// Line is which of the lines of a pack it is, from 1; 0 for a message of its own.
	Line int
}

// maxLine is higher than the number of any line.
const maxLine = math.MaxInt16

// Compare orders positions: by generation, by sequence, then by line.
func (p Position) Compare(other Position) int {
	return cmp.Or(cmp.Compare(p.Generation, other.Generation), cmp.Compare(p.Sequence, other.Sequence), cmp.Compare(p.Line, other.Line))
}

// Before is the place right before this one: between the two there is nothing.
func (p Position) Before() Position {
	if p.Line > 0 {
		return Position{Generation: p.Generation, Sequence: p.Sequence, Line: p.Line - 1}
	}
	return Position{Generation: p.Generation, Sequence: p.Sequence - 1, Line: maxLine}
}

// Header is one header of a stream message, name as it came.
type Header struct {
	Name  string
	Value string
}

// Message is a stream message as it was received, kept so that a batch can be
// rebuilt and a dead letter replayed byte for byte.
type Message struct {
	Subject string   // the producer's subject, catalog.mutations.<account>.<catalog>.<type>
	Headers []Header // in no particular order
	Data    []byte
	// Lost is how many bytes of Data were not kept, 0 when it is whole. Then the
	// headers are not kept either.
	Lost int64
}

// headerBytes is what a header takes in memory besides its text: two strings.
const headerBytes = 32

// Size is about how many bytes the message takes in memory and where it is stored: its data, and
// each header with its name, its value and 32 bytes more. A message may have as much in headers as
// in data.
func (m *Message) Size() int {
	size := len(m.Data)
	for i := range m.Headers {
		size += headerBytes + len(m.Headers[i].Name) + len(m.Headers[i].Value)
	}
	return size
}

// Mutation is one change of one item, decoded and checked. It is immutable after
// intake except for the delivery fields at the end, which one owner writes.
type Mutation struct {
	ID           string
	Lane         Lane
	ItemID       string
	Localization Localization
	Operation    Operation

	// Attributes is the raw JSON object of the message, a subslice of
	// Message.Data; nil when the message has none. It is valid, and no name stands
	// twice at its top level: the decoder sees to both.
	Attributes []byte
	// HasNull reports that a top-level attribute is null.
	HasNull bool

	// Version is the producer's own counter; meaningful when HasVersion.
	Version    int64
	HasVersion bool

	OccurredAt  time.Time // zero when the producer gave none
	PublishedAt time.Time // the stream's timestamp of the message
	ReceivedAt  time.Time // when a worker read it

	Position Position
	Message  Message

	// TraceParent and TraceState are the producer's W3C trace context, "" if none.
	TraceParent string
	TraceState  string

	// Warnings are what the rules said of the mutation without refusing it. They are
	// recorded with its row, and not read back.
	Warnings []Problem
	// Checked reports that its endpoint found the mutation valid: it stays so when it
	// is read back, whatever the rules say by then.
	Checked bool

	// Attempts counts the records with this mutation as newest constituent that
	// ended retryable or unknown.
	Attempts int
	// SplitStep is how many records of this mutation have already succeeded, for a
	// mutation that its endpoint must split (see Endpoint.Split).
	SplitStep int
	// NoMerge keeps the mutation from merging with its neighbours: it was part of
	// a merged record that the platform refused.
	NoMerge bool
	// MaybeApplied reports that an earlier record with this mutation may have been applied
	// though nobody said so: its effect may be there when it is sent again.
	MaybeApplied bool
	// NotBefore is the earliest time to send it; zero means at once.
	NotBefore time.Time
	// HasWaitingRow reports that a waiting row in Postgres holds the mutation, so that a
	// record transaction has to remove it.
	HasWaitingRow bool
	// RecordedOn is the day (UTC midnight) whose partition holds the mutation's
	// row; zero until it has one. It prunes later updates of the row.
	RecordedOn time.Time
}

// MutationBytes is about how many bytes a decoded mutation takes in memory besides its message.
const MutationBytes = 512

// Size is about how many bytes the mutation takes in memory: its message, see Message.Size, and
// MutationBytes. Every bound of memory counts mutations by it.
func (m *Mutation) Size() int { return m.Message.Size() + MutationBytes }

// Key names the mutation's item.
func (m *Mutation) Key() ItemKey {
	return ItemKey{Lane: m.Lane, ItemID: m.ItemID, Localization: m.Localization}
}

// Change is the effect of a mutation or of several merged ones: what a record
// says about its item.
type Change struct {
	Operation  Operation
	Attributes []byte // raw JSON object, or nil
	HasNull    bool   // a top-level attribute is null
}

// Change returns the mutation's own effect.
func (m *Mutation) Change() Change {
	return Change{Operation: m.Operation, Attributes: m.Attributes, HasNull: m.HasNull}
}

// Record is what a batch says about one item.
type Record struct {
	Key    ItemKey
	Change Change
	// Constituents are the mutations merged into Change, oldest first; never empty.
	Constituents []*Mutation
}

// Newest is the constituent whose attempts and id stand for the record.
func (r *Record) Newest() *Mutation { return r.Constituents[len(r.Constituents)-1] }
