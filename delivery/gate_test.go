package delivery_test

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/meta"
	"github.com/catalog-courier/catalog-courier/platform/pinterest"
)

// limit lets so many calls through within a window that rolls, or that begins again.
type limit struct {
	posts, reads bool // what it counts
	calls        int
	window       time.Duration
	fixed        bool
	app          bool // told as the app's, on Meta
	others       int  // calls of others, made before

	began time.Time
	times []time.Time
}

// left lets go what has left the window and returns how many calls are left, and how
// long it takes until there are more.
func (l *limit) left(now time.Time) (calls int, more time.Duration) {
	if l.fixed {
		if now.Sub(l.began) >= l.window {
			l.began, l.times, l.others = now, nil, 0
		}
		return l.calls - len(l.times) - l.others, l.window - now.Sub(l.began)
	}
	if now.Sub(l.began) >= l.window {
		l.others = 0
	}
	gone, _ := slices.BinarySearchFunc(l.times, now.Add(-l.window), func(at, old time.Time) int { return cmp.Or(at.Compare(old), -1) })
	l.times = l.times[gone:]
	if more = l.window; len(l.times) > 0 {
		more = l.window - now.Sub(l.times[0])
	}
	return l.calls - len(l.times) - l.others, more
}

// gate stands before a simulated platform and keeps its limits.
type gate struct {
	handler http.Handler
	limits  []*limit
	tell    func(g *gate, header http.Header, post bool, now time.Time)
	refuse  func(w http.ResponseWriter, l *limit, post bool)

	posts   []time.Time
	polls   []time.Time
	refused []time.Time
}

// counting guards the calls of all gates: those of several accounts may share a limit.
var counting sync.Mutex

// ServeHTTP implements http.Handler.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	post := r.Method == http.MethodPost
	exceeded := g.count(w.Header(), post)
	if exceeded != nil {
		g.refuse(w, exceeded, post)
		return
	}
	g.handler.ServeHTTP(w, r)
}

func (g *gate) count(header http.Header, post bool) (exceeded *limit) {
	counting.Lock()
	defer counting.Unlock()
	now := time.Now()
	for _, l := range g.limits {
		if l.began.IsZero() {
			l.began = now
		}
		if left, _ := l.left(now); l.counts(post) && left <= 0 && exceeded == nil {
			exceeded = l
		}
	}
	switch {
	case exceeded != nil:
		g.refused = append(g.refused, now)
	case post:
		g.posts = append(g.posts, now)
	default:
		g.polls = append(g.polls, now)
	}
	for _, l := range g.limits {
		if l.counts(post) && exceeded == nil {
			l.times = append(l.times, now)
		}
	}
	if g.tell != nil {
		g.tell(g, header, post, now)
	}
	return exceeded
}

func (l *limit) counts(post bool) bool { return post && l.posts || !post && l.reads }

// within counts the calls of a period.
func within(calls []time.Time, from time.Time, period time.Duration) (n int) {
	for _, at := range calls {
		if !at.Before(from) && at.Before(from.Add(period)) {
			n++
		}
	}
	return n
}

// tellMeta writes the percentages as Meta does.
func tellMeta(g *gate, header http.Header, post bool, now time.Time) {
	for _, l := range g.limits {
		if !l.counts(post) {
			continue
		}
		left, more := l.left(now)
		percent, minutes := 100*(l.calls-left)/l.calls, 0
		if left <= 0 {
			minutes = int((more + time.Minute - 1) / time.Minute)
		}
		if l.app {
			header.Set("X-App-Usage", fmt.Sprintf(`{"call_count":%d,"total_time":1,"total_cputime":2}`, percent))
			continue
		}
		kind := map[bool]string{true: "catalog_batch", false: "catalog_management"}[post]
		header.Set("X-Business-Use-Case-Usage", fmt.Sprintf(
			`{"7":[{"type":%q,"call_count":%d,"total_cputime":3,"total_time":2,"estimated_time_to_regain_access":%d}]}`, kind, percent, minutes))
	}
}

// refuseMeta answers with Meta's codes.
func refuseMeta(w http.ResponseWriter, l *limit, post bool) {
	code := map[bool]int{true: 80014, false: 80009}[post]
	if l.app {
		code = 4
	}
	w.WriteHeader(http.StatusBadRequest)
	_, _ = fmt.Fprintf(w, `{"error":{"message":"There have been too many calls.","type":"OAuthException","code":%d}}`, code)
}

// tellPinterest writes the limit that applies now, all policies, and what is left of
// the one that has least.
func tellPinterest(g *gate, header http.Header, post bool, now time.Time) {
	var policies strings.Builder
	var binding *limit
	least := 2.0
	for _, l := range g.limits {
		if !l.counts(post) {
			continue
		}
		fmt.Fprintf(&policies, ", %d;w=%d", l.calls, int(l.window.Seconds()))
		left, _ := l.left(now)
		if share := float64(left) / float64(l.calls); share < least {
			binding, least = l, share
		}
	}
	if binding == nil {
		return
	}
	left, more := binding.left(now)
	header.Set("X-Ratelimit-Limit", strconv.Itoa(binding.calls)+policies.String())
	header.Set("X-Ratelimit-Remaining", strconv.Itoa(max(left, 0)))
	header.Set("X-Ratelimit-Reset", strconv.Itoa(int((more+time.Second-1)/time.Second)))
}

func refusePinterest(w http.ResponseWriter, _ *limit, _ bool) {
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = w.Write([]byte(`{"code":8,"message":"This request exceeded a rate limit."}`))
}

// settings of a client that talks to the handler without a network.
func settings(name, credentials string, handler http.Handler, c setting.Values) platform.Settings {
	return platform.Settings{
		Name: name, HTTP: &http.Client{Transport: sandbox.Transport(handler)}, Credentials: credentials,
		Token:    func(context.Context) (string, error) { return canary, nil },
		Catalogs: map[string]setting.Values{"c": c},
	}
}

// canary is a token that must be seen nowhere.
const canary = "canary-token-0123456789"

// withMeta connects an account to a handler that answers as Meta does.
func (w *world) withMeta(name, catalogID string, p delivery.Policy, handler http.Handler) {
	client, err := meta.New(settings(name, "one app", handler, setting.Values{"catalog_id": catalogID}))
	require.NoError(w.t, err)
	w.account(name, p).Client = client
}

// withPinterest connects the account acme to a handler that answers as Pinterest does.
func (w *world) withPinterest(p delivery.Policy, handler http.Handler) {
	client, err := pinterest.New(settings("acme", "one app", handler, setting.Values{"country": "US", "language": "en-US"}))
	require.NoError(w.t, err)
	w.account("acme", p).Client = client
}
