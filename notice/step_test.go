package notice

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/persistence"
)

// history runs steps one after the other and keeps what they leave, as the store does.
type history struct {
	now  time.Time
	told map[string]persistence.NoticeState
}

func newHistory() *history {
	return &history{now: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC), told: map[string]persistence.NoticeState{}}
}

// look makes a step after a while and returns the events with their subjects.
func (h *history) look(after time.Duration, seen ...condition) (events []string) {
	h.now = h.now.Add(after)
	changes, keep, gone := step(h.now, h.told, seen)
	maps.Copy(h.told, keep)
	for _, subject := range gone {
		delete(h.told, subject)
	}
	for i := range changes {
		events = append(events, changes[i].Event()+" "+changes[i].Name)
	}
	return events
}

func account(name, state string) condition {
	return conditions(persistence.NoticeView{Accounts: []persistence.NoticeAccount{{Account: name, State: state}}}, time.Minute, 15*time.Minute)[0]
}

func TestOncePerChange(t *testing.T) {
	t.Parallel()
	h := newHistory()
	require.Empty(t, h.look(0, account("a", "active")))
	require.Empty(t, h.told, "a subject that is well has no row")
	require.Empty(t, h.look(time.Minute, account("a", "failing")), "it may pass")
	require.Empty(t, h.look(59*time.Second, account("a", "failing")))
	require.Equal(t, []string{"account.failing a"}, h.look(time.Second, account("a", "failing")))
	require.Empty(t, h.look(24*time.Hour, account("a", "failing")), "once")
	require.Empty(t, h.look(time.Second, account("a", "paused")))
	require.Equal(t, []string{"account.paused a"}, h.look(time.Minute, account("a", "paused")))
	require.Empty(t, h.look(time.Second, account("a", "active")), "its end may pass as well")
	require.Empty(t, h.look(30*time.Second, account("a", "paused")))
	require.Empty(t, h.look(time.Hour, account("a", "active")))
	require.Equal(t, []string{"account.recovered a"}, h.look(time.Minute, account("a", "active")))
	require.Empty(t, h.told)
	require.Empty(t, h.look(time.Hour, account("a", "active")))
}

func TestFlappingIsNotTold(t *testing.T) {
	t.Parallel()
	h := newHistory()
	for range 100 {
		require.Empty(t, h.look(30*time.Second, account("a", "failing")))
		require.Empty(t, h.look(30*time.Second, account("a", "active")))
	}
	require.Empty(t, h.told)
	// Two troubles in turn are trouble all the same.
	h.look(30*time.Second, account("a", "failing"))
	h.look(30*time.Second, account("a", "paused"))
	require.Equal(t, []string{"account.failing a"}, h.look(30*time.Second, account("a", "failing")))
}

func TestThrottledForLong(t *testing.T) {
	t.Parallel()
	h := newHistory()
	h.look(0, account("a", "throttled"))
	require.Empty(t, h.look(14*time.Minute, account("a", "throttled")))
	require.Equal(t, []string{"account.throttled a"}, h.look(time.Minute, account("a", "throttled")))
	h.look(0, account("a", "active"))
	require.Equal(t, []string{"account.recovered a"}, h.look(time.Minute, account("a", "active")))
}

// TestStatesOfLaterVersions: what nobody here knows is told in plain words.
func TestStatesOfLaterVersions(t *testing.T) {
	t.Parallel()
	h := newHistory()
	h.look(0, account("a", "not configured"), account("b", "In Review!"))
	require.Equal(t, []string{"account.not_configured a", "account.in_review_ b"}, h.look(time.Minute, account("a", "not configured"), account("b", "In Review!")))
	said := contents(h.now, "", []transition{{condition: account("b", "in review")}})
	require.Equal(t, "Account b is in the state in review", said[0].Text)
}

func TestWhatFailsTogetherIsToldTogether(t *testing.T) {
	t.Parallel()
	h := newHistory()
	all := make([]condition, 0, 37)
	for i := range 37 {
		all = append(all, account(fmt.Sprintf("shop-%02d", i), "failing"))
	}
	h.look(0, all[:20]...)
	h.look(20*time.Second, all...)
	require.Len(t, h.look(40*time.Second, all...), 37, "those that fail for 40 seconds go along")

	changes := make([]transition, 0, len(all)+1)
	for i := range all {
		changes = append(changes, transition{condition: all[i], Since: h.now})
	}
	told := contents(h.now, "here", append(changes, transition{condition: account("other", "paused")}))
	require.Len(t, told, 2)
	require.Equal(t, "37 accounts failing: shop-00, shop-01, shop-02, shop-03, shop-04 and 32 more", told[0].Text)
	require.Equal(t, 37, told[0].Count)
	require.Len(t, told[0].Subjects, 37)
	require.Equal(t, "Account other is paused", told[1].Text)
	require.Len(t, contents(h.now, "", changes[:groupAbove]), groupAbove, "a few are told one by one")
}

func letters(field string) condition {
	return conditions(persistence.NoticeView{Letters: []persistence.NoticeLetters{{
		Account: "a", Reason: "refused", Field: field, Count: 3, Example: "Title is \x1b[31mmissing",
	}}}, time.Minute, time.Minute)[0]
}

