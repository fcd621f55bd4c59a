package service

import (
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/queue"
)

// StreamConfig is the stream that the settings describe.
func StreamConfig(settings config.NATS) queue.StreamConfig {
	return queue.StreamConfig{
		Name: settings.Stream.Name, Partitions: settings.Partitions,
		MaxBytes: settings.Stream.MaxBytes, Replicas: settings.Stream.Replicas,
	}
}
