// Command naive is what a good Go developer writes in a week: a durable pull consumer,
// groups in a map by subject, encoding/json, one POST for each group, one upsert of status
// rows, then the acknowledgements. Redelivery after ack_wait is its only recovery. It keeps
// no order between batches, merges nothing, follows no handle and retries no single item.
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
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/catalog-courier/catalog-courier/bench/internal/work"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

type mutation struct {
	ID         string          `json:"id"`
	ItemID     string          `json:"item_id"`
	Operation  string          `json:"operation"`
	Attributes json.RawMessage `json:"attributes"`
}

type request struct {
	Method     string          `json:"method"`
	ItemID     string          `json:"item_id"`
	Attributes json.RawMessage `json:"attributes"`
}

// group is what waits for one subject.
type group struct {
	subject   string
	oldest    time.Time
	mutations []mutation
	messages  []jetstream.Msg
}

const (
	inFlight   = 4      // batches posted and written at once
	prefetched = 10_000 // messages in memory that are in no group
	pending    = 60_000 // unacknowledged at most: more than all groups and batches hold
)

type service struct {
	sink   string
	maxAge time.Duration
	pool   *pgxpool.Pool
	client *http.Client
	logger *slog.Logger
	full   chan *group
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := run(ctx, logger); err != nil {
		logger.ErrorContext(ctx, "naive ends", slog.Any("error", err))
		os.Exit(1) //nolint:gocritic // nothing is left to stop
	}
}

func run(ctx context.Context, logger *slog.Logger) error {
	maxAge, err := time.ParseDuration(os.Getenv("MAX_AGE"))
	if err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer pool.Close()
	nc, err := nats.Connect(os.Getenv("NATS_URL"), nats.MaxReconnects(-1))
	if err != nil {
		return err
	}
	defer nc.Close()
	s := &service{
		sink: os.Getenv("SINK_URL"), maxAge: maxAge, pool: pool, client: &http.Client{Timeout: time.Minute}, logger: logger, full: make(chan *group),
	}
	messages, err := consume(ctx, nc, os.Getenv("STREAM"))
	if err != nil {
		return err
	}
	var delivering sync.WaitGroup
	for range inFlight {
		delivering.Go(func() { s.deliverAll(ctx) })
	}
	s.gather(ctx, messages)
	delivering.Wait()
	return nil
}

// consume hands out the messages of a durable consumer until ctx ends.
func consume(ctx context.Context, nc *nats.Conn, stream string) (<-chan jetstream.Msg, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	consumer, err := js.CreateOrUpdateConsumer(ctx, stream, jetstream.ConsumerConfig{
		Durable: "naive", AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Minute, MaxAckPending: pending,
	})
	if err != nil {
		return nil, err
	}
	messages := make(chan jetstream.Msg, prefetched)
	_, err = consumer.Consume(func(m jetstream.Msg) {
		select {
		case messages <- m:
		case <-ctx.Done():
		}
	}, jetstream.PullMaxMessages(prefetched))
	return messages, err
}

// gather groups messages by subject, and has a group delivered when it is full or old.
func (s *service) gather(ctx context.Context, messages <-chan jetstream.Msg) {
	groups := map[string]*group{}
	deliver := func(g *group) {
		delete(groups, g.subject)
		select {
		case s.full <- g:
		case <-ctx.Done():
		}
	}
	tick := time.NewTicker(max(s.maxAge/10, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-messages:
			g := groups[m.Subject()]
			if g == nil {
				g = &group{subject: m.Subject(), oldest: time.Now()}
				groups[m.Subject()] = g
			}
			var one mutation
			if err := json.Unmarshal(m.Data(), &one); err != nil {
				_ = m.Term()
				continue
			}
			g.mutations, g.messages = append(g.mutations, one), append(g.messages, m)
			if len(g.mutations) >= work.Limit(accountOf(g.subject)) {
				deliver(g)
			}
		case <-tick.C:
			for _, g := range groups {
				if time.Since(g.oldest) >= s.maxAge {
					deliver(g)
				}
			}
		}
	}
}

// The tokens of a subject: catalog.mutations.<account>.<catalog>.<catalog_type>.
func accountOf(subject string) string { return strings.Split(subject, ".")[2] }

func (s *service) deliverAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case g := <-s.full:
			if err := s.deliver(ctx, g); err != nil {
				s.logger.ErrorContext(ctx, "a batch comes again", slog.Any("error", err))
				for _, m := range g.messages {
					_ = m.NakWithDelay(5 * time.Second)
				}
			}
		}
	}
}

// deliver posts a group, writes its rows and acknowledges its messages.
func (s *service) deliver(ctx context.Context, g *group) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	handle, err := s.post(ctx, g)
	if err != nil {
		return err
	}
	count := len(g.mutations)
	ids, items, operations := make([]string, count), make([]string, count), make([]string, count)
	for i, m := range g.mutations {
		ids[i], items[i], operations[i] = m.ID, m.ItemID, m.Operation
	}
	token := strings.Split(g.subject, ".")
	_, err = s.pool.Exec(ctx, `INSERT INTO status (mutation_id, item_id, operation, account, catalog, catalog_type, status, handle)
		SELECT unnest($1::text[]), unnest($2::text[]), unnest($3::text[]), $4, $5, $6, 'submitted', $7
		ON CONFLICT (mutation_id) DO UPDATE SET status = excluded.status, handle = excluded.handle, updated_at = now()`,
		ids, items, operations, token[2], token[3], token[4], handle)
	if err != nil {
		return err
	}
	for _, m := range g.messages {
		if err := m.Ack(); err != nil {
			return err
		}
	}
	return nil
}

func (s *service) post(ctx context.Context, g *group) (handle string, err error) {
	token := strings.Split(g.subject, ".")
	body := struct {
		ItemType string    `json:"item_type"`
		Requests []request `json:"requests"`
	}{ItemType: token[4], Requests: make([]request, len(g.mutations))}
	for i, m := range g.mutations {
		body.Requests[i] = request{Method: m.Operation, ItemID: m.ItemID, Attributes: m.Attributes}
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, s.sink+"/peer/"+token[2], bytes.NewReader(encoded))
	if err != nil {
		return "", err
	}
	post.Header.Set("Content-Type", "application/json")
	response, err := s.client.Do(post)
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
