package publish

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/message"
)

// Mutation is one change of one item, as a producer writes it down. Account,
// Catalog, Type, ItemID and Operation are required.
type Mutation struct {
	// Account and Catalog are the names that the workers' configuration gives them. They
	// and Type have 1 to 128 of the characters A-Z a-z 0-9 _ -.
	Account string
	Catalog string
	Type    catalog.Type
	// ItemID is the platform's key of the item, at most 512 bytes.
	ItemID string

	Operation catalog.Operation
	// Attributes is anything that marshals to a JSON object, with the platform's
	// own names: a map, a struct, a json.RawMessage. [catalog.Delete] needs none.
	Attributes any

	// ID names the mutation, never the item; at most 256 bytes. Defaults to a new UUID
	// version 7. A producer that may publish the same change twice sets it, so that the
	// stream drops the repeat.
	ID string
	// OccurredAt is when the change happened at the producer; optional.
	OccurredAt time.Time
	// Version is the producer's own counter of the item; optional. A mutation with an
	// older version than the newest seen is superseded and never sent.
	Version *int64
	// Localization narrows the item to a language or country; optional.
	Localization catalog.Localization
}

// Publication turns the mutation into the message to publish. The error is a
// [*catalog.Problem] where the mutation breaks the contract.
func (m Mutation) Publication() (Publication, error) {
	subject, problem := message.Subject(catalog.Lane{Account: m.Account, Catalog: m.Catalog, Type: m.Type})
	if problem != nil {
		return Publication{}, problem
	}
	id := m.ID
	if problem := checkID(id); problem != nil {
		return Publication{}, problem
	}
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
	arrival := message.Decode(message.Raw{Subject: subject, Data: body})
	if arrival.Problem != nil {
		return publication, arrival.Problem
	}
	return publication, nil
}

func (m Mutation) body(id string) ([]byte, error) {
	attributes, err := message.Marshal(m.Attributes)
	if err == nil && len(attributes) > 0 && !json.Valid(attributes) { // a json.RawMessage
		err = errors.New("they are not JSON")
	}
	if err != nil {
		return nil, &catalog.Problem{Reason: catalog.WrongType, Field: "attributes", Text: "attributes do not marshal to JSON: " + err.Error()}
	}
	envelope := message.Envelope{
		ID: id, ItemID: m.ItemID, Operation: m.Operation.String(), Attributes: attributes, Version: m.Version,
		Localization: message.Localized(m.Localization),
	}
	if _, err := m.OccurredAt.MarshalJSON(); err != nil {
		return nil, &catalog.Problem{Reason: catalog.InvalidValue, Field: "occurred_at", Text: "occurred_at cannot be written as an RFC 3339 time: " + err.Error()}
	}
	if !m.OccurredAt.IsZero() {
		envelope.OccurredAt = &m.OccurredAt
	}
	return message.Marshal(envelope)
}
