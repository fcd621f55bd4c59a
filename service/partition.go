package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/pprof"
	"strconv"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/lease"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/queue"
)

// work works one partition until its lease is lost or asked back.
func (w *worker) work(ctx context.Context, holding *lease.Holding) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Profiles tell the partitions apart by it, and so does the simulation.
	ctx = pprof.WithLabels(ctx, pprof.Labels("partition", strconv.Itoa(holding.Lease.Partition)))
	pprof.SetGoroutineLabels(ctx)
	w.observer.acquired()
	watched := w.watchLease(ctx, cancel, holding)
	defer func() {
		cancel()
		<-watched
		w.observer.released(holding.Lease.Partition)
		w.release(ctx, holding)
	}()
	wait := w.startPartitionServices(ctx, holding.Lease)
	defer func() {
		cancel()
		wait()
	}()
	transport := w.deps.Transport(func() time.Time {
		if !holding.MayWrite() {
			return time.Time{}
		}
		return holding.Deadline()
	})
	defer transport.CloseIdleConnections()
	w.keepWorking(ctx, &turn{holding: holding, client: &http.Client{Transport: transport}})
}

// watchLease calls cancel when the lease is lost. It ends with ctx, and then closes watched.
func (w *worker) watchLease(ctx context.Context, cancel func(), holding *lease.Holding) (watched <-chan struct{}) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-holding.Lost():
			w.observer.lost()
			cancel()
		case <-ctx.Done():
		}
	}()
	return ended
}

// startPartitionServices starts what works beside the engine until ctx ends. The function
// returned waits for the end.
func (w *worker) startPartitionServices(ctx context.Context, lease ledger.Lease) (wait func()) {
	var maintenance sync.WaitGroup
	if lease.Partition == maintenancePartition {
		maintenance.Go(func() { w.runMaintenance(ctx, lease) })
	}
	consumed := w.consumers.start(ctx, lease)
	return func() {
		consumed()
		maintenance.Wait()
	}
}

// keepWorking delivers until the turn is over. What goes wrong with the partition alone, such
// as a stream that was restored, makes it resume from what is recorded.
func (w *worker) keepWorking(ctx context.Context, t *turn) {
	partition := t.holding.Lease.Partition
	log := w.log.With(slog.Int("partition", partition))
	pause := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(100*time.Millisecond), backoff.WithMaxInterval(10*time.Second),
		backoff.WithMaxElapsedTime(0), // bounded by the lease
		backoff.WithRandomizationFactor(0),
	)
	for {
		began := time.Now()
		err := w.workOnce(ctx, t)
		switch w.judge(ctx, log, t.holding, err) {
		case over:
			return
		case resumeAtOnce:
			continue
		case resumeLater:
		}
		if time.Since(began) > time.Minute {
			pause.Reset()
		}
		w.observer.failed(partition, whyStopped(err))
		wait := pause.NextBackOff()
		wait = wait/2 + time.Duration(w.deps.Random()*float64(wait))
		log.ErrorContext(ctx, "the partition failed; it resumes from the last committed state",
			slog.Duration("wait", wait), slog.Any("error", err))
		select {
		case <-time.After(wait):
		case <-t.holding.HandOver():
			return
		case <-ctx.Done():
			return
		}
	}
}

// next is what comes after workOnce.
type next int

const (
	over next = iota
	resumeAtOnce
	resumeLater
)

// judge says what comes after workOnce ended so, and does what its error asks for.
func (w *worker) judge(ctx context.Context, log *slog.Logger, holding *lease.Holding, err error) next {
	switch {
	case err == nil, ctx.Err() != nil:
		return over
	case errors.Is(err, errReconfigured):
		log.InfoContext(ctx, "the partition goes on with the new configuration of its accounts")
		return resumeAtOnce
	case errors.Is(err, ledger.ErrLeaseLost) && !errors.Is(err, persistence.ErrClock): // a clock takes no lease away
		log.WarnContext(ctx, "the partition has another owner")
		holding.Forfeit()
		return over
	case errors.Is(err, ledger.ErrOtherHistory):
		log.ErrorContext(ctx, "somebody else goes on with the partition, on another database or after this one lost its last commits: nothing is sent from here",
			slog.Any("error", err))
	case errors.Is(err, queue.ErrForeignStream):
		w.abandon(ctx, err)
		return over
	}
	return resumeLater
}

