package outcome

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// WebhookPrefix begins the names of the consumers that are webhooks.
const WebhookPrefix = "webhook:"

// Webhook is an address that outcomes are posted to.
type Webhook struct {
	Name    string
	URL     string
	Secrets [][]byte // keys, of which each signs; at least one
	// Statuses and Accounts are those that the receiver wants; empty means all.
	Statuses []Status
	Accounts []string
	// Events is how many outcomes one POST has at most.
	Events  int
	Timeout time.Duration // of one POST
}

// Consumer is the name of the webhook's cursors.
func (w *Webhook) Consumer() string { return WebhookPrefix + w.Name }

func (w *Webhook) wants(o *Outcome) bool {
	return (len(w.Statuses) == 0 || slices.Contains(w.Statuses, o.Status)) && (len(w.Accounts) == 0 || slices.Contains(w.Accounts, o.Account))
}

const (
	// maxBody is how many bytes the events of one POST have at most.
	maxBody = 256 << 10
	// maxPending is how many POSTs may wait for a receiver. While there are as many the
	// outbox keeps the rest, which takes far less room.
	maxPending = 10_000
)

// errBacklog says that a receiver has too many POSTs before it.
var errBacklog = errors.New("the receiver has too many posts waiting; the rest stays in the outbox")

// body is the body of a POST: the form that Standard Webhooks recommends, with events in
// the JSON format of CloudEvents.
type body struct {
	Type      string            `json:"type"`
	Timestamp time.Time         `json:"timestamp"`
	Data      []json.RawMessage `json:"data"`
}

// bodyType is the type of every POST.
const bodyType = "mutation.outcomes"

// Posts packs the outcomes that the webhook wants into POSTs, in order.
func (w *Webhook) Posts(outcomes []Outcome) (posts []persistence.OutcomePost, err error) {
	var b body
	bytes := 0
	flush := func() error {
		if len(b.Data) == 0 {
			return nil
		}
		b.Type = bodyType
		encoded, err := json.Marshal(&b)
		posts = append(posts, persistence.OutcomePost{Webhook: w.Name, MessageID: "msg_" + uuid.NewString(), Events: len(b.Data), Body: encoded})
		b, bytes = body{}, 0
		return err
	}
	for i := range outcomes {
		if !w.wants(&outcomes[i]) {
			continue
		}
		event, err := EventOf(&outcomes[i])
		if err != nil {
			return nil, err
		}
		encoded, err := event.Structured()
		if err != nil {
			return nil, fmt.Errorf("encoding the outcome of mutation %s: %w", outcomes[i].MutationID, err)
		}
		if len(b.Data) >= w.Events || bytes+len(encoded) > maxBody {
			if err := flush(); err != nil {
				return nil, err
			}
		}
		b.Data, bytes = append(b.Data, encoded), bytes+len(encoded)
		if event.Time.After(b.Timestamp) {
			b.Timestamp = event.Time.UTC()
		}
	}
	return posts, flush()
}

// Recorder writes down what is to be posted to a webhook, with the cursor: each outcome is
// in one POST. It is a consumer's Work.
type Recorder struct {
	Store   *persistence.Store
	Webhook *Webhook
}

// Work records the POSTs of a page. See Consumer.Work.
func (r *Recorder) Work(ctx context.Context, reader *Reader, page ledger.OutboxPage) error {
	pending, disabled, err := r.Store.OutcomeWebhook(ctx, r.Webhook.Name, maxPending)
	if err != nil {
		return err
	}
	if disabled {
		return reader.Done(ctx) // nobody wants them
	}
	if pending >= maxPending {
		return fmt.Errorf("webhook %s: %w", r.Webhook.Name, errBacklog)
	}
	posts, err := r.Webhook.Posts(page.Outcomes)
	if err != nil {
		return err
	}
	err = r.Store.InTransaction(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := persistence.AddOutcomePosts(ctx, tx, posts); err != nil {
			return err
		}
		return reader.DoneIn(ctx, tx)
	})
	if err == nil {
		reader.Committed()
	}
	return err
}
