package delivery_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
	"github.com/catalog-courier/catalog-courier/quota"
)

// lie is an answer that is not to be believed: text that stands in for the real
// answer, after the work is done, or a fault of the simulated platform. What
// is said always repeats the token.
type lie struct {
	status int
	text   string
	fault  sandbox.FaultKind
	// ends are the statuses of the three items when the platform lies for ever; "" is
	// that it is asked again for ever (an outage), and the items stay submitted.
	ends string
}

const (
	unconfirmed  = "unconfirmed unconfirmed unconfirmed"
	waiting      = "waiting waiting waiting"    // refused, and nobody says for whose fault
	believed     = "succeeded failed succeeded" // the lie is none to those who read closely
	tokenInHTML  = "<!DOCTYPE html><html><body>Sorry, Bearer " + canary + "</body></html>"
	onlyTheFirst = "unconfirmed failed succeeded"
)

// talk is ten megabytes of text.
func talk() string {
	return strings.Repeat("All is well with "+canary+". ", (10<<20)/len("All is well with "+canary+". "))
}

func postLies(meta bool) map[string]lie {
	lies := map[string]lie{
		"skipped without a name":        {status: 200, text: `{"created_time":null,"status":"PROCESSING","items":[]}`, ends: unconfirmed},
		"an HTML page":                  {status: 200, text: tokenInHTML, ends: unconfirmed},
		"an HTML page of a bad gateway": {status: 502, text: tokenInHTML},
		"ten megabytes of text":         {status: 200, text: talk(), ends: unconfirmed},
		"ten megabytes of an error":     {status: 500, text: `{"message":"` + talk() + `"}`},
		"nothing":                       {status: 200, ends: unconfirmed},
		"a number":                      {status: 200, text: "42", ends: unconfirmed},
		"success with an error":         {status: 200, text: `{"code":1,"message":"` + canary + `","error":{"code":1,"message":"` + canary + `"}}`, ends: waiting},
		"a truncated answer":            {fault: sandbox.Truncated, ends: unconfirmed},
		"an answer without an end":      {fault: sandbox.Huge, ends: unconfirmed},
		"a handle of nobody": {
			status: 200, ends: unconfirmed,
			text: `{"handles":["nobody"],"batch_id":"nobody","status":"PROCESSING","created_time":"2026-11-22T10:00:00Z","items":[]}`,
		},
	}
	if meta {
		lies["no handle and no word"] = lie{status: 200, text: `{"handles":[]}`, ends: waiting}
		// The code counts, not the status: an error of Meta's own, which passes.
		lies["success with an error"] = lie{status: 200, text: lies["success with an error"].text}
	}
	return lies
}

func pollLies(meta bool) map[string]lie {
	lies := map[string]lie{
		"an HTML page":              {status: 200, text: tokenInHTML, ends: unconfirmed},
		"ten megabytes of text":     {status: 200, text: talk(), ends: unconfirmed},
		"nothing":                   {status: 200, ends: unconfirmed},
		"success with an error":     {status: 200, text: `{"code":1,"message":"` + canary + `","error":{"code":1,"message":"` + canary + `"}}`, ends: unconfirmed},
		"a truncated answer":        {fault: sandbox.Truncated, ends: unconfirmed},
		"an answer without an end":  {fault: sandbox.Huge, ends: unconfirmed},
		"an answer about others":    {fault: sandbox.OtherBatch, ends: unconfirmed},
		"a status of its own":       {fault: sandbox.UnknownStatus, ends: unconfirmed},
		"ids of others":             {fault: sandbox.WrongIDs, ends: unconfirmed},
		"an id twice":               {fault: sandbox.DuplicateIDs, ends: onlyTheFirst},
		"no items":                  {fault: sandbox.OmitAll, ends: unconfirmed},
		"one item less":             {fault: sandbox.OmitFirst, ends: onlyTheFirst},
		"a batch that never became": {fault: sandbox.LostHandle, ends: unconfirmed},
	}
	if meta {
		// Meta lists what it refused. Alone in a batch an item is failed by any error.
		lies["ids of others"] = lie{fault: sandbox.WrongIDs, ends: believed}
		lies["an id twice"] = lie{fault: sandbox.DuplicateIDs, ends: believed}
		lies["no items"] = lie{fault: sandbox.OmitAll, ends: "failed failed failed"}
		lies["one item less"] = lie{fault: sandbox.OmitFirst, ends: "failed failed failed"}
		lies["no data"] = lie{fault: sandbox.EmptyData, ends: unconfirmed}
		lies["more errors than listed"] = lie{fault: sandbox.TotalTooHigh, ends: "failed failed failed"}
		lies["success with an error"] = lie{status: 200, text: lies["success with an error"].text}
		lies["errors that are not counted"] = lie{fault: sandbox.ListBeyondZero, ends: "failed failed failed"}
	}
	return lies
}

// liar stands before a simulated platform.
type liar struct {
	mu     sync.Mutex
	honest http.Handler
	post   bool // which calls it lies about
	lie    lie
	times  int // how often; negative: for ever
	asked  []time.Time
}

// ServeHTTP implements http.Handler.
func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !l.lies(r.Method == http.MethodPost) {
		l.honest.ServeHTTP(w, r)
		return
	}
	l.honest.ServeHTTP(deaf{}, r)
	w.Header().Set("X-Debug", canary)
	w.WriteHeader(l.lie.status)
	_, _ = w.Write([]byte(l.lie.text))
}

func (l *liar) lies(post bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if post != l.post {
		return false
	}
	l.asked = append(l.asked, time.Now())
	if l.lie.fault != "" || l.times == 0 {
		return false
	}
	l.times--
	return true
}

// deaf takes an answer that nobody hears.
type deaf struct{}

