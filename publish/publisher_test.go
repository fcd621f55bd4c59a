package publish

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/queue"
)

func publications(from, to int) []Publication {
	var all []Publication
	for i := from; i < to; i++ {
		all = append(all, Publication{
			Subject: testSubject, ID: fmt.Sprint("id-", i),
			Data: []byte(fmt.Sprintf(`{"item_id":"%d","operation":"DELETE"}`, i)),
		})
	}
	return all
}

func TestPublishInBatchesKeepsTheOrder(t *testing.T) {
	t.Parallel()
	b := newBroker(t, queue.StreamConfig{})
	const count = 2*MaxBatch + 7
	results, err := NewPublisher(b.js, Options{PackLines: 1}).Publish(t.Context(), publications(0, count))
	require.NoError(t, err)
	require.Equal(t, Summary{Stored: count}, Summarize(results))
	for i, result := range results {
		require.Equal(t, uint64(i+1), result.Sequence)
	}
	b.take(t, count)
}

func TestOneDuplicateDoesNotLoseItsBatch(t *testing.T) {
	t.Parallel()
	b := newBroker(t, queue.StreamConfig{})
	publisher := NewPublisher(b.js, Options{PackLines: 1})
	_, err := publisher.Publish(t.Context(), publications(5, 7))
	require.NoError(t, err)

	results, err := publisher.Publish(t.Context(), publications(0, 20))
	require.NoError(t, err)
	require.Equal(t, Summary{Stored: 18, Duplicates: 2}, Summarize(results))
	require.Equal(t, Duplicate, results[5].Outcome)
	require.Equal(t, Duplicate, results[6].Outcome)
	state, err := b.stream.Info(t.Context())
	require.NoError(t, err)
	require.Equal(t, uint64(20), state.Msgs)

	// Also when an id stands twice in the batch itself.
	results, err = publisher.Publish(t.Context(), append(publications(30, 33), publications(31, 32)...))
	require.NoError(t, err)
	require.Equal(t, Summary{Stored: 3, Duplicates: 1}, Summarize(results))
}

// TestCheckSaysWhatPublishRefuses, without a server's answer.
func TestCheckSaysWhatPublishRefuses(t *testing.T) {
	t.Parallel()
	b := newBroker(t, queue.StreamConfig{})
	publisher := NewPublisher(b.js, Options{PackLines: 1})
	input := publications(0, 4)
	input[1].Subject = "catalog.mutations.ac me.us.RETAIL"
	input[2].Data = make([]byte, message.MaxBody+1)
	input[3].ID = "a "
	require.Nil(t, publisher.Check(t.Context(), input[0]))
	for i, reason := range map[int]catalog.Reason{1: catalog.BadSubject, 2: catalog.MessageTooLarge, 3: catalog.InvalidValue} {
		problem := publisher.Check(t.Context(), input[i])
		require.NotNil(t, problem)
		require.Equal(t, reason, problem.Reason)
	}
	results, err := publisher.Publish(t.Context(), input)
	require.NoError(t, err)
	require.Equal(t, Summary{Stored: 1, Refused: 3}, Summarize(results))
}

func TestBadPublicationsAreRefusedAlone(t *testing.T) {
	t.Parallel()
	b := newBroker(t, queue.StreamConfig{})
	input := publications(0, 5)
	input[1].Subject = "catalog.mutations.ac me.us.RETAIL"
	input[2].Data = make([]byte, message.MaxBody+1)
	input[3].ID = "a\r\nb"
	results, err := NewPublisher(b.js, Options{PackLines: 1}).Publish(t.Context(), input)
	require.NoError(t, err)
	require.Equal(t, Summary{Stored: 2, Refused: 3}, Summarize(results))
	for i, reason := range map[int]catalog.Reason{1: catalog.BadSubject, 2: catalog.MessageTooLarge, 3: catalog.InvalidValue} {
		problem := new(catalog.Problem)
		require.ErrorAs(t, results[i].Err, &problem)
		require.Equal(t, reason, problem.Reason)
	}
}

func TestTheLargestBodyFits(t *testing.T) {
	t.Parallel()
	b := newBroker(t, queue.StreamConfig{})
	frame := `{"item_id":"0","operation":"UPSERT","attributes":{"x":"%s"}}`
	body := fmt.Sprintf(frame, strings.Repeat("x", message.MaxBody-len(frame)+2))
	require.Len(t, body, message.MaxBody)
	results, err := NewPublisher(b.js, Options{PackLines: 1}).Publish(t.Context(), []Publication{{Subject: testSubject, Data: []byte(body)}})
	require.NoError(t, err)
	require.Equal(t, Stored, results[0].Outcome)
	arrivals := b.take(t, 1)
	require.NotEmpty(t, arrivals[0].Mutation.ID)
}

func TestAFullStreamRefuses(t *testing.T) {
	t.Parallel()
	b := newBroker(t, queue.StreamConfig{MaxBytes: 64 << 10})
	results, err := NewPublisher(b.js, Options{PackLines: 1, Timeout: patience}).Publish(t.Context(), publications(0, 3*MaxBatch))
	require.ErrorIs(t, err, ErrStreamFull)
	require.Len(t, results, 3*MaxBatch)
	require.NotZero(t, Summarize(results).Refused)
	require.ErrorIs(t, results[3*MaxBatch-1].Err, ErrStreamFull)
}

