package notice

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/sleep"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// Store is persistence.Notices.
type Store interface {
	Hold(ctx context.Context, runner string, during time.Duration) (token int64, err error)
	Release(ctx context.Context, token int64) error
	Look(ctx context.Context) (persistence.NoticeView, error)
	States(ctx context.Context) (map[string]persistence.NoticeState, error)
	Save(ctx context.Context, token int64, step persistence.NoticeStep, keep int) (dropped int64, err error)
	Next(ctx context.Context, target string, giveUp time.Duration) (next persistence.WaitingNotice, found bool, err error)
	Done(ctx context.Context, id int64) error
	Failed(ctx context.Context, id int64, wait time.Duration, reason string) error
	DropOthers(ctx context.Context, targets []string) (int64, error)
}

// Options are what notices are sent with.
type Options struct {
	Config config.Notices
	Store  Store
	// Installation is told with each notice.
	Installation string
	Logger       *slog.Logger
	// Senders are those of tests; nil makes them of the configuration.
	Senders []*Sender
	// Every is the time between two looks. Defaults to 15 seconds.
	Every time.Duration
}

const (
	// lookEvery is the time between two looks, which read every account.
	lookEvery = 15 * time.Second
	// holdFor is how long a runner that is silent keeps the sending.
	holdFor = time.Minute
	// keepNotices bounds the notices that wait for one target.
	keepNotices = 1000
	// giveUp is how long a target is tried to be told of a notice.
	giveUp = 24 * time.Hour
	// firstRetry and lastRetry are the shortest and the longest pause between two calls of
	// a receiver that fails.
	firstRetry = 5 * time.Second
	lastRetry  = 10 * time.Minute
	// sendEvery is how often a sender looks whether there is something to send.
	sendEvery = 5 * time.Second
)

// Run sends notices until ctx ends, or waits while another worker does. It needs nobody: what
// fails is logged, and tried again. Without targets it does nothing.
func Run(ctx context.Context, options Options) {
	if len(options.Config.Targets) == 0 {
		return
	}
	r := &runner{Options: options, name: uuid.NewString()}
	if r.Logger == nil {
		r.Logger = slog.New(slog.DiscardHandler)
	}
	if r.Every == 0 {
		r.Every = lookEvery
	}
	if r.Senders == nil {
		for _, target := range r.Config.Targets {
			r.Senders = append(r.Senders, NewSender(target, nil))
		}
	}
	defer func() {
		for _, sender := range r.Senders {
			sender.Close()
		}
	}()
	for ctx.Err() == nil {
		r.term(ctx)
		_ = sleep.For(ctx, r.Every) // the loop looks at ctx
	}
}

type runner struct {
	Options

	name    string // no other has it
	failing bool   // the database: told once
}

