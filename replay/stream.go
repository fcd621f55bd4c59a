package replay

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
)

// CheckStream refuses to publish to a stream that the database does not know: another
// installation would deliver what is replayed. recorded is what the database says of its
// stream. A user who may not ask for the stream is refused as well.
func CheckStream(ctx context.Context, js jetstream.JetStream, config queue.StreamConfig, recorded ledger.StreamIdentity, denials *publish.Denials) error {
	if recorded.Stream == "" {
		return nil
	}
	limited, cancel := denials.Within(ctx)
	defer cancel()
	stream, err := queue.Find(limited, js, config)
	if err == nil {
		err = queue.CheckIdentity(limited, stream, recorded)
	}
	if denial, denied := errors.AsType[*publish.DeniedError](context.Cause(limited)); denied && err != nil {
		return denial
	}
	return err
}
