package notice_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/notice"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// running is a runner that ends with the test, or before it by stop.
type running struct {
	log  *lines
	stop func()
}

type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(text)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func run(t *testing.T, store notice.Store, targets ...config.NoticeTarget) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r := &running{log: &lines{}}
	var ended sync.WaitGroup
	ended.Go(func() {
		notice.Run(ctx, notice.Options{
			Config: config.Notices{Targets: targets}, Store: store, Installation: "here",
			Logger: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Every: 20 * time.Millisecond,
		})
	})
	r.stop = func() { cancel(); ended.Wait() }
	t.Cleanup(func() {
		r.stop()
		require.NotContains(t, r.log.String(), "canary", "the log tells no address")
		if t.Failed() {
			t.Log(r.log)
		}
	})
	return r
}

func count(t *testing.T, pool *pgxpool.Pool, query string) (n int) {
	t.Helper()
	require.NoError(t, pool.QueryRow(context.WithoutCancel(t.Context()), query).Scan(&n))
	return n
}

func nothingWaits(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	eventually(t, func() bool { return count(t, pool, `SELECT count(*) FROM courier.notice`) == 0 }, "all is sent and noted")
}

// TestTroubleAndRecovery goes the whole way, with a restart between that repeats nothing.
func TestTroubleAndRecovery(t *testing.T) {
	t.Parallel()
	pool, r := openDatabase(t), newReceiver(t, nil)
	store := persistence.NewNotices(pool, 0)
	first := run(t, store, r.target("ops"))
	pauseAccount(t, pool, "acme")
	got := r.await(t, 1)[0].content(t)
	require.Equal(t, "account.paused", got.Event)
	require.Equal(t, "Account acme is paused: the token <expired>", got.Text)
	require.Equal(t, "here", got.Installation)
	nothingWaits(t, pool)
	first.stop()

	second := run(t, store, r.target("ops"))
	eventually(t, func() bool {
		return strings.Contains(second.log.String(), "this worker sends the notices")
	}, "it took over")
	pauseAccount(t, pool, "beta")
	require.Equal(t, "account/beta", r.await(t, 2)[1].content(t).Subjects[0].Subject, "acme is not told again")
	resumeAccount(t, pool, "acme")
	got = r.await(t, 3)[2].content(t)
	require.Equal(t, "account.recovered", got.Event)
	require.Equal(t, "Account acme works again (it was paused)", got.Text)
	nothingWaits(t, pool)
	require.Equal(t, 1, count(t, pool, `SELECT count(*) FROM courier.notice_state`), "a well account has no row")
}

// TestReceiverThatFails: 500, then a hang that ends with the connection, then 200. The notice
// comes with one id, in order, and another target has not waited for it.
func TestReceiverThatFails(t *testing.T) {
	t.Parallel()
	pool := openDatabase(t)
	release := make(chan struct{})
	bad := newReceiver(t, func(w http.ResponseWriter, r *http.Request, n int) {
		switch n {
		case 0:
			http.Error(w, "out of order", http.StatusInternalServerError)
		case 1:
			select {
			case <-release:
			case <-r.Context().Done():
			}
			http.Error(w, "late", http.StatusBadGateway)
		}
	})
	good := newReceiver(t, nil)
	running := run(t, persistence.NewNotices(pool, 0), bad.target("bad"), good.target("good"))
	pauseAccount(t, pool, "acme")
	good.await(t, 1)
	bad.await(t, 1)
	eventually(t, func() bool {
		return count(t, pool, `SELECT count(*) FROM courier.notice WHERE target = 'bad' AND attempts = 1 AND last_error LIKE '%HTTP 500 out of order%' AND retry_at > now()`) == 1
	}, "it is tried again later")
	pauseAccount(t, pool, "beta")
	require.Equal(t, "account/beta", good.await(t, 2)[1].content(t).Subjects[0].Subject)
	bad.await(t, 2) // hangs
	resumeAccount(t, pool, "beta")
	require.Equal(t, "account.recovered", good.await(t, 3)[2].content(t).Event, "a receiver that hangs delays nobody else")
	close(release)
	execute(t, pool, `UPDATE courier.notice SET retry_at = now()`)
	eventually(t, func() bool {
		execute(t, pool, `UPDATE courier.notice SET retry_at = now() WHERE attempts = 2`)
		return len(bad.got()) >= 5
	}, "all are told in the end")
	nothingWaits(t, pool)
	calls := bad.got()
	for i, want := range []string{"account/acme", "account/acme", "account/acme", "account/beta", "account/beta"} {
		require.Equal(t, want, calls[i].content(t).Subjects[0].Subject)
	}
	require.Equal(t, "account.recovered", calls[4].content(t).Event)
	require.Equal(t, calls[0].header.Get("Webhook-Id"), calls[2].header.Get("Webhook-Id"))
	require.NotEqual(t, calls[2].header.Get("Webhook-Id"), calls[3].header.Get("Webhook-Id"))
	require.Contains(t, running.log.String(), "HTTP 500 out of order")
}