func (deaf) Header() http.Header            { return http.Header{} }
func (deaf) Write(text []byte) (int, error) { return len(text), nil }
func (deaf) WriteHeader(int)                {}

// lying makes a platform that lies, once or for ever, and connects an account to it.
func (w *world) lying(meta, post bool, told lie, always bool) *liar {
	options := sandbox.Options{
		Delay: 2 * time.Second, SkipValidation: true,
		Rules: []sandbox.ItemRule{{Contains: "x1", Action: sandbox.RefuseItem, Message: "no, " + canary}},
	}
	call := map[bool]sandbox.CallKind{true: sandbox.Submit, false: sandbox.Poll}[post]
	if always && told.fault != "" {
		options.Plan = []sandbox.PlannedFault{{Call: call, Fault: sandbox.Fault{Kind: told.fault}, Rate: 1}}
	}
	l := &liar{post: post, lie: told, times: map[bool]int{true: -1, false: 1}[always]}
	p := policy()
	p.PollMax, p.RetryMax = 10*time.Minute, 10*time.Minute
	inject := func(s interface {
		InjectNext(call sandbox.CallKind, fault sandbox.Fault)
		Close()
	},
	) {
		w.t.Cleanup(s.Close)
		if !always && told.fault != "" {
			s.InjectNext(call, sandbox.Fault{Kind: told.fault})
		}
	}
	if meta {
		s := metasim.New(options)
		inject(s)
		l.honest = s
		w.withMeta("acme", "1", p, l)
		return l
	}
	s := pinterestsim.New(options)
	inject(s)
	l.honest = s
	w.withPinterest(p, l)
	return l
}

// TestAnswersThatLie end in a stated outcome, never in success and never in a worker
// that stands still; the token shows nowhere.
func TestAnswersThatLie(t *testing.T) {
	t.Parallel()
	for _, meta := range []bool{true, false} {
		for _, post := range []bool{true, false} {
			lies := pollLies(meta)
			if post {
				lies = postLies(meta)
			}
			lasting := []bool{false, true}
			if testing.Short() && meta != post {
				lasting = lasting[:1] // hours of it: POSTs of one platform and polls of the other
			}
			for name, told := range lies {
				for _, always := range lasting {
					about := fmt.Sprintf("%s/%s/%s/%s", map[bool]string{true: "meta", false: "pinterest"}[meta],
						map[bool]string{true: "POST", false: "poll"}[post], name, map[bool]string{true: "always", false: "once"}[always])
					t.Run(about, func(t *testing.T) {
						t.Parallel()
						if testing.Short() && (len(told.text) > 1<<20 || told.fault == sandbox.Huge) {
							t.Skip("it takes seconds")
						}
						synctest.Test(t, func(t *testing.T) { answerLies(t, meta, post, told, always) })
					})
				}
			}
		}
	}
}

func answerLies(t *testing.T, meta, post bool, told lie, always bool) {
	t.Helper()
	w := newWorld(t, overlaid)
	var log lockedBuffer
	w.logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	l := w.lying(meta, post, told, always)
	p := policy()
	p.RetryMin = time.Second
	w.account("other", p) // a platform that never lies
	engine := w.startWith(quota.NewScopes(w.store, w.logger))
	kind, item := catalog.Type("RETAIL"), pinterestItem
	if meta {
		kind, item = "PRODUCT_ITEM", metaItem
	}
	ids := make([]string, 0, 3)
	for i := range 3 {
		ids = append(ids, w.change(fmt.Sprint("x", i), catalog.Upsert, item, func(m *catalog.Mutation) { m.Lane.Type = kind }))
	}
	if always {
		pass(8 * time.Hour)
	}
	other := w.change("y", catalog.Upsert, `{"a":1}`, of("other"))
	w.until(time.Minute, "the other account's item is delivered", func() bool { return w.status()[other] == ledgermodel.Succeeded })
	w.until(9*time.Hour, "the lie comes to its end", func() bool { return w.ended(ids, told, always) })
	ends := make([]string, len(ids))
	for i, id := range ids {
		ends[i] = string(w.status()[id])
	}
	switch got := strings.Join(ends, " "); {
	case !always:
		require.Equal(t, believed, got)
	case told.ends == "":
		require.Equal(t, "submitted submitted submitted", got)
		require.Positive(t, within(l.asked, time.Now().Add(-time.Hour), time.Hour), "it is asked again and again")
		require.Less(t, len(l.asked), 200, "at growing intervals")
	default:
		require.Equal(t, told.ends, got)
	}
	require.NoError(t, w.store.Check())
	engine.crash()
	seen := fmt.Sprintf("%+v %+v %+v", w.store.Mutations(), w.store.DeadLetters(), w.saved.all) + w.attempts()
	require.NotContains(t, seen, canary, "in the views")
	require.NotContains(t, log.String(), canary, "in the log")
	require.Less(t, len(seen), 1<<20, "what is kept of an answer is bounded")
}

// ended reports that the items have the end that a lie leads to.
func (w *world) ended(ids []string, told lie, always bool) bool {
	if always && (told.ends == "" || told.ends == waiting) {
		return true // there is none
	}
	for _, id := range ids {
		if !final(w.status()[id]) {
			return false
		}
	}
	return true
}

// attempts are all POSTs as they are recorded, and the ends of batches.
func (w *world) attempts() string {
	var text strings.Builder
	for _, b := range w.store.Batches() {
		fmt.Fprintf(&text, "%+v ", b.Attempts)
		for _, attempt := range b.Attempts {
			text.Write(attempt.Notes)
		}
		if b.Outcome != nil {
			text.WriteString(b.Outcome.Error)
		}
	}
	return text.String()
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
