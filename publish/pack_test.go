package publish

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/queue"
)

func decoded(t *testing.T, messages []Publication) []catalog.Arrival {
	t.Helper()
	var decoder message.Decoder
	var all []catalog.Arrival
	for _, p := range messages {
		headers := map[string][]string{message.HeaderID: {p.ID}}
		for _, h := range p.Headers {
			headers[h.Name] = append(headers[h.Name], h.Value)
		}
		all = decoder.DecodeAll(all, message.Raw{Subject: p.Subject, Headers: headers, Data: p.Data})
	}
	return all
}

// TestMutationsOfAPackAreThoseOfTheirOwnMessages: whatever a body is, it is the same mutation in
// a pack, or it stays a message of its own.
func TestMutationsOfAPackAreThoseOfTheirOwnMessages(t *testing.T) {
	t.Parallel()
	const subject, other = "catalog.mutations.acme.us.RETAIL", "catalog.mutations.acme.de.RETAIL"
	one := `{"item_id":"%d","operation":"DELETE"}`
	all := []Publication{
		{ID: "a", Data: []byte(`{"id":"a","item_id":"1","operation":"DELETE"}`)},
		{ID: "b", Data: []byte(" {\n\"item_id\":\"2\",\r\n\t\"operation\":\"DELETE\"}\n")},
		{ID: `c"\`, Data: []byte(`{"item_id":"3","operation":"UPSERT","attributes":{"title":"a\nb"}}`)},
		{ID: "d", Data: []byte(`{"\u0069d":"d","item_id":"4","operation":"DELETE"}`)},
		{ID: "e", Data: []byte(`{"id":null,"item_id":"5","operation":"DELETE"}`)},
		{ID: "f", Data: []byte(`{"id":"other","item_id":"6","operation":"DELETE"}`)},
		{ID: "g", Data: []byte(`{"specversion":"1.0","id":"g","data":{"item_id":"7","operation":"DELETE"}}`)},
		{ID: "h", Data: []byte(`{"item_id":`)},
		{ID: "i", Data: []byte("{\"item_id\":\"a\nb\"}")},
		{ID: "j", Data: []byte("\xff")},
		{ID: "k", Data: nil},
		{ID: "l", Data: []byte(`{}`)},
		{ID: "m", Data: []byte(`{"id":"m","item_id":"1","operation":"DELETE","id":"m"}`)},
		{ID: "n", Data: []byte(`[]`)},
		{ID: "o", Headers: []catalog.Header{{Name: "x", Value: "y"}}, Data: fmt.Appendf(nil, one, 8)},
		{ID: "p", Data: []byte(`{"id":"p","item_id":"9","operation":"BUY"}`)},
		{ID: "q", Data: []byte(`{"id":"q","item_id":"10","operation":"UPSERT","attributes":{"x":"` + strings.Repeat("y", packBytes) + `"}}`)},
		{ID: "r", Subject: other, Data: fmt.Appendf(nil, one, 11)},
		{ID: "s", Subject: other, Data: fmt.Appendf(nil, one, 12)},
		{ID: "t", Data: fmt.Appendf(nil, one, 13)},
		{ID: "t", Data: fmt.Appendf(nil, one, 14)},
	}
	for i := range all {
		if all[i].Subject == "" {
			all[i].Subject = subject
		}
	}
	plain := decoded(t, all)
	for _, lines := range []int{1, 2, 3, 500} {
		messages, counts := InPacks(all, lines)
		require.Len(t, counts, len(messages))
		packed, at := decoded(t, messages), 0
		require.Len(t, packed, len(all))
		for i, p := range messages {
			require.LessOrEqual(t, counts[i], max(lines, 1))
			require.Equal(t, all[at].Subject, p.Subject)
			require.Equal(t, counts[i] > 1, strings.HasPrefix(p.ID, "pack-"), "%d: %s", i, p.ID)
			require.LessOrEqual(t, len(p.Data), message.MaxBody)
			at += counts[i]
		}
		for i := range packed {
			require.Equal(t, plain[i].Problem, packed[i].Problem, "%s", all[i].ID)
			require.Equal(t, plain[i].Mutation.ID, packed[i].Mutation.ID)
			require.Equal(t, plain[i].Mutation.ItemID, packed[i].Mutation.ItemID)
			require.Equal(t, plain[i].Mutation.Lane, packed[i].Mutation.Lane)
			require.Equal(t, plain[i].Mutation.Operation, packed[i].Mutation.Operation)
			require.Equal(t, string(plain[i].Mutation.Attributes), string(packed[i].Mutation.Attributes))
		}
		again, _ := InPacks(all, lines)
		require.Equal(t, messages, again, "the same packs have the same ids")
	}
}

func TestPacksAreBounded(t *testing.T) {
	t.Parallel()
	messages, counts := InPacks(publications(0, 2*DefaultPackLines+minPackLines-1), DefaultPackLines)
	require.Equal(t, append([]int{DefaultPackLines, DefaultPackLines}, 1, 1, 1, 1, 1, 1, 1), counts, "fewer than eight are messages of their own")
	require.NotEqual(t, messages[0].ID, messages[1].ID)
	large := publications(0, 16)
	for i := range large {
		large[i].Data = fmt.Appendf(nil, `{"item_id":"%d","operation":"UPSERT","attributes":{"x":"%s"}}`, i, strings.Repeat("x", packBytes/4))
	}
	_, counts = InPacks(large, DefaultPackLines)
	require.Len(t, counts, 16, "three have room in a pack, too few to make one")
}

func TestPublishMakesPacks(t *testing.T) {
	t.Parallel()
	b := newBroker(t, queue.StreamConfig{})
	for _, lines := range []int{DefaultPackLines, 3, 1} {
		publisher := NewPublisher(b.js, Options{PackLines: lines})
		before := b.handle(t).CachedInfo().State.Msgs
		all := publications(0, 20)
		for i := range all {
			all[i].ID = fmt.Sprintf("%d-%d", lines, i)
		}
		all[7].Subject = "a subject that breaks the rule"
		results, err := publisher.Publish(t.Context(), all)
		require.NoError(t, err)
		require.Equal(t, Summary{Stored: 19, Refused: 1}, Summarize(results))
		messages := b.handle(t).CachedInfo().State.Msgs - before
		require.EqualValues(t, map[int]int{DefaultPackLines: 1, 3: 7, 1: 19}[lines], messages)
		arrivals := map[[2]uint64]catalog.Arrival{}
		for sequence := before + 1; sequence <= before+messages; sequence++ {
			raw, err := b.handle(t).GetMsg(t.Context(), sequence)
			require.NoError(t, err)
			var decoder message.Decoder
			for _, arrival := range decoder.DecodeAll(nil, message.Raw{
				Subject: raw.Subject, Headers: raw.Header, Data: raw.Data, Position: catalog.Position{Sequence: sequence},
			}) {
				arrivals[[2]uint64{sequence, uint64(arrival.Mutation.Position.Line)}] = arrival
			}
		}
		for i, result := range results {
			if i == 7 {
				continue
			}
			arrival := arrivals[[2]uint64{result.Sequence, uint64(result.Line)}]
			require.Equal(t, strconv.Itoa(i), arrival.Mutation.ItemID, "the place is that of the mutation")
			require.Equal(t, all[i].ID, arrival.Mutation.ID)
		}
		again, err := publisher.Publish(t.Context(), all)
		require.NoError(t, err)
		require.Equal(t, Summary{Duplicates: 19, Refused: 1}, Summarize(again), "a repeat of the call makes the same packs")
		for i := range again {
			require.Equal(t, results[i].Sequence, again[i].Sequence)
		}
	}
}

// TestAPackThatIsTooLargeForTheStreamIsSentInMessagesOfTheirOwn: what fits alone is stored.
func TestAPackThatIsTooLargeForTheStreamIsSentInMessagesOfTheirOwn(t *testing.T) {
	t.Parallel()
	for name, batches := range map[string]bool{"atomic batches": true, "single messages": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t, queue.StreamConfig{})
			config := b.handle(t).CachedInfo().Config
			config.AllowAtomicPublish, config.MaxMsgSize = batches, 400
			_, err := b.js.UpdateStream(t.Context(), config)
			require.NoError(t, err)
			all := publications(0, 900)
			results, err := NewPublisher(b.js, Options{}).Publish(t.Context(), all)
			require.NoError(t, err)
			require.Equal(t, Summary{Stored: 900}, Summarize(results))
			b.take(t, 900)

			publisher := NewPublisher(b.js, Options{})
			require.NoError(t, publisher.CheckStream(t.Context(), queue.DefaultStreamName))
			require.Less(t, publisher.packing(0).bytes, 400, "once it is known, packs are made to fit")
		})
	}
}

// BenchmarkPublish publishes 5,000 mutations of 600 bytes at a time, for each of them.
func BenchmarkPublishPacks(b *testing.B) {
	broker := newBroker(b, queue.StreamConfig{})
	for _, lines := range []int{1, 100, 500, 2000} {
		b.Run(strconv.Itoa(lines), func(b *testing.B) {
			publisher := NewPublisher(broker.js, Options{PackLines: lines})
			const at = 5000
			for n := 0; n < b.N; n += at {
				results, err := publisher.Publish(b.Context(), benchmarkMutations(n, at))
				require.NoError(b, err)
				require.Equal(b, at, Summarize(results).Stored)
			}
		})
	}
}

func benchmarkMutations(first, count int) []Publication {
	all := make([]Publication, count)
	for i := range all {
		id := strconv.FormatInt(time.Now().UnixNano(), 36) + "-" + strconv.Itoa(first+i)
		all[i] = Publication{
			Subject: "catalog.mutations.acme.us.RETAIL", ID: id,
			Data: fmt.Appendf(nil, `{"id":%q,"item_id":"SKU-%d","operation":"UPSERT","attributes":{"title":"Shirt %d","description":%q,"price":"%d.99 EUR"}}`,
				id, i, i*7919, strings.Repeat(strconv.Itoa(i*31337)+" soft cotton ", 20), i%400),
		}
	}
	return all
}
