package outcome

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/sleep"
)

// Consumer works behind the outbox: it reads what became final and does something with it,
// page by page and in order. Its failures delay nobody else.
type Consumer struct {
	// Name is that of its cursors. It never changes.
	Name   string
	Outbox ledger.Outbox
	Limit  ledger.OutboxLimit
	// Work does what is to be done with a page, and then calls r.Done, or r.DoneIn and
	// r.Committed. After an error it gets the page again, or one that begins with it.
	Work func(ctx context.Context, r *Reader, page ledger.OutboxPage) error
	// Pages, when not nil, bounds how many partitions have a page in memory at once.
	Pages chan struct{}
	// Every is the least time between two reads of a partition, so that many small
	// transactions become one page. Defaults to 200 ms.
	Every time.Duration
	// Rest is how many times as long as a page took the next one waits, 2 s at most. It leaves
	// the machine to others: with a Rest of 4 and pages of half a second or less, the consumer
	// works a fifth of the time. It waits inside of Pages, which makes it the share of all
	// partitions together. A consumer that is two minutes behind does not rest.
	Rest int
	// Failed, when not nil, is told of each failure.
	Failed func(err error)
	Logger *slog.Logger
}

const (
	// lookAnyway is after how long a partition is read although nobody said that there is
	// something new.
	lookAnyway = time.Minute
	// callLimit bounds one page: reading it, the work, and the cursor.
	callLimit = 2 * time.Minute
	// longestRest bounds one rest, and noRestBehind is how old a page may be for one.
	longestRest  = 2 * time.Second
	noRestBehind = 2 * time.Minute
	// The pauses after failures.
	firstPause, longestPause = 500 * time.Millisecond, 30 * time.Second
)

// Follow works the partition of a lease until ctx ends or the lease is lost. wake has a
// value when something may have become final.
func (c *Consumer) Follow(ctx context.Context, lease ledger.Lease, wake <-chan struct{}) {
	log := c.Logger.With(slog.String("consumer", c.Name), slog.Int("partition", lease.Partition))
	every := c.Every
	if every == 0 {
		every = 200 * time.Millisecond
	}
	pause := backoff.NewExponentialBackOff(backoff.WithInitialInterval(firstPause), backoff.WithMaxInterval(longestPause), backoff.WithMaxElapsedTime(0))
	var reader *Reader
	var failing time.Time
	for {
		more, err := c.page(ctx, lease, &reader)
		wait := every
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, ledger.ErrLeaseLost) && reader != nil:
			reader = nil // or the cursor was dropped: opening it again tells
		case errors.Is(err, ledger.ErrLeaseLost):
			log.DebugContext(ctx, "the partition has another owner, who goes on with the outbox")
			return
		case err != nil:
			reader = nil // where its cursor is may not be known
			wait = pause.NextBackOff()
			if failing.IsZero() {
				failing = time.Now()
				log.WarnContext(ctx, "what became final cannot be passed on; it is kept and tried again", slog.Duration("wait", wait), slog.Any("error", err))
			}
			if c.Failed != nil {
				c.Failed(err)
			}
		default:
			if !failing.IsZero() {
				log.InfoContext(ctx, "what became final is passed on again", slog.Duration("after", time.Since(failing)))
			}
			pause.Reset()
			failing = time.Time{}
			if !more && sleep.UntilWoken(ctx, wake, lookAnyway) != nil {
				return
			}
			if more {
				wait = 0
			}
		}
		if sleep.For(ctx, wait) != nil {
			return
		}
	}
}

// page reads a page and has it worked through, once it is this partition's turn.
func (c *Consumer) page(ctx context.Context, lease ledger.Lease, reader **Reader) (more bool, err error) {
	if c.Pages != nil {
		select {
		case c.Pages <- struct{}{}:
			defer func() { <-c.Pages }()
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	began := time.Now()
	page, err := c.work(ctx, lease, reader)
	if err == nil && c.Rest > 0 && time.Since(page.Oldest) < noRestBehind {
		_ = sleep.For(ctx, min(time.Duration(c.Rest)*time.Since(began), longestRest)) // the caller looks at ctx
	}
	return page.More, err
}

// work is page without the turns. Where there was nothing to do the page is empty.
func (c *Consumer) work(ctx context.Context, lease ledger.Lease, reader **Reader) (page ledger.OutboxPage, err error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	if *reader == nil {
		if *reader, err = Open(ctx, c.Outbox, lease, c.Name, c.Limit); err != nil {
			return ledger.OutboxPage{}, err
		}
	}
	page, err = (*reader).Read(ctx)
	if err != nil || !(*reader).Unfinished() {
		return ledger.OutboxPage{}, err
	}
	if err := c.Work(ctx, *reader, page); err != nil {
		return ledger.OutboxPage{}, err
	}
	return page, nil
}
