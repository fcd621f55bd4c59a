package publish

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/queue"
)

// clusterStream makes the stream with three replicas.
func clusterStream(t *testing.T, cluster *natstest.Cluster, batches bool) jetstream.JetStream {
	t.Helper()
	js := cluster.JetStream(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := queue.Ensure(ctx, js, queue.StreamConfig{Replicas: 3})
	require.NoError(t, err)
	if !batches {
		config := handleOf(t, js).CachedInfo().Config
		config.AllowAtomicPublish = false
		_, err := js.UpdateStream(ctx, config)
		require.NoError(t, err)
	}
	return js
}

// TestPublishingRidesOutAnElection: the leader is stopped between batches and within them.
func TestPublishingRidesOutAnElection(t *testing.T) {
	t.Parallel()
	for _, batches := range []bool{true, false} {
		t.Run(fmt.Sprint("batches ", batches), func(t *testing.T) {
			t.Parallel()
			const count, size = 12_000, 400
			cluster := natstest.StartCluster(t)
			js := clusterStream(t, cluster, batches)
			leader := cluster.Leader(queue.DefaultStreamName)
			require.GreaterOrEqual(t, leader, 0)
			publisher := NewPublisher(js, Options{PackLines: 1, Timeout: 3 * time.Second})
			var stored, duplicates int
			stopped := make(chan struct{})
			for first := 0; first < count; first += size {
				if first == 2000 {
					go func() {
						defer close(stopped)
						cluster.Stop(leader)
					}()
				}
				results, err := publisher.Publish(t.Context(), publications(first, first+size))
				require.NoError(t, err)
				summary := Summarize(results)
				require.Zero(t, summary.Refused)
				stored, duplicates = stored+summary.Stored, duplicates+summary.Duplicates
			}
			<-stopped
			require.Equal(t, count, stored+duplicates)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			stream, err := js.Stream(ctx, queue.DefaultStreamName)
			require.NoError(t, err)
			require.Equal(t, uint64(count), stream.CachedInfo().State.Msgs, "each once")
			first, err := stream.GetMsg(ctx, 1)
			require.NoError(t, err)
			require.Equal(t, []string{"id-0"}, first.Header["Nats-Msg-Id"])
		})
	}
}

// TestPublishingRidesOutARestartOfTheWholeCluster: nobody is there for a while.
func TestPublishingRidesOutARestartOfTheWholeCluster(t *testing.T) {
	t.Parallel()
	cluster := natstest.StartCluster(t)
	js := clusterStream(t, cluster, true)
	publisher := NewPublisher(js, Options{PackLines: 1, Timeout: 2 * time.Second})
	for i := range 3 {
		cluster.Stop(i)
	}
	done := make(chan error, 1)
	go func() {
		results, err := publisher.Publish(context.WithoutCancel(t.Context()), publications(0, 1500))
		if summary := Summarize(results); err == nil && summary.Refused > 0 {
			err = fmt.Errorf("refused: %+v", summary)
		}
		done <- err
	}()
	for i := range 3 {
		cluster.Run(t, i)
	}
	require.NoError(t, <-done)
	stream, err := js.Stream(t.Context(), queue.DefaultStreamName)
	require.NoError(t, err)
	require.Equal(t, uint64(1500), stream.CachedInfo().State.Msgs)
}

// TestABudgetThatIsUsedUpNamesThePlace: nobody answers, and nothing of it is stored.
func TestABudgetThatIsUsedUpNamesThePlace(t *testing.T) {
	t.Parallel()
	b := newBroker(t, queue.StreamConfig{})
	heard := 0
	publisher := NewPublisher(b.js, Options{PackLines: 1, RetryFor: 4 * time.Second, Retrying: func(error) { heard++ }})
	_, err := publisher.Publish(t.Context(), publications(0, 5))
	require.NoError(t, err)
	require.NoError(t, b.js.DeleteStream(t.Context(), queue.DefaultStreamName))
	started := time.Now()
	input := publications(5, 9)
	input[0].Subject = "catalog.mutations.ac me.us.RETAIL"
	results, err := publisher.Publish(t.Context(), input)
	stopped := new(StoppedError)
	require.ErrorAs(t, err, &stopped)
	require.Equal(t, 1, stopped.At, "the first is refused for itself")
	require.ErrorContains(t, err, "in vain")
	require.GreaterOrEqual(t, time.Since(started), 2*time.Second, "three quarters, less the last pause")
	require.Positive(t, heard)
	for _, result := range results {
		require.True(t, result.NotStored, "there was nobody to store it")
	}
}

func TestOlderChangesAreNotRepeatedBehindNewerOnes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		items   string
		stored  string
		may     bool
		subject int // the message with another subject, -1 for none
	}{
		{"nothing stored behind", "abc", "s..", true, -1},
		{"another item behind", "abc", "s.s", true, -1},
		{"the same item behind", "aba", "..s", false, -1},
		{"the same item behind, far", "abcda", ".sssS", false, -1},
		{"an item of another catalog", "aba", "..s", true, 2},
		{"unreadable before", "?ba", "..s", false, -1},
		{"unreadable behind", "ab?", "..s", false, -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			batch := make([]outgoing, len(test.items))
			for i, item := range test.items {
				batch[i] = outgoing{
					Publication: Publication{Subject: testSubject, ID: strconv.Itoa(i), Data: fmt.Appendf(nil, `{"item_id":"%c","operation":"DELETE"}`, item)},
					result:      &Result{},
				}
				if item == '?' {
					batch[i].Data = []byte("nonsense")
				}
				if i == test.subject {
					batch[i].Subject = "catalog.mutations.acme.other.RETAIL"
				}
				if test.stored[i] != '.' {
					batch[i].result.Outcome = Stored
				}
			}
			require.Equal(t, test.may, repeatable(batch))
		})
	}
}

// TestABrokenConnectionIsRepeated: a write may fail before the client knows of it.
func TestABrokenConnectionIsRepeated(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		&net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}, fmt.Errorf("sending: %w", io.ErrClosedPipe), io.EOF, net.ErrClosed,
		nats.ErrNoResponders, nats.ErrReconnectBufExceeded, &jetstream.APIError{Code: 503, ErrorCode: 10008}, &jetstream.APIError{Code: 500, ErrorCode: notLeader},
		&jetstream.APIError{Code: 503, ErrorCode: streamStoreFailed, Description: "store is closed"},
	} {
		require.True(t, transient(err), err)
	}
	for _, err := range []error{
		nats.ErrConnectionClosed, nats.ErrMaxPayload,
		final{nats.ErrTimeout},
		context.Canceled,
		&jetstream.APIError{Code: 503, ErrorCode: streamStoreFailed, Description: "maximum bytes exceeded"}, &jetstream.APIError{Code: 404, ErrorCode: 10059},
	} {
		require.False(t, transient(err), err)
	}
}
