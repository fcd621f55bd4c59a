package console

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/replay"
	"github.com/catalog-courier/catalog-courier/status"
)

// hostile is what shops, platforms and people may write: it must stay text everywhere.
const hostile = `"><script>alert(1)</script><b onclick='x'>&amp;`

var fixtureTime = time.Date(2026, 11, 28, 22, 30, 15, 0, time.UTC)

// fill sets every field of a value: texts are hostile, lists have two elements.
func fill[T any](change ...func(*T)) T {
	var value T
	fillValue(reflect.ValueOf(&value).Elem(), 0)
	for _, c := range change {
		c(&value)
	}
	return value
}

func fillValue(v reflect.Value, depth int) {
	const deepest = 6
	if depth > deepest || !v.CanSet() {
		return
	}
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(fixtureTime))
		return
	case uuid.UUID:
		v.Set(reflect.ValueOf(uuid.MustParse("01a22495-0000-7000-8000-000000000001")))
		return
	case json.RawMessage:
		text, err := json.Marshal(map[string]any{hostile: map[string]any{"limit": 100, "remaining": 40, hostile: hostile}})
		if err != nil {
			panic(err)
		}
		v.Set(reflect.ValueOf(json.RawMessage(text)))
		return
	}
	switch v.Kind() { //nolint:exhaustive // others are in no type that is shown
	case reflect.String:
		v.SetString(hostile)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(3)
	case reflect.Float64:
		v.SetFloat(12.5)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillValue(v.Elem(), depth+1)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(`{"id":"x","title":"` + strings.ReplaceAll(hostile, `"`, `\"`) + `"}`))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fillValue(v.Index(i), depth+1)
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			fillValue(field, depth+1)
		}
	}
}

// fixtures are a reader, letters and an audit log with every field of everything set.
type fixtures struct{}

func two[T any](change ...func(*T)) []T { return []T{fill(change...), fill(change...)} }

func (fixtures) Accounts(_ context.Context, name string) ([]status.Account, error) {
	return two(func(a *status.Account) {
		if name != "" {
			a.Name = name
		}
	})[:1], nil
}

func (fixtures) Item(_ context.Context, id string, _ status.Filter) (status.Item, error) {
	item := fill[status.Item]()
	item.ID = id
	item.Destinations[1].Localization = "LANGUAGE/pl"
	return item, nil
}

func (fixtures) Similar(context.Context, string, string) ([]string, error) {
	return []string{"SKU-1"}, nil
}

func (fixtures) Search(context.Context, string, int, status.Cursor) ([]status.IndexedItem, status.Cursor, error) {
	return two[status.IndexedItem](), "next", nil
}

func (fixtures) Items(context.Context, string, string, string, int, status.Cursor) ([]status.IndexedItem, status.Cursor, error) {
	return two[status.IndexedItem](), "next", nil
}

func (fixtures) Issues(context.Context, status.IssueFilter, int) ([]status.IssueGroup, bool, error) {
	return two[status.IssueGroup](), true, nil
}

func (fixtures) IssueItems(context.Context, status.IssueFilter, int, status.Cursor) ([]status.IndexedItem, status.Cursor, error) {
	return two[status.IndexedItem](), "next", nil
}

func (fixtures) ExportIssues(_ context.Context, _ status.IssueFilter, w io.Writer) error {
	_, err := w.Write([]byte("a,b\n"))
	return err
}

func (fixtures) Counts(context.Context, string) (status.ItemCounts, error) {
	return fill[status.ItemCounts](), nil
}

func (fixtures) Series(context.Context, string, time.Time, time.Time, time.Duration) ([]status.Point, error) {
	return two[status.Point](), nil
}

func (fixtures) Quotas(context.Context, string, time.Time, time.Time, time.Duration) ([]status.QuotaPoint, error) {
	return two[status.QuotaPoint](), nil
}

func (fixtures) Timeline(context.Context, string, status.Filter, status.Place, int) ([]status.Mutation, bool, error) {
	return two[status.Mutation](), true, nil
}

func (fixtures) Mutation(context.Context, string, string) ([]status.Mutation, error) {
	return two[status.Mutation](), nil
}

func (fixtures) Batches(context.Context, status.BatchFilter, uuid.UUID, int) ([]status.Batch, bool, error) {
	return two[status.Batch](), true, nil
}

func (fixtures) Batch(context.Context, uuid.UUID) (status.Batch, []status.Attempt, error) {
	return fill(func(b *status.Batch) { b.FinishedAt = nil }), two[status.Attempt](), nil
}

func (fixtures) Answers(context.Context, uuid.UUID) ([]status.Answer, error) {
	return []status.Answer{fill[status.Answer](), fill(func(a *status.Answer) { a.Attempt = 0 })}, nil
}