// releaseTimeout bounds the hand-over of one partition.
const releaseTimeout = 5 * time.Second

func (w *worker) release(ctx context.Context, holding *lease.Holding) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if err := holding.Release(ctx); err != nil && !errors.Is(err, ledger.ErrLeaseLost) {
		w.log.WarnContext(ctx, "a partition could not be handed over; it is taken over when the lease expires",
			slog.Int("partition", holding.Lease.Partition), slog.Any("error", err))
	}
}

// turn is the time for which one lease of a partition lasts. Engines follow each other in
// it.
type turn struct {
	holding *lease.Holding
	client  *http.Client
	// followed are where the last engine's handles were given that the next one cannot
	// know of.
	followed map[delivery.FollowedHandle]platform.Endpoint
}

// workOnce resumes the partition and delivers until drain, the end of the lease,
// another configuration of its accounts (errReconfigured), or trouble.
func (w *worker) workOnce(ctx context.Context, t *turn) error {
	serving, partition := w.serving.Load(), t.holding.Lease.Partition
	resumption, reader, err := w.open(ctx, t.holding)
	if err != nil {
		return err
	}
	defer reader.Close()
	w.observer.reading(partition, reader)
	witness, err := w.openMirror(ctx, partition, resumption)
	if err != nil {
		return err
	}
	accounts := &accounts{
		config: serving.config, platforms: w.platforms, credentials: serving.credentials, client: t.client, made: map[string]*delivery.Account{},
	}
	engine := delivery.New(delivery.Config{
		Lease: t.holding.Lease, Store: w.deps.Store, Source: reader, Accounts: accounts.find, AccountNames: serving.config.AccountNames,
		Scopes: w.scopes, Budget: w.budget, Observer: w.observer, Tracer: w.tracer, Logger: w.log,
		RecordWithin:        w.config.Worker.RecordWithin,
		UnknownAccountGrace: w.config.Worker.UnknownAccountGrace,
		DrainTimeout:        w.config.Worker.DrainTimeout,
		Random:              w.deps.Random,
		LostTail:            witness.lostTail,
		Quiet:               witness.quiet,
		Mirror:              witness.mirror,
		Noted:               witness.noted,
		Followed:            t.followed,
	}, resumption)
	drain, stop := serving.drain(partition, t.holding.HandOver())
	err = engine.Run(ctx, drain)
	reconfigured := stop()
	next := w.serving.Load()
	t.followed = engine.Followed(func(lane catalog.Lane) bool {
		return !serving.config.SamePlace(next.config, lane.Account, lane.Catalog)
	})
	if err == nil && reconfigured {
		return errReconfigured
	}
	return err
}

// open reads what the last owner recorded and opens the stream behind it. A
// stream that does not have what was recorded last begins a new generation.
func (w *worker) open(ctx context.Context, holding *lease.Holding) (*ledger.Resumption, Reader, error) {
	if err := w.sameStream(ctx); err != nil {
		return nil, nil, err
	}
	resumption, err := w.deps.Store.Resume(ctx, holding.Lease)
	if err != nil {
		return nil, nil, fmt.Errorf("resume: %w", err)
	}
	reader, err := w.read(ctx, holding.Lease, resumption)
	if !errors.Is(err, queue.ErrStreamRestored) {
		return resumption, reader, err
	}
	kept, err := w.rewind(ctx, holding.Lease, resumption)
	if err != nil {
		return nil, nil, err
	}
	what := "the stream was restored from an older copy: a new generation begins after the newest recorded message that it still has"
	if !kept {
		what = "the stream has none of the messages that are recorded: it was emptied, or another one was adopted; a new generation begins at its start"
	}
	w.together.add(ctx, what, holding.Lease.Partition, 0, slog.Uint64("position", resumption.Anchor.Position.Sequence))
	if resumption, err = w.deps.Store.Resume(ctx, holding.Lease); err != nil {
		return nil, nil, fmt.Errorf("resume: %w", err)
	}
	reader, err = w.read(ctx, holding.Lease, resumption)
	return resumption, reader, err
}