// forgetful is a worker that ends when a notice was sent and before that is noted.
type forgetful struct {
	notice.Store

	crashed atomic.Bool
	crash   func()
}

var errCrash = errors.New("the worker has crashed")

func (f *forgetful) Done(ctx context.Context, id int64) error {
	if f.crashed.Load() {
		return f.Store.Done(ctx, id)
	}
	f.crashed.Store(true)
	f.crash()
	return errCrash
}

// Release does not happen in a crash either.
func (f *forgetful) Release(context.Context, int64) error { return errCrash }

// TestCrashBetweenSendingAndNoting repeats that notice once, with the same id.
func TestCrashBetweenSendingAndNoting(t *testing.T) {
	t.Parallel()
	pool, r := openDatabase(t), newReceiver(t, nil)
	store := persistence.NewNotices(pool, 0)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	broken := &forgetful{Store: store, crash: cancel}
	pauseAccount(t, pool, "acme")
	notice.Run(ctx, notice.Options{Config: config.Notices{Targets: []config.NoticeTarget{r.target("ops")}}, Store: broken, Every: 20 * time.Millisecond})
	require.Len(t, r.got(), 1)
	require.True(t, broken.crashed.Load())

	execute(t, pool, `UPDATE courier.notice_runner SET runner_until = now()`) // the dead worker's hold expires
	run(t, store, r.target("ops"))
	calls := r.await(t, 2)
	nothingWaits(t, pool)
	pauseAccount(t, pool, "beta")
	require.Equal(t, "account/beta", r.await(t, 3)[2].content(t).Subjects[0].Subject, "and no third time")
	require.Equal(t, calls[0].header.Get("Webhook-Id"), calls[1].header.Get("Webhook-Id"))
	require.Equal(t, calls[0].body, calls[1].body)
}

// TestALongAttribute: a platform may name an attribute at any length, more than an index
// entry holds. Other notices go on.
func TestALongAttribute(t *testing.T) {
	t.Parallel()
	pool, r := openDatabase(t), newReceiver(t, nil)
	execute(t, pool, `INSERT INTO courier.lane (account, catalog, catalog_type, partition) VALUES ('acme', 'us', 'RETAIL', 0)`)
	run(t, persistence.NewNotices(pool, 0), r.target("ops"))
	eventually(t, func() bool {
		return count(t, pool, `SELECT count(*) FROM courier.notice_runner WHERE dead_letter IS NOT NULL`) == 1
	}, "the first look")
	execute(t, pool, `INSERT INTO courier.dead_letter (sequence, failed_at, lane, generation, operation, mutation_id, item_id, subject, reason, field, text, headers, body)
		VALUES (1, now(), (SELECT id FROM courier.lane), 0, 1, 'm', 'i', 's', 'refused',
			(SELECT string_agg(md5(n::text), '') FROM generate_series(1, 300) n), 'No.', '{}', '')`)
	require.Contains(t, r.await(t, 1)[0].content(t).Text, "Dead letters of acme: refused, attribute ")
	nothingWaits(t, pool)
}

// TestOneRunner: of several workers one sends; another takes over when its hold expires, and
// what the first still writes is refused.
func TestOneRunner(t *testing.T) {
	t.Parallel()
	pool, r := openDatabase(t), newReceiver(t, nil)
	store := persistence.NewNotices(pool, 0)
	for range 3 {
		run(t, store, r.target("ops"))
	}
	for i := range 10 {
		pauseAccount(t, pool, "acme")
		r.await(t, 2*i+1)
		resumeAccount(t, pool, "acme")
		r.await(t, 2*i+2)
	}
	nothingWaits(t, pool)
	require.Len(t, r.got(), 20, "each once")

	other := persistence.NewNotices(openDatabase(t), 0)
	former, err := other.Hold(t.Context(), "former", time.Millisecond)
	require.NoError(t, err)
	var token int64
	eventually(t, func() bool { token, err = other.Hold(t.Context(), "next", time.Minute); return err == nil }, "the hold expires")
	require.Greater(t, token, former)
	_, err = other.Hold(t.Context(), "former", time.Minute)
	require.ErrorIs(t, err, persistence.ErrNoticesHeld)
	_, err = other.Save(t.Context(), former, persistence.NoticeStep{}, 10)
	require.ErrorIs(t, err, persistence.ErrHoldLost)
	require.NoError(t, other.Release(t.Context(), token))
	_, err = other.Hold(t.Context(), "former", time.Minute)
	require.NoError(t, err)
}

