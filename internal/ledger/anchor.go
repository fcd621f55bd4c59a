package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// messageIDHeader is the header by which JetStream knows repeats.
const messageIDHeader = "Nats-Msg-Id"

// maxMessageID is the longest message id, in bytes, that is kept as it is.
const maxMessageID = 1024

// AnchorOf is the anchor of a decoded message, for a position that stands on it. It
// shares no memory with the message's body.
func AnchorOf(m *catalog.Mutation) Anchor {
	anchor := Anchor{Position: m.Position, Time: m.PublishedAt}
	for _, header := range m.Message.Headers {
		if strings.EqualFold(header.Name, messageIDHeader) {
			anchor.MessageID = MessageID(header.Value)
			break
		}
	}
	return anchor
}

// MessageID is the form in which the id of a stream message is kept: the id itself,
// or its digest where it is longer than 1,024 bytes.
func MessageID(id string) string {
	if len(id) <= maxMessageID {
		return id
	}
	return MessageIDDigest(id)
}

// MessageIDDigest is the form of a message id that the store refuses to write.
func MessageIDDigest(id string) string {
	sum := sha256.Sum256([]byte(id))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Names reports whether a message id as it was recorded is that of a message.
func Names(recorded, found string) bool {
	return recorded == found || recorded == MessageIDDigest(found)
}
