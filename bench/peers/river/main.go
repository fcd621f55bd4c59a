// Command river works mutations with River (the free one, whose workers get one job at a
// time), in one of two modes:
//
//	outbox   mutations are rows of a staging table; a job takes up to a request's worth of
//	         one account, posts it, and moves the rows to the status table
//	collect  a job for each mutation; Work hands it to a collector in memory and returns
//	         when its batch was posted. The row of the job is the status row
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/catalog-courier/catalog-courier/bench/peers/outbox"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err := run(ctx, logger); err != nil {
		logger.ErrorContext(ctx, "river ends", slog.Any("error", err))
		os.Exit(1) //nolint:gocritic // nothing is left to stop
	}
}

func run(ctx context.Context, logger *slog.Logger) error {
	maxAge, err := time.ParseDuration(os.Getenv("MAX_AGE"))
	if err != nil {
		return err
	}
	settings, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	settings.MaxConns = 16
	pool, err := pgxpool.NewWithConfig(ctx, settings)
	if err != nil {
		return err
	}
	defer pool.Close()
	config := &river.Config{
		Queues: map[string]river.QueueConfig{}, Workers: river.NewWorkers(), Logger: logger,
		// A fetch may follow the last one at once; LISTEN wakes it, so that polling stays rare.
		FetchCooldown: 2 * time.Millisecond, FetchPollInterval: time.Second,
	}
	sink := poster{url: os.Getenv("SINK_URL"), client: &http.Client{Timeout: time.Minute}}
	var collecting sync.WaitGroup
	switch mode := os.Getenv("MODE"); mode {
	case "outbox":
		flushing(config, pool, sink)
	case "collect":
		for _, c := range collectors(config, sink, maxAge) {
			collecting.Go(func() { c.run(ctx) })
		}
	default:
		return fmt.Errorf("MODE is outbox or collect, and not %q", mode)
	}
	client, err := river.NewClient(riverpgxv5.New(pool), config)
	if err != nil {
		return err
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	<-ctx.Done()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err = client.StopAndCancel(ending)
	collecting.Wait()
	return err
}

// poster posts batches.
type poster struct {
	url    string
	client *http.Client
}

type request struct {
	Method     string          `json:"method"`
	ItemID     string          `json:"item_id"`
	Attributes json.RawMessage `json:"attributes"`
}

func (p poster) post(ctx context.Context, account, itemType string, mutations []outbox.Mutation) (handle string, err error) {
	body := struct {
		ItemType string    `json:"item_type"`
		Requests []request `json:"requests"`
	}{ItemType: itemType, Requests: make([]request, len(mutations))}
	for i, m := range mutations {
		body.Requests[i] = request{Method: m.Operation, ItemID: m.ItemID, Attributes: m.Attributes}
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+"/peer/"+account, bytes.NewReader(encoded))
	if err != nil {
		return "", err
	}
	post.Header.Set("Content-Type", "application/json")
	response, err := p.client.Do(post)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return "", err
	}
	var answer struct {
		Handle string `json:"handle"`
	}
	if response.StatusCode != http.StatusOK || json.Unmarshal(content, &answer) != nil {
		return "", fmt.Errorf("%s: %s", response.Status, content)
	}
	return answer.Handle, nil
}
