package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/natsconn"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/test/workload"
)

// published is a message that the stream has acknowledged.
type published struct {
	publish.Publication
	result publish.Result
	at     time.Time
}

// producer publishes changes at a steady rate, whatever happens, and remembers
// what was acknowledged.
type producer struct {
	conn       *nats.Conn
	js         jetstream.JetStream
	publishers []*publish.Publisher // plain messages first, then packs of two and of many
	generator  *workload.Generator
	random     *rand.Rand
	rate       int // messages a second

	// mu is held while a batch is on its way, until it is acknowledged: whoever puts
	// the stream back to an older copy holds it meanwhile.
	mu           sync.Mutex
	acknowledged []published
	fresh        int // of acknowledged, those since the stream was restored
	made         int
	repeated     int // published once more under the same id
	longest      time.Duration
}

const (
	producerTick = 100 * time.Millisecond
	invalidEvery = 250
	repeatEvery  = 10 // batches
)

func newProducer(settings config.NATS, address string, seed uint64, rate int) (*producer, error) {
	settings.URL = config.NewSecret("nats://" + address)
	conn, err := natsconn.Connect(settings, slog.New(slog.DiscardHandler), nats.ReconnectWait(100*time.Millisecond))
	if err != nil {
		return nil, err
	}
	js, err := natsconn.JetStream(settings, conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	generator := workload.New(seed)
	generator.Lanes, generator.Items, generator.Hot = lanes(), 400, 8
	generator.Bases, generator.Discontinues = map[catalog.Lane]catalog.Lane{localizingLane: localizedLane}, []catalog.Lane{discontinuingLane}
	with := func(lines int) *publish.Publisher {
		return publish.NewPublisher(js, publish.Options{Timeout: 2 * time.Second, RetryFor: 4 * time.Second, PackLines: lines})
	}
	return &producer{
		conn: conn, js: js, generator: generator, rate: rate,
		publishers: []*publish.Publisher{with(1), with(2), with(publish.DefaultPackLines)},
		random:     rand.New(rand.NewPCG(seed, 7)), //nolint:gosec // repeatable on purpose
	}, nil
}

func (p *producer) close() { p.conn.Close() }

// run publishes until ctx ends. Then the batch on its way is still brought to its
// end, within patience.
func (p *producer) run(ctx context.Context) error {
	ticker := time.NewTicker(producerTick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		batch, err := p.nextBatch()
		if err != nil {
			return err
		}
		if err := p.publish(context.WithoutCancel(ctx), batch); err != nil {
			return err
		}
	}
}

// nextBatch is what is published in one tick; now and then it is much.
func (p *producer) nextBatch() ([]publish.Publication, error) {
	size := max(p.rate*int(producerTick)/int(time.Second), 1)
	if p.random.IntN(50) == 0 {
		size *= 5
	}
	batch := make([]publish.Publication, 0, size)
	for _, m := range p.generator.Next(size) {
		p.made++
		if p.made%invalidEvery == 0 {
			batch = append(batch, p.senseless())
		}
		m.ID = fmt.Sprintf("m-%07d", p.made)
		publication, err := m.Publication()
		if err != nil {
			return nil, fmt.Errorf("making up a change: %w", err)
		}
		batch = append(batch, publication)
	}
	if p.random.IntN(2) == 0 { // the changes of a lane one after the other: they fill packs
		slices.SortStableFunc(batch, func(a, b publish.Publication) int { return strings.Compare(a.Subject, b.Subject) })
	}
	return batch, nil
}

// senseless is a message that no worker can do anything with.
func (p *producer) senseless() publish.Publication {
	id := fmt.Sprintf("bad-%07d", p.made)
	bodies := []string{
		`{"item_id":"BAD","operation":`,
		`{"operation":"DELETE"}`,
		`{"item_id":"BAD","operation":"EXPLODE","attributes":{}}`,
		`{"item_id":"BAD","operation":"UPDATE","attributes":{"image_link":"https://shop.example/new.jpg"}}`,
	}
	subject := "catalog.mutations.acme-pinterest.us.RETAIL"
	return publish.Publication{Subject: subject, ID: id, Data: []byte(bodies[p.random.IntN(len(bodies))])}
}

// publishPatience bounds how long the stream may refuse a batch: longer than any
// fault lasts.
const publishPatience = 2 * time.Minute

// publish repeats a batch until all of it is acknowledged: the ids make that safe.
func (p *producer) publish(ctx context.Context, batch []publish.Publication) error {
	ctx, cancel := context.WithTimeout(ctx, publishPatience)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	began := time.Now()
	pause := time.NewTicker(producerTick)
	defer pause.Stop()
	publisher := p.publishers[p.random.IntN(len(p.publishers))]
	for {
		results, err := publisher.Publish(ctx, batch)
		if err == nil && publish.Summarize(results).Refused == 0 {
			p.note(batch, results)
			p.longest = max(p.longest, time.Since(began))
			return p.repeat(ctx)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("publishing: %w", err)
		case <-pause.C:
		}
	}
}

func (p *producer) note(batch []publish.Publication, results []publish.Result) {
	now := time.Now()
	for i, publication := range batch {
		p.acknowledged = append(p.acknowledged, published{Publication: publication, result: results[i], at: now})
		p.fresh++
	}
}

// repeat publishes a recent message once more, now and then: the stream has to drop
// it. One of before the stream was restored may be gone, and is left alone.
func (p *producer) repeat(ctx context.Context) error {
	recent := min(p.fresh, 200)
	if recent == 0 || p.random.IntN(repeatEvery) != 0 {
		return nil
	}
	again := p.acknowledged[len(p.acknowledged)-1-p.random.IntN(recent)]
	results, err := p.publishers[0].Publish(ctx, []publish.Publication{again.Publication})
	if err != nil {
		return nil //nolint:nilerr // the broker is away: another time
	}
	p.repeated++
	if results[0].Outcome == publish.Stored {
		p.note([]publish.Publication{again.Publication}, results) // a second message under the id, as the contract says
	}
	return nil
}

// whileQuiet calls f while nothing is being published. forget says that what was
// published so far may be gone from the stream.
func (p *producer) whileQuiet(f func() (forget bool, err error)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	forget, err := f()
	if forget {
		p.fresh = 0
	}
	return err
}

// acks are the messages acknowledged so far.
func (p *producer) acks() []published {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.acknowledged)
}
