package queue

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
)

// CountAfter counts the messages of a partition above a sequence. It reads none of
// them.
func (s *Stream) CountAfter(ctx context.Context, partition int, sequence uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	name := fmt.Sprintf("courier-count-p%d-%s", partition, uuid.NewString())
	consumer, err := s.js.CreateConsumer(ctx, s.name, jetstream.ConsumerConfig{
		Name: name, Description: "Counts what an adoption would read",
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: sequence + 1, AckPolicy: jetstream.AckNonePolicy,
		FilterSubject: partitionFilter(partition), InactiveThreshold: inactiveThreshold, MemoryStorage: true, Replicas: 1,
	})
	if err != nil {
		return 0, fmt.Errorf("counting the messages of partition %d: %w", partition, err)
	}
	pending := consumer.CachedInfo().NumPending
	if err := s.js.DeleteConsumer(ctx, s.name, name); err != nil {
		return 0, fmt.Errorf("counting the messages of partition %d: %w", partition, err)
	}
	return pending, nil
}
