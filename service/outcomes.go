package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/label"
	"github.com/catalog-courier/catalog-courier/internal/sleep"
	"github.com/catalog-courier/catalog-courier/internal/standardwebhooks"
	"github.com/catalog-courier/catalog-courier/outcome"
	"github.com/catalog-courier/catalog-courier/queue"
)

// OutcomesConfig is the stream of outcome events that the settings describe.
func OutcomesConfig(c *config.Config) queue.OutcomesConfig {
	return queue.OutcomesConfig{MaxAge: c.Outcomes.MaxAge, MaxBytes: c.Outcomes.MaxBytes, Replicas: c.NATS.Stream.Replicas}
}

// pagesAtOnce is how many pages of outcomes a consumer has in memory at once.
const pagesAtOnce = 2

// openOutcomes makes the consumers of the outbox that the settings ask for.
func (w *worker) openOutcomes(ctx context.Context, s *surroundings) error {
	w.consumers.outboxLag = s.store.OutboxLag
	if err := w.openWebhooks(ctx, s); err != nil {
		return err
	}
	if !w.config.Outcomes.Enabled {
		// Nothing is kept for a consumer that was turned off.
		if err := s.store.DropCursors(ctx, outcome.PublisherName); err != nil {
			w.log.DebugContext(ctx, "the cursors of the outcome events could not be removed; the outbox is kept until it is old", slog.Any("error", err))
		}
		return nil
	}
	publisher := &outcome.Publisher{
		JetStream: s.js,
		Ensure:    s.ensureOutcomes,
		Published: func(events map[outcome.Status]int) {
			for status, n := range events {
				w.observer.instruments.PublishedEvents(w.observer.nowhere, label.Status(status), n)
			}
		},
		Dropped: func(e *outcome.Event, err error) {
			w.log.ErrorContext(ctx, "NATS takes no event of this size, so it is left out; the views have the outcome",
				slog.String("event", e.ID), slog.Int("bytes", len(e.Data)), slog.Any("error", err))
		},
	}
	w.consumers.ensure = s.ensureOutcomes
	w.addConsumer(outcome.PublisherName, s, publisher.Work)
	return nil
}

// openWebhooks makes a consumer and a sender for each webhook of the settings.
func (w *worker) openWebhooks(ctx context.Context, s *surroundings) error {
	configured := map[string]bool{}
	for _, settings := range w.config.Outcomes.Webhooks {
		webhook, err := webhookOf(settings)
		if err != nil {
			return err
		}
		configured[webhook.Consumer()] = true
		w.addConsumer(webhook.Consumer(), s, (&outcome.Recorder{Store: s.store, Webhook: webhook}).Work)
		client := outcome.NewClient()
		sender := &outcome.Sender{Store: s.store, Webhook: webhook, Client: client, Logger: w.log}
		w.consumers.senders = append(w.consumers.senders, func(ctx context.Context) {
			defer client.CloseIdleConnections()
			sender.Run(ctx)
		})
	}
	if err := s.store.KeepCursors(ctx, outcome.WebhookPrefix, configured); err != nil {
		w.log.DebugContext(ctx, "the cursors of former webhooks could not be removed; the outbox is kept until it is old", slog.Any("error", err))
	}
	return nil
}

func webhookOf(settings config.OutcomeWebhook) (*outcome.Webhook, error) {
	webhook := &outcome.Webhook{
		Name: settings.Name, URL: settings.URL, Accounts: settings.Accounts, Events: settings.Events, Timeout: settings.Timeout,
	}
	for _, status := range settings.Statuses {
		webhook.Statuses = append(webhook.Statuses, outcome.Status(status))
	}
	for _, text := range settings.Secrets {
		secret, err := standardwebhooks.ParseSecret(text.Reveal())
		if err != nil {
			return nil, fmt.Errorf("outcomes.webhooks.%s.secret %w", settings.Name, err)
		}
		webhook.Secrets = append(webhook.Secrets, secret)
	}
	return webhook, nil
}

// addConsumer adds a consumer of the outbox.
func (w *worker) addConsumer(name string, s *surroundings, work func(context.Context, *outcome.Reader, outcome.Page) error) {
	w.consumers.all = append(w.consumers.all, &outcome.Consumer{
		Name: name, Outbox: s.store, Work: work, Pages: make(chan struct{}, pagesAtOnce), Logger: w.log,
		Failed: func(error) { w.observer.instruments.EventsFailed(w.observer.nowhere, name) },
	})
}

// ensureOutcomes makes the stream of outcome events, or gives it its limits.
func (s *surroundings) ensureOutcomes(ctx context.Context) error {
	err := queue.EnsureOutcomes(ctx, s.js, OutcomesConfig(s.config))
	if last := s.conn.LastError(); errors.Is(last, nats.ErrPermissionViolation) {
		err = errors.Join(err, last) // a call that is not allowed only runs out of time
	}
	return err
}

// keepOutcomes gives the stream of outcome events its limits, once, as soon as it can be.
func (w *worker) keepOutcomes(ctx context.Context) {
	wait := time.Second
	for told := false; ; {
		err := w.consumers.ensure(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		if !told {
			told = true
			w.log.WarnContext(ctx, "the stream of outcome events cannot be used yet; delivery goes on, and it is tried again", slog.Any("error", err))
		}
		if sleep.For(ctx, wait) != nil {
			return
		}
		wait = min(2*wait, time.Minute)
	}
}

// lookAtOutcomes says what the user lacks to publish outcome events. It keeps no worker
// from working.
func (s *surroundings) lookAtOutcomes(ctx context.Context) Finding {
	finding := within(ctx, "outcome events", func(ctx context.Context) error { return queue.CheckOutcomes(ctx, s.js) })
	if finding.Err != nil {
		finding.Warning, finding.Err = finding.Err.Error(), nil
	}
	return finding
}
