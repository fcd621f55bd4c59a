package message

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// Envelope is the body of a message as a producer writes it, in the order people read
// it. Decode is the other direction, and the only judge of what is allowed.
type Envelope struct {
	ID           string          `json:"id,omitempty"`
	ItemID       string          `json:"item_id"`
	Operation    string          `json:"operation"`
	Attributes   json.RawMessage `json:"attributes,omitempty"`
	Version      *int64          `json:"version,omitempty"`
	Localization *Localization   `json:"localization,omitempty"`
	OccurredAt   *time.Time      `json:"occurred_at,omitempty"`
}

// Localization narrows an item to a language or country.
type Localization struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// Localized is the localization of a mutation in an envelope; nil when it has none.
func Localized(l catalog.Localization) *Localization {
	if l.IsZero() {
		return nil
	}
	return &Localization{Type: l.Type, Value: l.Value}
}

// Marshal is the JSON of a value for a body; nil for nil. It leaves <, > and & as they
// are: a body is for platforms, not for HTML, and escapes count against its size.
func Marshal(value any) ([]byte, error) {
	switch value := value.(type) {
	case nil:
		return nil, nil
	case json.RawMessage:
		return value, nil
	}
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimRight(buffer.Bytes(), "\n"), nil
}