func (fixtures) Records(context.Context, uuid.UUID, int, int) ([]status.Record, bool, error) {
	return two[status.Record](), true, nil
}

func (fixtures) Request(context.Context, uuid.UUID, int, string) (status.Request, error) {
	return fill[status.Request](), nil
}

func (fixtures) Workers(context.Context) ([]status.Worker, []status.Partition, error) {
	return two[status.Worker](), append(two[status.Partition](), fill(func(p *status.Partition) { p.WorkerID = nil })), nil
}

func (fixtures) Sources(context.Context) ([]status.Source, error) {
	return two(func(s *status.Source) { s.State = "withheld" }), nil
}

func fixtureRun(r *status.Run) {
	r.Run = 7
	name := []byte(strconv.Quote(hostile))
	r.Counts = json.RawMessage(`[{"route":` + string(name) + `,"counts":{"known":120,"removed":90},"decision":"withheld","reason":` + string(name) +
		`,"samples":[{"kind":` + string(name) + `,"item_id":` + string(name) + `,"operation":"UPSERT","attributes":{"a":` + string(name) + `}}]}]`)
	r.Findings = json.RawMessage(`[{"kind":` + string(name) + `,"severity":"error","count":3,"samples":[{"item_id":` + string(name) + `,"field":` + string(name) + `,"value":` + string(name) + `}]}]`)
}

func (fixtures) Runs(context.Context, string, int) ([]status.Run, error) {
	return two(fixtureRun), nil
}

func (fixtures) Run(context.Context, int64) (status.Run, error) {
	return fill(fixtureRun), nil
}

func (fixtures) Deliveries(context.Context, string, persistence.DeliveryState, int64, int) ([]status.Delivery, error) {
	return two[status.Delivery](), nil
}

func fixtureLetter(l *persistence.DeadLetter) {
	l.Reason, l.State, l.Message.Lost = catalog.Refused, persistence.LetterOpen, 0
	l.Message.Subject = "catalog.mutations.a.b.RETAIL"
}

func (fixtures) NewestDeadLetters(context.Context, persistence.DeadLetterFilter, int64) ([]persistence.DeadLetter, int64, error) {
	return two(fixtureLetter), 0, nil
}

func (fixtures) CountDeadLetters(context.Context, persistence.DeadLetterFilter) (int64, error) {
	return persistence.MaxCountedLetters, nil
}

func (fixtures) GroupDeadLetters(context.Context, persistence.DeadLetterFilter, persistence.LetterGrouping) ([]persistence.LetterGroup, error) {
	return two[persistence.LetterGroup](), nil
}

func (fixtures) Begin(context.Context, persistence.Action) (int64, error) { return 1, nil }

func (fixtures) Finish(context.Context, int64, persistence.ActionResult, int64, string) error {
	return nil
}

func (fixtures) List(context.Context, persistence.AuditFilter) ([]persistence.AuditEntry, error) {
	return two[persistence.AuditEntry](), nil
}

// actions say that all went well.
type actions struct{}

func (actions) PauseAccountUntil(context.Context, string, string, persistence.PauseEnd) error {
	return nil
}

func (actions) ResumeAccount(context.Context, string) error { return nil }

func (actions) Preview(context.Context, persistence.DeadLetterFilter, bool) (replay.Preview, error) {
	return replay.Preview{Letters: 2, Newer: 1, Lost: 1, Hopeless: 1, Published: 1, Reasons: map[catalog.Reason]int{hostile: 2}}, nil
}

func (actions) Replay(context.Context, string, persistence.DeadLetterFilter, bool) (replay.Result, error) {
	return replay.Result{Replayed: 1, Newer: []replay.Skipped{{ID: 1}}, Lost: []replay.Skipped{{ID: 2}}}, nil
}

func (actions) CheckEdit(context.Context, int64, []byte, bool) error { return nil }

func (actions) Edit(context.Context, string, int64, []byte, bool) (replay.Edited, error) {
	return replay.Edited{MutationID: "m"}, nil
}

func (actions) DismissAll(context.Context, string, persistence.DeadLetterFilter, string) (int, error) {
	return 2, nil
}