func TestServersWithoutBatchesGetSingleMessages(t *testing.T) {
	t.Parallel()
	b := newBroker(t, queue.StreamConfig{})
	config := b.handle(t).CachedInfo().Config
	config.AllowAtomicPublish = false
	_, err := b.js.UpdateStream(t.Context(), config)
	require.NoError(t, err)
	publisher := NewPublisher(b.js, Options{PackLines: 1})
	results, err := publisher.Publish(t.Context(), publications(0, MaxBatch+5))
	require.NoError(t, err)
	require.Equal(t, Summary{Stored: MaxBatch + 5}, Summarize(results))
	require.True(t, publisher.noBatches.Load())
	results, err = publisher.Publish(t.Context(), publications(0, 5))
	require.NoError(t, err)
	require.Equal(t, Summary{Duplicates: 5}, Summarize(results))
	b.take(t, MaxBatch+5)
}

func TestTraceContextTravels(t *testing.T) {
	t.Parallel()
	b := newBroker(t, queue.StreamConfig{})
	span := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
	})
	ctx := trace.ContextWithSpanContext(t.Context(), span)
	results, err := NewPublisher(b.js, Options{PackLines: 1}).Publish(ctx, publications(0, 2))
	require.NoError(t, err)
	message, err := b.handle(t).GetMsg(t.Context(), results[1].Sequence)
	require.NoError(t, err)
	require.NotEmpty(t, message.Header["traceparent"], "NATS header names are case-sensitive for others")
	arrivals := b.take(t, 2)
	require.Equal(t, message.Header["traceparent"][0], arrivals[0].Mutation.TraceParent)
	require.Contains(t, arrivals[0].Mutation.TraceParent, span.TraceID().String())
}

// TestIDsThatDifferInSpacesAreTwo: a header arrives without the spaces around its value,
// so that the stream would drop the second as a repeat of the first.
func TestIDsThatDifferInSpacesAreTwo(t *testing.T) {
	t.Parallel()
	b := newBroker(t, queue.StreamConfig{})
	publisher := NewPublisher(b.js, Options{PackLines: 1})
	body := func(id, item string) []byte {
		return []byte(`{"id":"` + id + `","item_id":"` + item + `","operation":"DELETE"}`)
	}

	results, err := publisher.Publish(t.Context(), []Publication{
		{Subject: testSubject, ID: "1", Data: body("1", "0")}, {Subject: testSubject, ID: " 1", Data: body(" 1", "x")},
	})
	require.NoError(t, err)
	require.Equal(t, Stored, results[0].Outcome)
	require.Equal(t, Refused, results[1].Outcome, "told, and not dropped in silence")
	require.True(t, results[1].NotStored)

	results, err = publisher.Publish(t.Context(), []Publication{{Subject: testSubject, Data: body("1 ", "1")}})
	require.NoError(t, err)
	require.Equal(t, Stored, results[0].Outcome, "an id in the body alone gets a header of its own")
	require.Equal(t, "1 ", b.take(t, 2)[1].Mutation.ID)
}

func TestNothingIsSentAfterTheContextsEnd(t *testing.T) {
	t.Parallel()
	b := newBroker(t, queue.StreamConfig{})
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("the shop closes")
	cancel(reason)
	results, err := NewPublisher(b.js, Options{PackLines: 1}).Publish(ctx, publications(0, 3))
	require.ErrorIs(t, err, reason)
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, results, 3)
	for _, result := range results {
		require.Equal(t, Refused, result.Outcome)
		require.True(t, result.NotStored)
	}
	results, err = NewPublisher(b.js, Options{PackLines: 1}).PublishMutations(ctx)
	require.NoError(t, err)
	require.Empty(t, results)
}

func TestPublishEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := newBroker(t, queue.StreamConfig{})
	b.server.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	results, err := NewPublisher(b.js, Options{PackLines: 1, Timeout: 10 * time.Millisecond}).Publish(ctx, publications(0, 3))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, Summary{Refused: 3}, Summarize(results))
}

func TestPublishOutlivesARestart(t *testing.T) {
	t.Parallel()
	b := newBroker(t, queue.StreamConfig{})
	publisher := NewPublisher(b.js, Options{PackLines: 1, Timeout: 200 * time.Millisecond})
	b.server.Stop()
	done := make(chan error, 1)
	go func() {
		results, err := publisher.Publish(context.Background(), publications(0, 300))
		if summary := Summarize(results); err == nil && summary.Refused > 0 {
			err = fmt.Errorf("refused: %+v", summary)
		}
		done <- err
	}()
	b.server.Run(t)
	select {
	case err := <-done:
		require.NoError(t, err)
	case <-time.After(patience):
		t.Fatal("the publisher did not come back")
	}
	stream, err := b.js.Stream(t.Context(), queue.DefaultStreamName)
	require.NoError(t, err)
	require.Equal(t, uint64(300), stream.CachedInfo().State.Msgs)
	require.Equal(t, jetstream.FileStorage, stream.CachedInfo().Config.Storage)
}
