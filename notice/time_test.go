package notice_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/notice"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// modelStore is a model of persistence.Notices with the bubble's clock and one account.
// TestTroubleAndRecovery and its neighbours hold the real one to the same.
type modelStore struct {
	mu      sync.Mutex
	state   string
	broken  bool
	states  map[string]persistence.NoticeState
	waiting []persistence.WaitingNotice
	due     map[int64]time.Time
	last    int64
}

var errBroken = errors.New("the database is away")

func (m *modelStore) set(state string, broken bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state, m.broken = state, broken
}

func (m *modelStore) Hold(context.Context, string, time.Duration) (int64, error) { return 1, m.err() }

func (m *modelStore) Release(context.Context, int64) error { return nil }

func (m *modelStore) err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return errBroken
	}
	return nil
}

func (m *modelStore) Look(context.Context) (persistence.NoticeView, error) {
	if err := m.err(); err != nil {
		return persistence.NoticeView{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return persistence.NoticeView{Now: time.Now(), Accounts: []persistence.NoticeAccount{{Account: "acme", State: m.state}}}, nil
}

func (m *modelStore) States(context.Context) (map[string]persistence.NoticeState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.states), nil
}

func (m *modelStore) Save(_ context.Context, _ int64, step persistence.NoticeStep, _ int) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.Copy(m.states, step.States)
	for _, subject := range step.Gone {
		delete(m.states, subject)
	}
	for _, one := range step.New {
		m.last++
		m.due[m.last] = time.Now()
		m.waiting = append(m.waiting, persistence.WaitingNotice{ID: m.last, MessageID: one.MessageID, At: time.Now(), Content: one.Content})
	}
	return 0, nil
}

func (m *modelStore) Next(_ context.Context, _ string, giveUp time.Duration) (persistence.WaitingNotice, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.waiting) == 0 {
		return persistence.WaitingNotice{}, false, nil
	}
	next := m.waiting[0]
	next.Wait, next.TooOld = max(time.Until(m.due[next.ID]), 0), time.Since(next.At) > giveUp
	return next, true, nil
}

func (m *modelStore) Done(context.Context, int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting = m.waiting[1:]
	return nil
}

func (m *modelStore) Failed(_ context.Context, id int64, wait time.Duration, _ string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting[0].Attempts++
	m.due[id] = time.Now().Add(wait)
	return nil
}

func (m *modelStore) DropOthers(context.Context, []string) (int64, error) { return 0, nil }

// wire is a receiver within the bubble: it notes when it was called, and answers status.
type wire struct {
	mu     sync.Mutex
	status int
	at     []time.Time
	bodies []string
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at, w.bodies = append(w.at, time.Now()), append(w.bodies, string(body))
	return &http.Response{StatusCode: w.status, Body: io.NopCloser(strings.NewReader("")), Header: http.Header{}, Request: r}, nil
}

func (w *wire) answer(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status = status
}

func (w *wire) calls() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.at)
}

// inBubble runs with the usual times.
func inBubble(t *testing.T, check func(t *testing.T, store *modelStore, receiver *wire)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store := &modelStore{state: "active", states: map[string]persistence.NoticeState{}, due: map[int64]time.Time{}}
		receiver := &wire{status: http.StatusOK}
		target := config.NoticeTarget{Name: "ops", Kind: config.NoticeWebhook, URL: config.NewSecret("http://receiver.example/")}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			notice.Run(ctx, notice.Options{
				Config: config.Notices{After: time.Minute, ThrottledAfter: 15 * time.Minute, Targets: []config.NoticeTarget{target}},
				Store:  store, Senders: []*notice.Sender{notice.NewSender(target, receiver)},
			})
		})
		check(t, store, receiver)
		cancel()
		running.Wait()
	})
}

// pass lets time pass in the bubble.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// TestAfter: told when a state has lasted a minute, at the next look; what passes is not.
func TestAfter(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, store *modelStore, receiver *wire) {
		t.Helper()
		for range 20 {
			store.set("failing", false)
			pass(45 * time.Second)
			store.set("active", false)
			pass(45 * time.Second)
		}
		require.Zero(t, receiver.calls())
		began := time.Now()
		store.set("failing", false)
		pass(24 * time.Hour)
		require.Equal(t, 1, receiver.calls())
		require.GreaterOrEqual(t, receiver.at[0].Sub(began), time.Minute)
		require.LessOrEqual(t, receiver.at[0].Sub(began), time.Minute+2*15*time.Second)
		store.set("active", false)
		pass(2 * time.Minute)
		require.Equal(t, 2, receiver.calls())
		require.Contains(t, receiver.bodies[1], "account.recovered")
	})
}

// TestPauses of a receiver that fails double to ten minutes, and end after a day.
func TestPauses(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, store *modelStore, receiver *wire) {
		t.Helper()
		receiver.answer(http.StatusInternalServerError)
		store.set("failing", false)
		pass(23 * time.Hour)
		want := 5 * time.Second
		for i := range receiver.at[1:] {
			pause := receiver.at[i+1].Sub(receiver.at[i])
			require.GreaterOrEqual(t, pause, want*4/5, "pause %d", i)
			require.LessOrEqual(t, pause, want+5*time.Second, "pause %d: it looks every five seconds", i)
			want = min(2*want, 10*time.Minute)
		}
		require.Less(t, receiver.calls(), 200)
		pass(2 * time.Hour)
		calls := receiver.calls()
		pass(24 * time.Hour)
		require.Equal(t, calls, receiver.calls(), "given up")
		receiver.answer(http.StatusOK)
		store.set("active", false)
		pass(2 * time.Minute)
		require.Contains(t, receiver.bodies[receiver.calls()-1], "account.recovered", "and the next notice is sent")
	})
}

// TestDatabaseAway: nothing is told meanwhile, and what is true afterwards is told.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, store *modelStore, receiver *wire) {
		t.Helper()
		store.set("failing", true)
		pass(time.Hour)
		require.Zero(t, receiver.calls())
		store.set("failing", false)
		pass(3 * time.Minute)
		require.Equal(t, 1, receiver.calls())
	})
}
