package replay_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/replay"
)

// TestAReplayKeepsTheMutationsID, wherever the message had it.
func TestAReplayKeepsTheMutationsID(t *testing.T) {
	t.Parallel()
	const (
		subject  = "catalog.mutations.acme.us.LOCAL_INVENTORY"
		mutation = `"item_id":"a%2Fb/c","operation":"DELETE"`
	)
	for name, data := range map[string]string{
		"in the body":      `{"id":"m-1",` + mutation + `}`,
		"in the header":    `{` + mutation + `}`,
		"null in the body": `{"id":null,` + mutation + `}`,
		"in an event":      `{"specversion":"1.0","id":"m-1","source":"s","type":"t","data":{` + mutation + `}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			headers := []catalog.Header{{Name: message.HeaderID, Value: "m-1"}}
			read := func(headers []catalog.Header, data []byte) *catalog.Mutation {
				arrival := message.Decode(message.Raw{Subject: subject, Headers: carried(headers), Data: data})
				require.Nil(t, arrival.Problem)
				return arrival.Mutation
			}
			first := read(headers, []byte(data))
			require.Equal(t, "m-1", first.ID)
			letter := persistence.DeadLetter{MutationID: first.ID, Message: catalog.Message{Subject: subject, Headers: headers, Data: []byte(data)}}
			again, err := replay.Republication(&letter, "installation")
			require.NoError(t, err)
			require.NotEqual(t, "m-1", again.ID, "the stream would drop it")
			require.Equal(t, "m-1", read(append(again.Headers, catalog.Header{Name: message.HeaderID, Value: again.ID}), again.Data).ID)
		})
	}
}

func carried(headers []catalog.Header) map[string][]string {
	all := make(map[string][]string, len(headers))
	for _, header := range headers {
		all[header.Name] = append(all[header.Name], header.Value)
	}
	return all
}
