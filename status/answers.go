package status

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/status/internal/query"
)

// Answer is what a platform answered to a call about a batch, without secrets.
type Answer struct {
	// Attempt is the number of the POST that was answered; 0 for the last poll.
	Attempt int        `json:"attempt"`
	At      *time.Time `json:"at,omitempty"`
	// Text is what was kept of it: of long ones the beginning, with … at its end.
	Text string `json:"text"`
}

// Bytes are its text.
func (a *Answer) Bytes() []byte { return []byte(a.Text) }

const (
	// maxAnswers bounds the answers that are shown of one batch: the last ones.
	maxAnswers = 10
	// maxParts bounds the parts of an answer that are shown of one item.
	maxParts = 10
)

// Answers reads what the platform answered to the last POSTs of a batch, the first one
// first, and then to its last poll. A batch of before answers were kept has none, nor one
// with an item that was erased.
func (r *Reader) Answers(ctx context.Context, id uuid.UUID) ([]Answer, error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	rows, err := r.query.Answers(ctx, query.AnswersParams{Batch: id, Lim: maxAnswers})
	if err != nil {
		return nil, read("the answers of batch "+id.String(), err)
	}
	answers := make([]Answer, len(rows))
	for i := range rows { // the last one first
		answers[len(rows)-1-i] = Answer{Attempt: int(rows[i].Attempt), At: rows[i].At, Text: rows[i].Answer}
	}
	return answers, nil
}

// Of are the parts of the answer that name an item: the innermost objects of its JSON with
// the item's id as a value, joined to a list; "" where none does.
func (a *Answer) Of(item string) string {
	parts := partsOf(a.Text, item)
	if len(parts) == 0 {
		return ""
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// partsOf looks through JSON that may break off. An object with a list that has the id, as
// of all that were refused, counts where no other names it.
func partsOf(text, item string) []string {
	type level struct {
		begin         int64
		names, listed bool
	}
	var parts, lists []string
	var open []level
	decoder := json.NewDecoder(strings.NewReader(text))
	for len(parts) < maxParts {
		token, err := decoder.Token()
		if err != nil {
			break
		}
		switch token := token.(type) {
		case json.Delim:
			switch token {
			case '{', '[':
				open = append(open, level{begin: decoder.InputOffset() - 1})
			default:
				last := open[len(open)-1]
				open = open[:len(open)-1]
				switch {
				case last.names && token == '}':
					parts = append(parts, text[last.begin:decoder.InputOffset()])
				case last.listed && len(lists) < maxParts:
					lists = append(lists, text[last.begin:decoder.InputOffset()])
				case last.names && len(open) > 0:
					open[len(open)-1].listed = true
				}
			}
		case string:
			if token == item && len(open) > 0 {
				open[len(open)-1].names = true
			}
		}
	}
	if len(parts) == 0 {
		return lists
	}
	return parts
}
