package queue

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// Mutation is one change of one item, as a producer writes it down. Account,
// Catalog, Type, ItemID and Operation are required.
type Mutation struct {
	Account string
	Catalog string
	Type    catalog.Type
	ItemID  string

	Operation catalog.Operation
	// Attributes is anything that marshals to a JSON object, with the platform's
	// own names: a map, a struct, a json.RawMessage.
	Attributes any

	// ID names the mutation, never the item. Defaults to a new UUID version 7. A
	// producer that may publish the same change twice sets it, so that the stream
	// drops the repeat.
	ID string
	// OccurredAt is when the change happened at the producer; optional.
	OccurredAt time.Time
	// Version is the producer's own counter of the item; optional.
	Version *int64
	// Localization narrows the item to a language or country; optional.
	Localization catalog.Localization
}

// Publication turns the mutation into the message to publish. The error is a
// *catalog.Problem where the mutation breaks the contract.
func (m Mutation) Publication() (Publication, error) {
	subject, problem := Subject(catalog.Lane{Account: m.Account, Catalog: m.Catalog, Type: m.Type})
	if problem != nil {
		return Publication{}, problem
	}
	id := m.ID
	if id == "" {
		fresh, err := uuid.NewV7()
		if err != nil {
			return Publication{}, fmt.Errorf("making a mutation id: %w", err)
		}
		id = fresh.String()
	}
	body, err := m.body(id)
	if err != nil {
		return Publication{}, err
	}
	publication := Publication{Subject: subject, ID: id, Data: body}
	arrival := Decode(RawMessage{Subject: subject, Data: body})
	if arrival.Problem != nil {
		return publication, arrival.Problem
	}
	return publication, nil
}

// envelope is the message contract, in the order people read it.
type envelope struct {
	ID           string          `json:"id,omitempty"`
	ItemID       string          `json:"item_id"`
	Operation    string          `json:"operation"`
	Attributes   json.RawMessage `json:"attributes,omitempty"`
	Version      *int64          `json:"version,omitempty"`
	Localization *localization   `json:"localization,omitempty"`
	OccurredAt   *time.Time      `json:"occurred_at,omitempty"`
}

type localization struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

func (m Mutation) body(id string) ([]byte, error) {
	attributes, err := marshal(m.Attributes)
	if err != nil {
		return nil, &catalog.Problem{Reason: catalog.WrongType, Field: "attributes", Text: "attributes do not marshal to JSON: " + err.Error()}
	}
	message := envelope{ID: id, ItemID: m.ItemID, Operation: m.Operation.String(), Attributes: attributes, Version: m.Version}
	if !m.Localization.IsZero() {
		message.Localization = &localization{Type: m.Localization.Type, Value: m.Localization.Value}
	}
	if !m.OccurredAt.IsZero() {
		message.OccurredAt = &m.OccurredAt
	}
	return marshal(message)
}

// marshal leaves <, > and & as they are: a body is for platforms, not for HTML,
// and escapes count against its size.
func marshal(value any) ([]byte, error) {
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
