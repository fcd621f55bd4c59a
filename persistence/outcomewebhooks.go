package persistence

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// OutcomePost is one POST of outcomes to a webhook.
type OutcomePost struct {
	ID        int64
	Webhook   string
	MessageID string // the header webhook-id, the same for every attempt
	CreatedAt time.Time
	Events    int
	State     string // pending, delivered or failed
	Attempts  int
	NextAt    time.Time // of a pending one
	LastAt    time.Time // zero before the first attempt
	// LastStatus is the last answer's status, 0 when there was none.
	LastStatus int
	LastError  string
	// Body is read by ClaimOutcomePosts only.
	Body []byte
}

// AddOutcomePosts writes new POSTs in a transaction of the caller, whose last statement
// should be MoveCursorIn.
func AddOutcomePosts(ctx context.Context, tx pgx.Tx, posts []OutcomePost) error {
	params := make([]query.AddOutcomeDeliveryParams, len(posts))
	for i, p := range posts {
		params[i] = query.AddOutcomeDeliveryParams{Webhook: p.Webhook, MessageID: p.MessageID, Events: int32(p.Events), Body: p.Body} //nolint:gosec // small
	}
	if len(params) == 0 {
		return nil
	}
	if err := all(query.New(tx).AddOutcomeDelivery(ctx, params)); err != nil {
		return fmt.Errorf("writing %d posts of outcomes: %w", len(posts), err)
	}
	return nil
}

// InTransaction runs work in a transaction, bounded by the store's timeout.
func (s *Store) InTransaction(ctx context.Context, work func(ctx context.Context, tx pgx.Tx) error) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return work(ctx, tx) })
}

// OutcomeWebhook says how many POSTs of a webhook are pending, counted up to most, and
// whether its receiver disabled it.
func (s *Store) OutcomeWebhook(ctx context.Context, webhook string, most int) (pending int, disabled bool, err error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	row, err := s.query.OutcomeWebhookState(ctx, query.OutcomeWebhookStateParams{Webhook: webhook, Most: int32(most)}) //nolint:gosec // small
	if err != nil {
		return 0, false, fmt.Errorf("looking at the webhook %s: %w", webhook, err)
	}
	return int(row.Pending), row.Disabled, nil
}

// ClaimOutcomePosts takes POSTs that are due, at most limit. Others may take them after
// lostAfter: whoever took them must know the answer by then.
func (s *Store) ClaimOutcomePosts(ctx context.Context, webhook string, limit int, lostAfter time.Duration) ([]OutcomePost, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	rows, err := s.query.ClaimOutcomeDeliveries(ctx, query.ClaimOutcomeDeliveriesParams{LostAfter: lostAfter.Seconds(), Webhook: webhook, Lim: int32(limit)}) //nolint:gosec // small
	if err != nil {
		return nil, fmt.Errorf("taking posts of the webhook %s: %w", webhook, err)
	}
	posts := make([]OutcomePost, len(rows))
	for i, row := range rows {
		posts[i] = OutcomePost{
			ID: row.ID, Webhook: webhook, MessageID: row.MessageID, CreatedAt: row.CreatedAt, Events: int(row.Events), State: "pending",
			Attempts: int(row.Attempts), Body: row.Body,
		}
	}
	return posts, nil
}

// OutcomeDelivered notes that a receiver took a POST. Its body is deleted.
func (s *Store) OutcomeDelivered(ctx context.Context, p *OutcomePost, status int) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	_, err := s.query.OutcomeDelivered(ctx, query.OutcomeDeliveredParams{Status: int32(status), ID: p.ID, Attempts: int32(p.Attempts)}) //nolint:gosec // small
	if err != nil {
		return fmt.Errorf("recording a post of the webhook %s: %w", p.Webhook, err)
	}
	return nil
}

// OutcomeNotDelivered notes that a receiver did not take a POST: it is sent again after a
// while, or given up when it is older than giveUp. status is 0 without an answer.
func (s *Store) OutcomeNotDelivered(ctx context.Context, p *OutcomePost, status int, reason string, again, giveUp time.Duration) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	params := query.OutcomeNotDeliveredParams{
		Error: clean(reason), AgainIn: again.Seconds(), GiveUp: giveUp.Seconds(), ID: p.ID, Attempts: int32(p.Attempts), //nolint:gosec // small
	}
	if status != 0 {
		params.Status = new(int32(status)) //nolint:gosec // three digits
	}
	if _, err := s.query.OutcomeNotDelivered(ctx, params); err != nil {
		return fmt.Errorf("recording a post of the webhook %s: %w", p.Webhook, err)
	}
	return nil
}

// DisableOutcomeWebhook gives up all that is pending for a webhook and sends it nothing
// more, until ResendOutcomePosts.
func (s *Store) DisableOutcomeWebhook(ctx context.Context, webhook string) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if err := s.query.DisableOutcomeWebhook(ctx, webhook); err != nil {
		return fmt.Errorf("disabling the webhook %s: %w", webhook, err)
	}
	return nil
}

// OutcomePosts lists POSTs, the newest first: of all webhooks when webhook is "", and with
// the delivered ones when every is set.
func (s *Store) OutcomePosts(ctx context.Context, webhook string, every bool, limit int) ([]OutcomePost, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	rows, err := s.query.ListOutcomeDeliveries(ctx, query.ListOutcomeDeliveriesParams{Webhook: webhook, Every: every, Lim: int32(limit)}) //nolint:gosec // small
	if err != nil {
		return nil, fmt.Errorf("listing posts of outcomes: %w", err)
	}
	posts := make([]OutcomePost, len(rows))
	for i, row := range rows {
		posts[i] = OutcomePost{
			ID: row.ID, Webhook: row.Webhook, MessageID: row.MessageID, CreatedAt: row.CreatedAt, Events: int(row.Events), State: row.State,
			Attempts: int(row.Attempts), NextAt: row.NextAt, LastAt: timeOf(row.LastAt), LastStatus: int(deref(row.LastStatus)), LastError: deref(row.LastError),
		}
	}
	return posts, nil
}

// ResendOutcomePosts has POSTs sent again that are not delivered: those with the ids, or
// without ids all of a webhook. The webhook is enabled again. It returns how many.
func (s *Store) ResendOutcomePosts(ctx context.Context, webhook string, ids []int64) (int64, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	if ids == nil {
		ids = []int64{}
	}
	resent, err := s.query.ResendOutcomeDeliveries(ctx, query.ResendOutcomeDeliveriesParams{Ids: ids, Webhook: webhook})
	if err != nil {
		return 0, fmt.Errorf("having posts of outcomes sent again: %w", err)
	}
	return resent, nil
}

// KeepCursors forgets the consumers of the outbox whose name begins with prefix and that
// are not among keep.
func (s *Store) KeepCursors(ctx context.Context, prefix string, keep map[string]bool) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	cursors, err := s.query.OutcomeCursors(ctx)
	if err != nil {
		return fmt.Errorf("listing the consumers of the outbox: %w", err)
	}
	for _, cursor := range cursors {
		if strings.HasPrefix(cursor.Consumer, prefix) && !keep[cursor.Consumer] {
			if err := s.query.DropOutcomeCursors(ctx, cursor.Consumer); err != nil {
				return fmt.Errorf("forgetting the consumer %s: %w", cursor.Consumer, err)
			}
		}
	}
	return nil
}
