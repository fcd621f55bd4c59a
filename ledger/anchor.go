package ledger

import (
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// messageIDHeader is the header by which JetStream knows repeats.
const messageIDHeader = "Nats-Msg-Id"

// AnchorOf is the anchor of a decoded message, for a position that stands on it.
func AnchorOf(m *catalog.Mutation) Anchor {
	anchor := Anchor{Position: m.Position, Time: m.PublishedAt}
	for _, header := range m.Message.Headers {
		if strings.EqualFold(header.Name, messageIDHeader) {
			anchor.MessageID = header.Value
			break
		}
	}
	return anchor
}