func TestKindsOfDeadLettersOnceADay(t *testing.T) {
	t.Parallel()
	h := newHistory()
	require.Equal(t, []string{"dead_letters.new a: refused, attribute title"}, h.look(0, letters("title")), "at once")
	require.Empty(t, h.look(time.Hour, letters("title")))
	require.Equal(t, []string{"dead_letters.new a: refused"}, h.look(0, letters("")), "another kind")
	require.Empty(t, h.look(12*time.Hour))
	require.Len(t, h.look(11*time.Hour, letters("title")), 1, "a day later it still lasts")
	require.Empty(t, h.look(25*time.Hour))
	require.Empty(t, h.told, "forgotten")
	said := contents(h.now, "", []transition{{condition: letters("title")}})
	require.Equal(t, `Dead letters of a: refused, attribute title: a new kind: Title is \x1b[31mmissing`, said[0].Text)
}

func route(state, reason string, silent bool) persistence.NoticeSource {
	return persistence.NoticeSource{Source: "shop", Account: "acme", Catalog: "us", CatalogType: "RETAIL", State: state, Reason: reason, Silent: silent}
}

func TestSources(t *testing.T) {
	t.Parallel()
	other := route("", "", false)
	other.Account = "beta"
	look := func(rows ...persistence.NoticeSource) (states []string) {
		for _, c := range conditions(persistence.NoticeView{Sources: rows}, time.Minute, 0) {
			if c.State != "" || c.Unclear {
				states = append(states, fmt.Sprint(c.Subject, " ", c.State, " ", c.Unclear))
			}
		}
		return states
	}
	require.Empty(t, look(route("done", "", false), route("", "", false)))
	require.Equal(t, []string{"source/shop failed false"}, look(route("failed", "404", false)))
	require.Equal(t, []string{"source/shop silent false"}, look(route("done", "", true)))
	require.Equal(t, []string{"source/shop  true", "source/shop/acme/us/RETAIL  true"}, look(route("reading", "", false)))
	other.State = "withheld"
	require.Equal(t, []string{"source/shop/acme/us/RETAIL withheld false"}, look(route("withheld", "900 of 1000 deletes", false), other), "one route of two")

	h := newHistory()
	seen := func(rows ...persistence.NoticeSource) []condition {
		return conditions(persistence.NoticeView{Sources: rows}, time.Minute, 0)
	}
	h.look(0, seen(route("failed", "404", false))...)
	require.Equal(t, []string{"source.failed shop"}, h.look(time.Minute, seen(route("failed", "404", false))...))
	h.look(time.Minute, seen(route("reading", "", false))...)
	require.Empty(t, h.look(time.Hour, seen(route("reading", "", false))...), "a run that is under way is no recovery")
	h.look(time.Second, seen(route("done", "", false))...)
	require.Equal(t, []string{"source.recovered shop"}, h.look(time.Minute, seen(route("done", "", false))...))
}

func TestOutcomesThatAreLate(t *testing.T) {
	t.Parallel()
	h := newHistory()
	seen := func(behind time.Duration) []condition {
		return conditions(persistence.NoticeView{Consumers: []persistence.NoticeConsumer{{Name: "stream", Behind: behind}}}, time.Minute, 0)
	}
	h.look(0, seen(4*time.Minute)...)
	require.Empty(t, h.look(time.Hour, seen(5*time.Minute)...), "nothing is late yet")
	h.look(0, seen(6*time.Minute)...)
	require.Equal(t, []string{"outcomes.lagging stream"}, h.look(time.Minute, seen(7*time.Minute)...))
	h.look(0, seen(0)...)
	require.Equal(t, []string{"outcomes.recovered stream"}, h.look(time.Minute, seen(0)...))
	said := contents(h.now, "", []transition{{condition: seen(6 * time.Minute)[0]}})
	require.Equal(t, "The outcomes for stream are late: the oldest one waits for 6m0s", said[0].Text)
}

func TestFilters(t *testing.T) {
	t.Parallel()
	failing := &transition{condition: account("shop-1", "failing")}
	well := &transition{condition: account("shop-1", "active"), Before: "failing"}
	for _, c := range []struct {
		events, accounts []string
		change           *transition
		want             bool
	}{
		{nil, nil, failing, true},
		{[]string{"account.*"}, nil, failing, true},
		{[]string{"source.*", "account.failing"}, nil, failing, true},
		{[]string{"account.paused"}, nil, failing, false},
		{[]string{"account.failing"}, nil, well, true},
		{[]string{"*.recovered"}, nil, well, true},
		{[]string{"account.paused"}, nil, well, false},
		{nil, []string{"shop-*"}, failing, true},
		{nil, []string{"acme"}, failing, false},
	} {
		require.Equal(t, c.want, wants(c.events, c.accounts, c.change), "%+v", c)
	}
}

// TestAccountsThatAreGone: nobody is told that a removed account is well.
func TestAccountsThatAreGone(t *testing.T) {
	t.Parallel()
	h := newHistory()
	h.look(0, account("a", "failing"))
	h.look(time.Minute, account("a", "failing"))
	require.Empty(t, h.look(time.Hour))
	require.Empty(t, h.told)
}
