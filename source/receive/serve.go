package receive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/source/webhook"
)

// refusal is an answer to a request that is not worked on.
type refusal struct {
	status int
	result string // for the metric
	text   string
}

func (r *refusal) Error() string { return r.text }

// retryAfter is when a sender should repeat what could not be stored, in seconds.
const retryAfter = 30

// ServeHTTP receives one delivery.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	// A sender that hangs up early does not stop what it began: it repeats, and finds it done.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(request.Context()), r.options.Timeout)
	defer cancel()
	outcome, err := r.serve(ctx, w, request)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if err == nil {
		answer(w, http.StatusOK, outcome)
		return
	}
	refused, ok := errors.AsType[*refusal](err)
	if !ok {
		// The cause may name hosts: it is for the log.
		refused = &refusal{http.StatusServiceUnavailable, resultFailed, "the delivery could not be stored now: send it again later"}
	}
	switch refused.status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	r.metrics.count(ctx, refused.result)
	r.options.Logger.WarnContext(ctx, "a webhook delivery was not taken", slog.Int("status", refused.status), slog.Any("error", err))
	answer(w, refused.status, struct {
		Error string `json:"error"`
	}{refused.text})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) //nolint:errchkjson // a sender that is gone repeats
}

// serve checks a request and works the delivery through.
func (r *Receiver) serve(ctx context.Context, w http.ResponseWriter, request *http.Request) (*Outcome, error) {
	if request.Method != http.MethodPost {
		return nil, &refusal{http.StatusMethodNotAllowed, resultUnread, "webhooks are sent by POST"}
	}
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return nil, &refusal{http.StatusServiceUnavailable, resultFailed, "too many deliveries at a time: send it again later"}
	}
	body, err := r.body(ctx, w, request)
	if err != nil {
		return nil, err
	}
	if webhook.IsPing(r.options.Kind, request.Header, body) {
		r.metrics.count(ctx, resultPing)
		return &Outcome{State: persistence.DeliveryIgnored, Reason: "the check of an address by WooCommerce"}, nil
	}
	now := r.options.Now()
	switch err := r.secrets.Verify(request.Header, body, now); {
	case errors.Is(err, webhook.ErrTimestamp):
		return nil, &refusal{http.StatusUnauthorized, resultUnsigned, err.Error() + ": an old delivery that is sent again, or a clock that is wrong"}
	case err != nil:
		return nil, &refusal{http.StatusUnauthorized, resultUnsigned, err.Error()}
	}
	return r.take(ctx, request.Header, body, now)
}

// body reads the bytes that are signed.
func (r *Receiver) body(ctx context.Context, w http.ResponseWriter, request *http.Request) ([]byte, error) {
	tooLarge := &refusal{http.StatusRequestEntityTooLarge, resultUnread, fmt.Sprintf("a body may have %d bytes", r.options.MaxBody)}
	if request.ContentLength > r.options.MaxBody {
		return nil, tooLarge
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = http.NewResponseController(w).SetReadDeadline(deadline) // not all servers can; the context is checked below
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, r.options.MaxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, tooLarge
	}
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, resultUnread, "the body did not come whole"}
	}
	return body, nil
}

// take works a delivery through whose sender is known. An error says that nothing is kept of
// it, so that the sender repeats it.
func (r *Receiver) take(ctx context.Context, header http.Header, body []byte, now time.Time) (*Outcome, error) {
	row, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.options.Store.NoteWebhook(ctx, row.ID); err != nil {
		return nil, err
	}
	delivery, broken := webhook.Read(r.options.Kind, header, body, now, r.options.Zone)
	found, err := r.options.Store.LookUpDelivery(ctx, row.ID, delivery.ID)
	if err != nil {
		return nil, err
	}
	if found.Seen() {
		r.metrics.count(ctx, resultRepeated)
		return &Outcome{State: found.State, Repeated: true, Reason: "the delivery came before"}, nil
	}
	outcome, err := r.decide(ctx, row, found, delivery, broken)
	if err != nil {
		return nil, err
	}
	kept := outcome.row()
	kept.DeliveryID, kept.Topic, kept.Headers, kept.Body = delivery.ID, delivery.Topic, webhook.Kept(header), body
	if outcome.ID, err = r.options.Store.SaveDelivery(ctx, row.ID, kept); err != nil {
		return nil, err
	}
	if outcome.ID == 0 { // the same delivery came twice at once, and the other was first
		r.metrics.count(ctx, resultRepeated)
		return &Outcome{State: persistence.DeliveryAccepted, Repeated: true, Reason: "the delivery came before"}, nil
	}
	r.done(ctx, outcome, delivery, now)
	if outcome.State == persistence.DeliveryPending {
		select {
		case r.wake <- struct{}{}:
		default: // it is awake
		}
	}
	return outcome, nil
}

// decide says what a delivery is, and applies it where it has all that it needs.
func (r *Receiver) decide(ctx context.Context, row persistence.Source, found persistence.WebhookSource, delivery webhook.Delivery, broken error) (*Outcome, error) {
	switch fetch := delivery.Incomplete != "" || delivery.InventoryItem != ""; {
	case broken != nil:
		return &Outcome{State: persistence.DeliveryRejected, Reason: broken.Error()}, nil //nolint:nilerr // that it cannot be read is what became of it
	case fetch && r.options.Shop != nil:
		return &Outcome{State: persistence.DeliveryPending, Reason: "its items are read from the shop"}, nil
	case delivery.Ignored != "":
		return &Outcome{State: persistence.DeliveryIgnored, Reason: delivery.Ignored}, nil
	}
	return r.apply(ctx, row, found, delivery)
}

// done counts a delivery and says what is wrong with it.
func (r *Receiver) done(ctx context.Context, outcome *Outcome, delivery webhook.Delivery, now time.Time) {
	r.metrics.count(ctx, string(outcome.State))
	if outcome.State != persistence.DeliveryPending {
		r.metrics.aged(ctx, now.Sub(delivery.TrueAt))
	}
	level := slog.LevelDebug
	if outcome.State == persistence.DeliveryRejected || outcome.State == persistence.DeliveryPartial {
		level = slog.LevelWarn
	}
	r.options.Logger.Log(ctx, level, "a webhook delivery was received", slog.Int64("delivery", outcome.ID), slog.String("topic", delivery.Topic),
		slog.String("state", string(outcome.State)), slog.Int("published", outcome.Published), slog.String("reason", outcome.Reason))
}
