package publish

import "github.com/catalog-courier/catalog-courier/catalog"

// Publication is a message to publish.
type Publication struct {
	// Subject is catalog.mutations.<account>.<catalog>.<catalog_type>.
	Subject string
	// ID becomes the Nats-Msg-Id header: a repeat within the stream's duplicate
	// window is dropped. Defaults to the "id" of the body, else to a new UUID
	// version 7.
	ID string
	// Headers are sent as they are, besides Nats-Msg-Id and the trace context.
	Headers []catalog.Header
	// Data is the body, at most 1 MiB.
	Data []byte
}

// Outcome is what became of one publication.
type Outcome uint8

// The outcomes of publishing.
const (
	// Refused: not stored, or not known to be; [Result.Err] says why.
	Refused Outcome = iota
	// Stored: the stream acknowledged it.
	Stored
	// Duplicate: the stream has a message with this id already.
	Duplicate
)

// Result is the outcome of one publication.
type Result struct {
	Outcome  Outcome
	Sequence uint64 // of the stream; 0 when Refused
	Line     int    // of the pack that it travelled in, from 1; 0 for a message of its own
	Err      error  // of a refused one; a [*catalog.Problem] when the input is to blame
	// NotStored is set on a refused one that the stream certainly does not have: it was
	// not sent, or the answer was a refusal. Another one may be stored all the same.
	NotStored bool

	sent  bool // and not answered
	split bool // a pack that was sent as messages of their own
}

// Summary counts results.
type Summary struct {
	Stored     int
	Duplicates int
	Refused    int
}

// Summarize counts results by outcome.
func Summarize(results []Result) Summary {
	var s Summary
	for _, result := range results {
		switch result.Outcome {
		case Stored:
			s.Stored++
		case Duplicate:
			s.Duplicates++
		case Refused:
			s.Refused++
		}
	}
	return s
}
