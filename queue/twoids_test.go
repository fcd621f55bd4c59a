package queue

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/message"
)

// TestAMessageWithTwoIDsIsItsOwnAnchor: what is recorded of it and what is found in the stream
// are the same, else the stream seems to be another copy. Names are read without regard to case,
// and come in no order.
func TestAMessageWithTwoIDsIsItsOwnAnchor(t *testing.T) {
	t.Parallel()
	const again = 64 // the order of a map is random
	for name, header := range map[string]map[string][]string{
		"usual and other": {"Nats-Msg-Id": {"a"}, "nats-msg-id": {"b"}, "NATS-MSG-ID": {"c"}, "X-Mine": {"1"}},
		"two others":      {"nats-msg-id": {"b"}, "NATS-MSG-ID": {"c"}},
		"two of one":      {"Nats-Msg-Id": {"a", "d"}},
		"one without":     {"Nats-Msg-Id": {}, "nats-msg-id": {"b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range again {
				for _, contentType := range []string{"application/json", message.PackContentType} {
					header["Content-Type"] = []string{contentType}
					var decoder message.Decoder
					lines := decoder.Open(message.Raw{
						Subject: "catalog.mutations.acme.us.RETAIL", Headers: header, Data: []byte(`{"item_id":"1","operation":"DELETE"}`),
						Position: catalog.Position{Sequence: 7},
					})
					m := lines.Next().Mutation
					require.Equal(t, messageID(header), ledger.AnchorOf(m).MessageID)
					require.Contains(t, m.ID, messageID(header), "it is the mutation's id")
				}
			}
		})
	}
}