// term holds the sending as long as it can.
func (r *runner) term(ctx context.Context) {
	token, err := r.Store.Hold(ctx, r.name, holdFor)
	if errors.Is(err, persistence.ErrNoticesHeld) {
		return
	}
	if err != nil {
		r.failed(ctx, err)
		return
	}
	r.Logger.InfoContext(ctx, "this worker sends the notices", slog.Int("targets", len(r.Senders)))
	var sending sync.WaitGroup
	defer func() {
		sending.Wait()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := r.Store.Release(ctx, token); err != nil {
			r.Logger.DebugContext(ctx, "the sending of notices is handed over when its hold expires", slog.Any("error", err))
		}
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if dropped, err := r.Store.DropOthers(ctx, r.targets()); err == nil && dropped > 0 {
		r.Logger.WarnContext(ctx, "notices of targets that are not configured any more were dropped", slog.Int64("notices", dropped))
	}
	wake := make([]chan struct{}, len(r.Senders))
	for i, sender := range r.Senders {
		wake[i] = make(chan struct{}, 1)
		sending.Go(func() { r.send(ctx, sender, wake[i]) })
	}
	held := time.Now()
	for {
		err := r.look(ctx, token)
		if err == nil {
			r.failing = false
			for _, each := range wake {
				select {
				case each <- struct{}{}:
				default: // it is about to look anyway
				}
			}
		} else if ctx.Err() == nil {
			r.failed(ctx, err)
		}
		if sleep.For(ctx, r.Every) != nil || errors.Is(err, persistence.ErrHoldLost) {
			return
		}
		again, err := r.Store.Hold(ctx, r.name, holdFor)
		switch {
		case err == nil && again == token:
			held = time.Now()
		case err == nil, errors.Is(err, persistence.ErrNoticesHeld), time.Since(held) > holdFor:
			return
		default:
			r.failed(ctx, err)
		}
	}
}

func (r *runner) targets() (names []string) {
	for _, sender := range r.Senders {
		names = append(names, sender.Name)
	}
	return names
}

// failed tells of a failing database once.
func (r *runner) failed(ctx context.Context, err error) {
	level := slog.LevelDebug
	if !r.failing && ctx.Err() == nil {
		level = slog.LevelWarn
	}
	r.failing = true
	r.Logger.Log(ctx, level, "notices cannot be made now, trying again", slog.Any("error", err))
}

// look finds what changed and stores what there is to tell.
func (r *runner) look(ctx context.Context, token int64) error {
	view, err := r.Store.Look(ctx)
	if err != nil {
		return err
	}
	told, err := r.Store.States(ctx)
	if err != nil {
		return err
	}
	changes, keep, gone := step(view.Now, told, conditions(view, r.Config.After, r.Config.ThrottledAfter))
	next := persistence.NoticeStep{States: unequal(keep, told), Gone: gone, Mark: view.Mark}
	for _, sender := range r.Senders {
		wanted := slices.DeleteFunc(slices.Clone(changes), func(change transition) bool { return !wants(sender.Events, sender.Accounts, &change) })
		for _, content := range contents(view.Now, r.Installation, wanted) {
			text, err := json.Marshal(content)
			if err != nil {
				return fmt.Errorf("write a notice: %w", err)
			}
			next.New = append(next.New, persistence.NewNotice{Target: sender.Name, MessageID: "msg_" + uuid.NewString(), Content: text})
		}
	}
	dropped, err := r.Store.Save(ctx, token, next, keepNotices)
	if dropped > 0 {
		r.Logger.WarnContext(ctx, "too many notices wait for their receivers, the oldest were dropped", slog.Int64("notices", dropped))
	}
	return err
}

// unequal leaves out rows that are already so.
func unequal(keep, told map[string]persistence.NoticeState) map[string]persistence.NoticeState {
	maps.DeleteFunc(keep, func(subject string, state persistence.NoticeState) bool {
		before, known := told[subject]
		return known && before.Told == state.Told && before.Pending == state.Pending &&
			before.ToldAt.Equal(state.ToldAt) && before.PendingSince.Equal(state.PendingSince)
	})
	return keep
}

// send tells one target, in order, what there is for it.
func (r *runner) send(ctx context.Context, sender *Sender, wake <-chan struct{}) {
	for ctx.Err() == nil {
		next, found, err := r.Store.Next(ctx, sender.Name, giveUp)
		if err != nil || !found || next.Wait > 0 {
			_ = sleep.UntilWoken(ctx, wake, sendEvery) // the loop looks at ctx
			continue
		}
		r.tell(ctx, sender, next)
	}
}

func (r *runner) tell(ctx context.Context, sender *Sender, next persistence.WaitingNotice) {
	log := r.Logger.With(slog.String("target", sender.Name), slog.String("message_id", next.MessageID))
	var content Content
	if err := json.Unmarshal(next.Content, &content); err != nil || next.TooOld {
		log.WarnContext(ctx, "a notice is given up", slog.Int("attempts", next.Attempts), slog.Duration("after", giveUp))
		r.noted(ctx, r.Store.Done(ctx, next.ID))
		return
	}
	wait, err := sender.Send(ctx, next.MessageID, time.Now(), content)
	if ctx.Err() != nil && err != nil {
		return // who sends next has it
	}
	if err == nil {
		log.InfoContext(ctx, "a notice was sent", slog.String("event", content.Event))
		// The receiver has it: that is noted even while the worker stops.
		r.noted(ctx, r.Store.Done(context.WithoutCancel(ctx), next.ID))
		return
	}
	level := slog.LevelDebug
	if next.Attempts == 0 {
		level = slog.LevelWarn
	}
	log.Log(ctx, level, "a notice could not be sent, trying again", slog.String("event", content.Event), slog.Any("error", err))
	r.noted(ctx, r.Store.Failed(ctx, next.ID, max(wait, backOff(next.Attempts)), err.Error()))
}

// noted waits when the database could not note what became of a notice: else it would be sent
// again at once.
func (r *runner) noted(ctx context.Context, err error) {
	if err != nil {
		_ = sleep.For(ctx, sendEvery) // who calls looks at ctx
	}
}

// backOff is the pause after so many attempts: it doubles, and differs a little.
func backOff(attempts int) time.Duration {
	wait := lastRetry
	if attempts < 8 {
		wait = min(firstRetry<<attempts, lastRetry)
	}
	return wait - time.Duration(rand.Int64N(int64(wait)/5)) //nolint:gosec // not a secret
}
