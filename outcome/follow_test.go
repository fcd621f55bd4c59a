package outcome_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/outcome"
)

// pages is an outbox of full pages, the first of which was committed at a time.
type pages struct {
	ledger.Outbox

	left   int64
	oldest time.Time
}

func (p *pages) OpenCursor(context.Context, ledger.Lease, string) (int64, error) { return 0, nil }

func (p *pages) Outcomes(_ context.Context, _ int, after int64, _ ledger.OutboxLimit) (ledger.OutboxPage, error) {
	return ledger.OutboxPage{To: min(after+1, p.left), Oldest: p.oldest, More: after+1 < p.left}, nil
}

func (p *pages) MoveCursor(context.Context, ledger.Lease, string, int64, int64) error { return nil }

// TestAConsumerRests: all partitions together take their share and no more, until they are
// too far behind.
func TestAConsumerRests(t *testing.T) {
	t.Parallel()
	const each, partitions = 10, 3
	for name, c := range map[string]struct {
		took, behind, want time.Duration
	}{
		"while it is a little behind": {100 * time.Millisecond, 10 * time.Second, each * partitions * 500 * time.Millisecond},
		"no longer than two seconds":  {time.Second, 10 * time.Second, each * partitions * 3 * time.Second},
		"not when it is far behind":   {100 * time.Millisecond, time.Hour, each * partitions * 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ctx, cancel := context.WithCancel(t.Context())
				done, last := 0, time.Duration(0)
				consumer := &outcome.Consumer{
					Name: "one", Outbox: &pages{left: each, oldest: began.Add(-c.behind)}, Rest: 4, Pages: make(chan struct{}, 1),
					Logger: slog.New(slog.DiscardHandler),
					Work: func(ctx context.Context, r *outcome.Reader, _ ledger.OutboxPage) error {
						time.Sleep(c.took)
						done++
						last = time.Since(began)
						return r.Done(ctx)
					},
				}
				for partition := range partitions {
					go consumer.Follow(ctx, ledger.Lease{Partition: partition}, nil)
				}
				time.Sleep(10 * time.Minute)
				cancel()
				synctest.Wait()
				require.Equal(t, each*partitions, done)
				require.InDelta(t, c.want.Seconds(), last.Seconds(), min(4*c.took, 2*time.Second).Seconds()+0.1, "the last one rests after that")
			})
		})
	}
}
