package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// scenario is one way for mutations to come.
type scenario struct {
	name   string
	what   string
	target float64 // mutations/s
	// backlog publishes everything before the worker starts; else it publishes while
	// the worker works.
	backlog bool
	// synced flushes each publish to disk before it is acknowledged.
	synced  bool
	publish publisher
	// packs carry many mutations in one message: what is beside it with messages alone says
	// nothing there.
	packs bool
}

var scenarios = []scenario{
	{name: "backlog", what: "backlog drained", target: 60_000, backlog: true, publish: atomically},
	{name: "backlog-packs", what: "backlog of packs drained", backlog: true, publish: inPacks, packs: true},
	{name: "live", what: "publisher running, fast batches", target: 40_000, publish: fast},
	{name: "live-packs", what: "publisher running, packs", publish: inPacks, packs: true},
	{name: "atomic", what: "publisher running, atomic batches", publish: atomically},
	{name: "synced", what: "publisher running, fsync, atomic", target: 25_000, synced: true, publish: atomically},
	{name: "synced-packs", what: "publisher running, fsync, packs", synced: true, publish: inPacks, packs: true},
}

// measurement is one rate of one run.
type measurement struct {
	what   string
	rate   float64 // mutations/s
	target float64 // 0 for what is only there to compare with
	// Processor time for each mutation, in this process and in Postgres.
	process  time.Duration
	postgres time.Duration
}

// measure runs a scenario once, on servers of its own.
func measure(ctx context.Context, out io.Writer, o options, s scenario, round int) (measured []measurement, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	service, err := rig.StartServers(ctx, rig.ServerOptions{
		Config: configuration(o), SyncAlways: s.synced, Log: os.Stderr,
		Meta: platformOptions(), Pinterest: platformOptions(), Postgres: postgresSettings(),
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		err = errors.Join(err, service.Close())
		runtime.GC() // what the run held must not weigh on the next
	}()
	if s.backlog {
		return measureBacklog(ctx, out, o, s, service, round)
	}
	return measureLive(ctx, out, o, s, service, round)
}

// platformOptions keep every item's state and answer as fast as that goes.
func platformOptions() sandbox.Options {
	return sandbox.Options{SkipValidation: true, Delay: 20 * time.Millisecond}
}

// postgresSettings give the server some memory, and keep checkpoints out of a run
// of seconds: what is measured is commits, not the disk of this machine.
func postgresSettings() map[string]string {
	return map[string]string{
		"shared_buffers": "512MB", "max_wal_size": "8GB", "checkpoint_timeout": "30min",
	}
}

func measureBacklog(ctx context.Context, out io.Writer, o options, s scenario, service *rig.Servers, round int) ([]measurement, error) {
	how := "publish alone, atomic batches"
	if s.packs {
		how = "publish alone, packs"
	}
	published, err := timed(ctx, o, service, how, func() error { return publishAll(ctx, o, service, s.publish) })
	if err != nil {
		return nil, err
	}
	measured := []measurement{published}
	if !s.packs {
		consumed, err := timed(ctx, o, service, bareConsumeName, func() error { return bareConsume(ctx, o, service) })
		if err != nil {
			return nil, err
		}
		copied, err := timed(ctx, o, service, bareCopyName, func() error { return bareCopy(ctx, o, service) })
		if err != nil {
			return nil, err
		}
		measured = append(measured, consumed, copied)
	}
	end, err := profile(o, s, round)
	if err != nil {
		return nil, err
	}
	defer end()
	var worker *rig.Running
	drained, err := timed(ctx, o, service, s.what, func() (err error) {
		if worker, err = service.StartWorker(ctx, "bench"); err != nil {
			return err
		}
		return service.AwaitBatches(ctx, o.mutations, worker.Done())
	})
	end()
	drained.target = s.target
	return append(measured, drained), finish(ctx, out, o, service, worker, err)
}

func measureLive(ctx context.Context, out io.Writer, o options, s scenario, service *rig.Servers, round int) ([]measurement, error) {
	if err := allowFast(ctx, service); err != nil {
		return nil, err
	}
	worker, err := service.StartWorker(ctx, "bench")
	if err != nil {
		return nil, err
	}
	if err := service.AwaitPartitions(ctx, worker.Done()); err != nil {
		return nil, errors.Join(err, worker.Stop())
	}
	end, err := profile(o, s, round)
	if err != nil {
		return nil, errors.Join(err, worker.Stop())
	}
	defer end()
	flowed, err := timed(ctx, o, service, s.what, func() error {
		if err := publishAll(ctx, o, service, s.publish); err != nil {
			return err
		}
		return service.AwaitBatches(ctx, o.mutations, worker.Done())
	})
	end()
	flowed.target = s.target
	return []measurement{flowed}, finish(ctx, out, o, service, worker, err)
}

// timed measures work that concerns all mutations of a run.
func timed(ctx context.Context, o options, service *rig.Servers, what string, work func() error) (measurement, error) {
	before, err := service.CPU(ctx)
	if err != nil {
		return measurement{}, err
	}
	began := time.Now()
	if err := work(); err != nil {
		return measurement{}, fmt.Errorf("%s: %w", what, err)
	}
	took := time.Since(began)
	after, err := service.CPU(ctx)
	spent := after.Since(before)
	return measurement{
		what: what, rate: float64(o.mutations) / took.Seconds(),
		process: spent.Process / time.Duration(o.mutations), postgres: spent.Postgres / time.Duration(o.mutations),
	}, err
}

// finish stops the worker and makes sure that what was measured is the real thing.
func finish(ctx context.Context, out io.Writer, o options, service *rig.Servers, worker *rig.Running, err error) error {
	if worker == nil {
		return err
	}
	if err = errors.Join(err, worker.Stop()); err != nil {
		return err
	}
	waited, err := service.Waited(ctx)
	if err != nil {
		return err
	}
	if waited > 0 {
		fmt.Fprintf(out, "       %d mutations were written twice, as they waited in memory for too long\n", waited)
	}
	return checkAll(ctx, o, service)
}

var errNotAll = errors.New("not all mutations succeeded")

// checkAll makes sure that each mutation succeeded, and that each item is on its
// platform.
func checkAll(ctx context.Context, o options, service *rig.Servers) error {
	statuses, err := service.Statuses(ctx)
	if err != nil {
		return err
	}
	if statuses["succeeded"] != o.mutations || len(statuses) != 1 {
		return fmt.Errorf("%w: %v", errNotAll, statuses)
	}
	applied := service.Meta.Counters().Records + service.Pinterest.Counters().Records
	if applied != o.mutations {
		return fmt.Errorf("%w: the platforms have %d records", errNotAll, applied)
	}
	return nil
}

// profile starts a CPU profile if one is asked for. end may be called twice.
func profile(o options, s scenario, round int) (end func(), err error) {
	if o.profiles == "" {
		return func() {}, nil
	}
	file, err := os.Create(filepath.Join(o.profiles, fmt.Sprintf("%s-%d.pprof", s.name, round+1)))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	ended := false
	return func() {
		if ended {
			return
		}
		ended = true
		pprof.StopCPUProfile()
		if err := file.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "bench: the profile is not whole:", err)
		}
	}, nil
}