func newFull(t *testing.T, do *Actions) *Console {
	t.Helper()
	c, err := New(Options{Reader: fixtures{}, Letters: fixtures{}, Audit: fixtures{}, Do: do, Version: hostile, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	c.now = func() time.Time { return fixtureTime.Add(time.Hour) }
	return c
}

func allActions() *Actions {
	return &Actions{Accounts: actions{}, Letters: actions{}, Approve: func(context.Context, int64, int) (string, error) { return "begun", nil }}
}

// pagePaths are addresses of every page, one at least for each route that is read.
var pagePaths = map[string][]string{
	"GET /{$}": {"/"}, "GET /items": {"/items", "/items?q=x"}, "GET /item": {"/item?id=x", "/item?id=x&account=a&before=0.7"}, "GET /mutation": {"/mutation?id=x"},
	"GET /batches": {"/batches?state=completed&before=01a22495-0000-7000-8000-000000000001"}, "GET /batches/{id}": {"/batches/01a22495-0000-7000-8000-000000000001?first=100"},
	"GET /accounts": {"/accounts"}, "GET /accounts/{name}": {"/accounts/a"}, "GET /issues": {"/issues"}, "GET /issues/items": {"/issues/items?account=a&attribute="},
	"GET /dead-letters": {"/dead-letters?account=a&state=all"}, "GET /dead-letters/groups": {"/dead-letters/groups"}, "GET /dead-letters/{id}": {"/dead-letters/7"},
	"GET /sources": {"/sources?source=x"}, "GET /runs/{id}": {"/runs/7"}, "GET /webhooks": {"/webhooks"}, "GET /workers": {"/workers"},
	"GET /audit": {"/audit?before=9"}, "GET /": {"/nothing"},
}

// TestEveryPageIsWhole renders every page with every field set, for an operator and a
// viewer, and walks through it.
func TestEveryPageIsWhole(t *testing.T) {
	t.Parallel()
	for _, do := range []*Actions{allActions(), nil} {
		c := newFull(t, do)
		for pattern := range c.routes() {
			method, path, _ := strings.Cut(pattern, " ")
			if method != http.MethodGet || path == "/batches/{id}/request" || strings.HasPrefix(path, "/api/") {
				continue
			}
			paths := pagePaths[pattern]
			require.NotEmpty(t, paths, "%s is not looked at", pattern)
			for _, path := range paths {
				answer := ask(c.Handler(), http.MethodGet, path, "127.0.0.1:1", func(r *http.Request) {
					r.AddCookie(&http.Cookie{Name: zoneCookie, Value: "Asia%2FTokyo"})
				})
				want := map[bool]int{true: http.StatusNotFound, false: http.StatusOK}[path == "/nothing"]
				require.Equal(t, want, answer.Code, "%s: %s", path, answer.Body)
				inspect(t, path, answer.Body.String())
				require.Contains(t, answer.Body.String(), "Asia/Tokyo (JST)")
				if do == nil {
					require.NotContains(t, answer.Body.String(), `method="post"`, "%s: a viewer cannot act", path)
				}
			}
		}
	}
	page := ask(newFull(t, nil).Handler(), http.MethodGet, pagePaths["GET /batches/{id}"][0], "127.0.0.1:1", nil).Body.String()
	require.Contains(t, page, "An earlier send failed, and a later one worked: nothing is to be done.")
	require.Contains(t, page, "Answer to the last poll")
	for _, path := range []string{"/item?id=x", "/mutation?id=x"} {
		require.Regexp(t, `href="/dead-letters/\d+"`, ask(newFull(t, nil).Handler(), http.MethodGet, path, "127.0.0.1:1", nil).Body.String(), path)
	}
	// The pages that answer forms.
	c := newFull(t, allActions())
	for path, form := range map[string]string{
		"/dead-letters/confirm": "what=replay&id=1&id=2", "/dead-letters/confirm?x": "what=dismiss&scope=all&account=" + url.QueryEscape(hostile),
		"/dead-letters/7/edit": "why=because&body={",
	} {
		answer := post(c, path, form)
		require.Contains(t, []int{http.StatusOK, http.StatusUnprocessableEntity}, answer.Code, answer.Body.String())
		inspect(t, path, answer.Body.String())
	}
}

// inspect walks through a page: it is closed, ids are unique, what is typed into is
// labelled, texts stayed texts, and nothing is scripted in line.
func inspect(t *testing.T, path, text string) {
	t.Helper()
	page, err := html.Parse(strings.NewReader(text))
	require.NoError(t, err)
	require.Contains(t, text, "</html>", path)
	ids, labels, headings := map[string]int{}, map[string]bool{}, 0
	var inputs []*html.Node
	for node := range page.Descendants() {
		if node.Type != html.ElementNode {
			continue
		}
		if node.Data == "b" || node.Data == "h1" {
			headings++
			require.Equal(t, "h1", node.Data, "%s: markup of a text became an element", path)
		}
		require.NotEqual(t, "style", node.Data, path)
		if node.Data == "script" {
			require.NotEmpty(t, attribute(node, "src"), "%s has a script in line", path)
		}
		for _, a := range node.Attr {
			require.False(t, strings.HasPrefix(a.Key, "on") || a.Key == "style", "%s: attribute %s of %s", path, a.Key, node.Data)
			if a.Key == "id" {
				ids[a.Val]++
			}
			if node.Data == "label" && a.Key == "for" {
				labels[a.Val] = true
			}
			if a.Key == "href" || a.Key == "src" || a.Key == "action" {
				require.True(t, strings.HasPrefix(a.Val, "/") || strings.HasPrefix(a.Val, "#"), "%s: %s=%s", path, a.Key, a.Val)
			}
		}
		if node.Data == "input" || node.Data == "select" || node.Data == "textarea" {
			inputs = append(inputs, node)
		}
	}
	require.Equal(t, 1, headings, path)
	for id, count := range ids {
		require.Equal(t, 1, count, "%s: id %s", path, id)
	}
	for _, input := range inputs {
		if attribute(input, "type") == "hidden" {
			continue
		}
		labelled := attribute(input, "aria-label") != "" || labels[attribute(input, "id")]
		for node := range input.Ancestors() {
			labelled = labelled || node.Data == "label"
		}
		require.True(t, labelled, "%s: %s %s has no label", path, input.Data, attribute(input, "name"))
	}
}

func attribute(node *html.Node, name string) string {
	for _, a := range node.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func TestAgo(t *testing.T) {
	t.Parallel()
	for span, want := range map[time.Duration]string{
		time.Second: "now", 90 * time.Second: "90 s ago", -90 * time.Second: "in 90 s", time.Hour: "60 min ago", 5 * time.Hour: "5 h ago", 72 * time.Hour: "3 days ago",
	} {
		require.Equal(t, want, ago(span))
	}
	require.Equal(t, "1,234,567", count(1234567))
	require.Equal(t, "-12,345", count(int64(-12345)))
	require.Equal(t, "–", count((*int32)(nil)))
	require.Equal(t, "10,000+", capped(persistence.MaxCountedLetters))
	require.Equal(t, "1.5 KiB", byteSize(1536))
}

// TestWhatNobodySeesIsShown: ids that differ only in what turns the direction of writing, or in
// what has no width, look different; links and what is edited keep the very text.
func TestWhatNobodySeesIsShown(t *testing.T) {
	t.Parallel()
	const id = "SKU\u202e-1\u200b"
	made := visible([]byte(`<p title="` + id + `"><a href="/item?id=SKU%E2%80%AE">` + id + `</a> ` + id + `</p>
<textarea name="body">{"a":"` + id + `"}</textarea> ` + id + ` żółw 日本 👩‍👩‍👧 – …`))
	require.Equal(t, `<p title="`+id+`"><a href="/item?id=SKU%E2%80%AE">SKU\u202e-1\u200b</a> SKU\u202e-1\u200b</p>
<textarea name="body">{"a":"`+id+`"}</textarea> SKU\u202e-1\u200b żółw 日本 👩‍👩‍👧 – …`, string(made))
	for _, page := range []string{"a", "<", "a<b", "<textarea>\u202e", "\u202e", "a>\u200b"} {
		require.NotPanics(t, func() { visible([]byte(page)) })
	}
	c := newFull(t, allActions())
	for _, path := range []string{"/item?id=" + url.QueryEscape(id)} {
		text := ask(c.Handler(), http.MethodGet, path, "127.0.0.1:1", nil).Body.String()
		require.Contains(t, text, "SKU\\u202e-1\\u200b", path)
		require.Contains(t, text, "<bdi>", path)
		outside := regexp.MustCompile("(?s)<[^>]*>").ReplaceAllString(text, "")
		require.NotContains(t, outside, "\u202e", path)
	}
}

type unknown struct{ fixtures }

func (unknown) Item(context.Context, string, status.Filter) (status.Item, error) {
	return status.Item{}, status.ErrNotFound
}

// TestAnUnknownItemNamesSimilarOnes, such as one in other letters.
func TestAnUnknownItemNamesSimilarOnes(t *testing.T) {
	t.Parallel()
	c := newFull(t, nil)
	c.Reader = unknown{}
	answer := ask(c.Handler(), http.MethodGet, "/item?id=sku-1", "127.0.0.1:1", nil)
	require.Equal(t, http.StatusNotFound, answer.Code)
	require.Contains(t, answer.Body.String(), "No change of item sku-1 is recorded. Similar ids: SKU-1.")
}

// TestTimesOfSentencesAreThoseOfTheReader, and what is no time stays as it is.
func TestTimesOfSentencesAreThoseOfTheReader(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("CET", 3600)
	p := &page{zone: zone, now: time.Date(2026, 11, 29, 12, 0, 0, 0, zone)}
	got := string(p.Sentence("paused <by> hand until 2026-11-29 23:30:00 UTC: 2026-99-99 00:00:00 UTC & more"))
	require.Contains(t, got, `paused &lt;by&gt; hand until <time datetime="2026-11-29T23:30:00Z"`)
	require.Contains(t, got, ">30 Nov 00:30:00</time>: 2026-99-99 00:00:00 UTC &amp; more")
	require.Equal(t, "no time", string(p.Sentence("no time")))
}