// TestDeadLettersOfBeforeAreNoNews: those that come later are, once a kind.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	pool, r := openDatabase(t), newReceiver(t, nil)
	execute(t, pool, `INSERT INTO courier.lane (account, catalog, catalog_type, partition) VALUES ('acme', 'us', 'RETAIL', 0)`)
	letter := func(reason, field string) {
		execute(t, pool, `INSERT INTO courier.dead_letter (sequence, failed_at, lane, generation, operation, mutation_id, item_id, subject, reason, field, text, headers, body)
			VALUES (1, now(), (SELECT id FROM courier.lane), 0, 1, 'm', 'i', 's', $1, nullif($2, ''), 'Title is missing.', '{}', '')`, reason, field)
	}
	letter("refused", "price")
	run(t, persistence.NewNotices(pool, 0), r.target("ops"))
	eventually(t, func() bool {
		return count(t, pool, `SELECT coalesce(max(dead_letter), 0) FROM courier.notice_runner`) == 1
	}, "the first look")
	for range 3 {
		letter("refused", "title")
	}
	letter("invalid", "")
	calls := r.await(t, 2)
	eventually(t, func() bool {
		return count(t, pool, `SELECT coalesce(max(dead_letter), 0) FROM courier.notice_runner`) == 5
	}, "all were looked at")
	nothingWaits(t, pool)
	require.Len(t, r.got(), 2)
	texts := []string{calls[0].content(t).Text, calls[1].content(t).Text}
	require.ElementsMatch(t, []string{
		"Dead letters of acme: refused, attribute title: a new kind: Title is missing.",
		"Dead letters of acme: invalid: a new kind: Title is missing.",
	}, texts)
}

// TestLook reads how far the consumers of the outbox are behind.
func TestLook(t *testing.T) {
	t.Parallel()
	pool := openDatabase(t)
	execute(t, pool, `INSERT INTO courier.outcome_cursor (partition, consumer, number) VALUES (0, 'stream', 3), (1, 'stream', 9), (1, 'items', 1)`)
	execute(t, pool, `INSERT INTO courier.outcome (partition, number, at) VALUES (0, 3, now() - interval '3 h'), (0, 4, now() - interval '2 h'), (0, 5, now()), (1, 9, now() - interval '5 h')`)
	view, err := persistence.NewNotices(pool, 0).Look(t.Context())
	require.NoError(t, err)
	require.Len(t, view.Consumers, 2)
	require.Equal(t, "items", view.Consumers[0].Name)
	require.InDelta(t, 5*time.Hour, view.Consumers[0].Behind, float64(time.Minute))
	require.Equal(t, "stream", view.Consumers[1].Name)
	require.InDelta(t, 2*time.Hour, view.Consumers[1].Behind, float64(time.Minute))
	require.Equal(t, "active", view.Accounts[0].State)
}

// TestQueueIsBounded keeps the newest of a target, and drops those of targets that are gone.
func TestQueueIsBounded(t *testing.T) {
	t.Parallel()
	pool := openDatabase(t)
	store := persistence.NewNotices(pool, 0)
	token, err := store.Hold(t.Context(), "me", time.Minute)
	require.NoError(t, err)
	step := persistence.NoticeStep{}
	for i := range 12 {
		step.New = append(step.New, persistence.NewNotice{Target: "ops", MessageID: fmt.Sprint("msg_", i), Content: []byte(`{}`)})
	}
	dropped, err := store.Save(t.Context(), token, step, 10)
	require.NoError(t, err)
	require.EqualValues(t, 2, dropped)
	next, found, err := store.Next(t.Context(), "ops", time.Hour)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, "msg_2", next.MessageID)
	went, err := store.DropOthers(t.Context(), []string{"chat"})
	require.NoError(t, err)
	require.EqualValues(t, 10, went)
}

// TestGivenUp: a notice that nobody took for a day goes, and the next one is told.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	pool := openDatabase(t)
	execute(t, pool, `INSERT INTO courier.notice (target, message_id, content, created_at) VALUES
		('ops', 'msg_old', '{"event":"account.paused","text":"old","count":0,"subjects":[],"at":"2026-01-01T00:00:00Z"}', now() - interval '25 hours'),
		('ops', 'msg_new', '{"event":"account.paused","text":"new","count":0,"subjects":[],"at":"2026-01-01T00:00:00Z"}', now())`)
	r := newReceiver(t, nil)
	running := run(t, persistence.NewNotices(pool, 0), r.target("ops"))
	require.Equal(t, "msg_new", r.await(t, 1)[0].header.Get("Webhook-Id"))
	nothingWaits(t, pool)
	require.Contains(t, running.log.String(), "a notice is given up")
}

// TestWithoutTargets: nothing is held and nothing is read.
func TestWithoutTargets(t *testing.T) {
	t.Parallel()
	notice.Run(t.Context(), notice.Options{})
}
