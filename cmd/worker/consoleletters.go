package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats.go"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/natsconn"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/replay"
	"github.com/catalog-courier/catalog-courier/service"
)

// consoleLetters acts on dead letters for the console. It connects to NATS for an action
// only: actions are rare, and reading needs no NATS.
type consoleLetters struct {
	store *persistence.Store
	nats  config.NATS
}

// Preview looks at what a replay would do.
func (l consoleLetters) Preview(ctx context.Context, filter persistence.DeadLetterFilter, force bool) (replay.Preview, error) {
	return replay.New(replay.Options{Store: l.store, Force: force}).Preview(ctx, filter)
}

// DismissAll takes what the filter chooses from the list of what is to be done.
func (l consoleLetters) DismissAll(ctx context.Context, by string, filter persistence.DeadLetterFilter, why string) (int, error) {
	return replay.New(replay.Options{Store: l.store, By: by}).DismissAll(ctx, filter, why)
}

// Replay publishes messages again.
func (l consoleLetters) Replay(ctx context.Context, by string, filter persistence.DeadLetterFilter, force bool) (result replay.Result, err error) {
	err = l.publishing(ctx, replay.Options{Store: l.store, By: by, Force: force}, func(r *replay.Replayer) (err error) {
		result, err = r.Replay(ctx, filter)
		return err
	})
	return result, err
}

// CheckEdit says what would keep Edit from publishing.
func (l consoleLetters) CheckEdit(ctx context.Context, id int64, body []byte, force bool) error {
	return replay.New(replay.Options{Store: l.store, Force: force}).CheckEdit(ctx, id, body, "")
}

// Edit publishes an edited message.
func (l consoleLetters) Edit(ctx context.Context, by string, id int64, body []byte, force bool) (edited replay.Edited, err error) {
	err = l.publishing(ctx, replay.Options{Store: l.store, By: by, Force: force}, func(r *replay.Replayer) (err error) {
		edited, err = r.Edit(ctx, id, body, "")
		return err
	})
	return edited, err
}

func (l consoleLetters) publishing(ctx context.Context, options replay.Options, act func(*replay.Replayer) error) error {
	denials := &publish.Denials{}
	conn, err := natsconn.Connect(l.nats, slog.New(slog.DiscardHandler), nats.ErrorHandler(denials.Handler(nil)))
	if err != nil {
		return fmt.Errorf("connecting to NATS at %s: %w", l.nats.URL.Address(), err)
	}
	defer conn.Close()
	js, err := natsconn.JetStream(l.nats, conn)
	if err != nil {
		return err
	}
	identity, err := l.store.StreamIdentity(ctx)
	if err != nil {
		return err
	}
	if err := replay.CheckStream(ctx, js, service.StreamConfig(l.nats), identity, denials); err != nil {
		return cli.DeniedError(err)
	}
	options.Publisher, options.Installation = publish.NewPublisher(js, publish.Options{Denials: denials, PackLines: 1}), identity.Installation
	return act(replay.New(options))
}
