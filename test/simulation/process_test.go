package simulation

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/internal/telemetry"
	"github.com/catalog-courier/catalog-courier/service"
)

// process is one worker from its start to its end, by whatever cause.
type process struct {
	w      *world
	number int
	name   string
	store  *ledgermodel.Store // its own view of the ledger
	cancel context.CancelFunc
	ended  chan struct{}
	asked  chan struct{} // to read the configuration again
	err    error         // of its run; read after ended

	mu     sync.Mutex
	dead   chan struct{} // closed when it is killed
	frozen chan struct{} // closed when it thaws; nil while it is not frozen
}

// start starts a worker.
func (w *world) start() {
	number := len(w.processes) + 1
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{
		w: w, number: number, name: "w" + string(rune('0'+number/10)) + string(rune('0'+number%10)), store: w.ledger.Another(),
		cancel: cancel, ended: make(chan struct{}), asked: make(chan struct{}, 1), dead: make(chan struct{}),
	}
	w.processes = append(w.processes, p)
	w.log.add(p.name, "starts", "")
	w.disturb()
	go func() {
		defer close(p.ended)
		p.err = service.RunWith(ctx, service.Options{
			Config: w.configuration(), Name: p.name, Telemetry: &telemetry.Telemetry{Logger: w.logger.With(slog.String("worker", p.name))},
			Reload: &service.Reload{Load: p.load, Asked: p.asked, Interval: 24 * time.Hour},
		}, p.parts())
	}()
}

// load reads the configuration file, which takes a while.
func (p *process) load() (*config.Config, error) {
	<-time.After(p.w.latency(p.name, "Load"))
	for thawed := p.isFrozen(); thawed != nil; thawed = p.isFrozen() {
		<-thawed
		<-time.After(p.w.latency(p.name, "Load", "thawed"))
	}
	if p.isDead() {
		return nil, errDead
	}
	return p.w.configuration(), nil
}

func (p *process) parts() service.Dependencies {
	return service.Dependencies{
		Store: &storeOf{p}, Leases: &leasesOf{p}, Queue: &queueOf{p}, Transport: p.transport,
		Random: func() float64 { return p.w.draw("random", p.name) },
		Worker: uuid.UUID{15: byte(p.number)},
	}
}

// stop is SIGTERM.
func (p *process) stop() {
	p.w.log.add(p.name, "stops", "")
	p.w.disturb()
	p.cancel()
}

// kill is SIGKILL: nothing of the process reaches the world any more. Its
// goroutines come to their ends unheard.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.isDead() {
		p.w.log.add(p.name, "is killed", "")
		p.w.disturb()
		close(p.dead)
		p.cancel()
		if p.frozen != nil {
			close(p.frozen)
			p.frozen = nil
		}
	}
}

func (p *process) isDead() bool {
	select {
	case <-p.dead:
		return true
	default:
		return false
	}
}

// freeze is SIGSTOP, and SIGCONT when the time is over; 0 is until thaw.
func (p *process) freeze(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.frozen != nil || p.isDead() {
		return
	}
	p.w.log.add(p.name, "freezes for", d.String())
	p.w.disturb()
	p.frozen = make(chan struct{})
	if d > 0 {
		time.AfterFunc(d, p.thaw)
	}
}

func (p *process) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.frozen != nil {
		p.w.log.add(p.name, "thaws", "")
		p.w.disturb()
		close(p.frozen)
		p.frozen = nil
	}
}

// isFrozen returns what is closed when the process thaws, nil while it is not
// frozen.
func (p *process) isFrozen() chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.frozen
}

var (
	errCut  = errors.New("the connection broke")
	errDead = errors.New("the process is dead")
)

// stage is one side of a call.
type stage string

const (
	before stage = "before"
	after  stage = "after"
)

// pass is one side of a call to the world outside. It takes a while; there the
// process may be killed or frozen, or the call cut off. A frozen process does not
// notice that its context has ended, and a dead one notices nothing at all.
func (p *process) pass(ctx context.Context, call, detail string, side stage) error {
	if err := p.wait(ctx, p.w.latency(p.name, call, detail, string(side))); err != nil {
		return err
	}
	fate := p.w.fate(p.name, call, detail, string(side))
	switch {
	case fate.kill:
		p.kill()
	case fate.sleep:
		p.w.putToSleep(p)
	case fate.freeze > 0:
		p.freeze(fate.freeze)
	}
	slept := false
	for thawed := p.isFrozen(); thawed != nil; thawed = p.isFrozen() {
		<-thawed
		// What waits together goes on one after another, ended or not.
		<-time.After(p.w.latency(p.name, call, detail, string(side), "thawed"))
		slept = true
	}
	if p.isDead() {
		<-ctx.Done()
		return errDead
	}
	if fate.cut {
		p.w.log.add(p.name, call+" is cut off "+string(side), detail)
		return errCut
	}
	if slept {
		return nil // it goes on where it stood, and looks at its context later
	}
	return ctx.Err()
}

// arrive is the way of something that was read and cannot be cut off. It reports
// whether the process lives to see it.
func (p *process) arrive(ctx context.Context, what, detail string) bool {
	<-time.After(p.w.latency(p.name, what, detail))
	for thawed := p.isFrozen(); thawed != nil; thawed = p.isFrozen() {
		<-thawed
		<-time.After(p.w.latency(p.name, what, detail, "thawed"))
	}
	if p.isDead() {
		<-ctx.Done()
		return false
	}
	return true
}

func (p *process) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		if p.isFrozen() != nil {
			return nil // it has not noticed yet
		}
		return ctx.Err()
	}
}

// call makes a call with both of its sides. An answer that is cut off is lost; what
// was done stays.
func call[T any](ctx context.Context, p *process, name, detail string, made func() (T, error)) (T, error) {
	var none T
	if err := p.pass(ctx, name, detail, before); err != nil {
		return none, err
	}
	result, err := made()
	p.w.log.outcome(p.name, name, detail, err)
	if cut := p.pass(ctx, name, detail, after); cut != nil {
		return none, cut
	}
	return result, err
}

// tell is a call without a result.
func do(ctx context.Context, p *process, name, detail string, made func() error) error {
	_, err := call(ctx, p, name, detail, func() (struct{}, error) { return struct{}{}, made() })
	return err
}
