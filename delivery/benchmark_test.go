package delivery_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/quota"
)

// instant is a store and a platform that take no time and keep nothing.
type instant struct {
	ledger.Store
	accounts  map[string]*delivery.Account
	arrivals  []catalog.Arrival
	next      int
	concluded atomic.Int64
	all       chan struct{}
}

func (s *instant) Commit(_ context.Context, _ ledger.Lease, tx *ledger.Transaction) error {
	done := int64(0)
	for i := range tx.Outcomes {
		done += int64(tx.Outcomes[i].Succeeded)
	}
	if done > 0 && s.concluded.Add(done) == int64(len(s.arrivals)) {
		close(s.all)
	}
	return nil
}
func (s *instant) AppendAttempts(context.Context, []ledger.Attempt) error { return nil }
func (s *instant) Scopes(context.Context, []string) ([]ledger.ScopeState, error) {
	return nil, nil
}
func (s *instant) SaveScopes(context.Context, []ledger.ScopeState) error { return nil }
func (s *instant) Accounts(context.Context, []string) (map[string]ledger.AccountState, error) {
	return map[string]ledger.AccountState{}, nil
}

func (s *instant) Next(ctx context.Context) ([]catalog.Arrival, error) {
	if s.next == len(s.arrivals) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	chunk := s.arrivals[s.next:min(s.next+500, len(s.arrivals))]
	s.next += len(chunk)
	now := time.Now()
	for i := range chunk {
		chunk[i].Mutation.ReceivedAt = now
	}
	return chunk, nil
}

func (s *instant) Idle(context.Context) (ledger.Anchor, bool, error) {
	return ledger.Anchor{}, false, nil
}
func (s *instant) Pending(context.Context) (uint64, error) { return 0, nil }

// quick is a platform that answers at once.
type quick struct{ *simulated }

func (q quick) Endpoint(string, catalog.Type) (platform.Endpoint, *catalog.Problem) {
	return quickWay{&way{simulated: q.simulated}}, nil
}

type quickWay struct{ *way }

func (quickWay) Encode(dst []byte, _ string, _ []catalog.Record, _ int) ([]byte, error) {
	return dst, nil
}

func (quickWay) Submit(context.Context, []byte, string, []catalog.Record) (platform.Submission, error) {
	return platform.Submission{Handles: []string{"h"}}, nil
}

func (quickWay) Poll(_ context.Context, _, _ string, records []catalog.Record) (platform.Report, error) {
	verdicts := make([]platform.Verdict, len(records))
	for i := range verdicts {
		verdicts[i].Outcome = platform.Succeeded
	}
	return platform.Report{Progress: platform.Finished, Verdicts: verdicts}, nil
}

// BenchmarkEngine is the cost of the engine alone per mutation, with a store and a
// platform that take no time.
func BenchmarkEngine(b *testing.B) {
	for _, accounts := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint("accounts=", accounts), func(b *testing.B) {
			s := &instant{all: make(chan struct{}), accounts: map[string]*delivery.Account{}}
			for i := range accounts {
				way := newSimulated(replacing)
				way.limits = platform.Limits{MaxItems: 1000, MaxBytes: 10 << 20}
				way.submit, way.poll = []string{fmt.Sprint("submit", i)}, []string{fmt.Sprint("poll", i)}
				p := policy()
				p.PollMin, p.Concurrency, p.MaxAge = time.Millisecond, 8, 20*time.Millisecond
				name := fmt.Sprint("account", i)
				s.accounts[name] = &delivery.Account{Name: name, Client: quick{way}, Policy: p}
			}
			body := []byte(`{"title":"A thing of some kind","price":"24.99 USD","availability":"in stock"}`)
			s.arrivals = make([]catalog.Arrival, b.N)
			for i := range s.arrivals {
				s.arrivals[i].Mutation = &catalog.Mutation{
					ID: "m", Lane: laneOf(fmt.Sprint("account", i%accounts)), ItemID: fmt.Sprint("item", i), Operation: catalog.Upsert,
					Attributes: body, Message: catalog.Message{Data: body},
					Position: catalog.Position{Sequence: uint64(i + 1)},
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			runInstant(b, s)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mutations/s")
		})
	}
}

func runInstant(b *testing.B, s *instant) {
	b.Helper()
	logger := slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(b.Context())
	scopes := quota.NewScopes(s, logger)
	engine := delivery.New(delivery.Config{
		Lease: ledger.Lease{Token: uuid.New()}, Store: s, Source: s,
		Accounts: func(name string) (*delivery.Account, bool) { a, ok := s.accounts[name]; return a, ok },
		Scopes:   scopes, Budget: delivery.NewBudget(4 << 30), Observer: delivery.NopObserver{},
		Tracer: noop.NewTracerProvider().Tracer(""), Logger: logger,
		RecordWithin: 5 * time.Second, UnknownAccountGrace: time.Minute, DrainTimeout: time.Second,
	}, &ledger.Resumption{})
	var running sync.WaitGroup
	running.Go(func() { scopes.Run(ctx) })
	running.Go(func() { _ = engine.Run(ctx, nil) })
	select {
	case <-s.all:
	case <-time.After(time.Minute):
		require.Fail(b, "not done in time", "%d of %d", s.concluded.Load(), len(s.arrivals))
	}
	b.StopTimer()
	cancel()
	running.Wait()
}
