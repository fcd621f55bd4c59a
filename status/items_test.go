package status_test

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/itemindex"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/status"
)

// index takes all that is final into the index of items.
func (w *world) index(t *testing.T) {
	t.Helper()
	index := itemindex.New(w.store, ledger.OutboxLimit{}, slog.New(slog.DiscardHandler))
	for more := true; more; {
		var err error
		more, err = index.Step(t.Context(), w.lease)
		require.NoError(t, err)
	}
}

// end sends changes of items as one batch and ends it; those of failing fail.
func (w *world) end(t *testing.T, at time.Time, first uint64, failing ledger.Issue, items map[string]bool, order ...string) {
	t.Helper()
	records := make([]catalog.Record, len(order))
	for i, item := range order {
		records[i] = ledgertest.Record(ledgertest.Mutation(first+uint64(i), item))
	}
	batch := ledgertest.Batch(records...)
	w.commit(t, func(tx *ledger.Transaction) { tx.Batches = []ledger.Batch{batch} })
	outcome := ledger.BatchOutcome{BatchID: batch.ID, Lane: batch.Lane, CreatedAt: batch.CreatedAt, State: ledger.BatchCompleted, FinishedAt: at}
	for i, item := range order {
		if items[item] {
			outcome.Exceptions = append(outcome.Exceptions, ledger.RecordOutcome{
				Index: i, Result: ledger.Failed, Reason: catalog.Refused, Constituents: records[i].Constituents, Errors: []ledger.Issue{failing},
			})
		}
	}
	w.commit(t, func(tx *ledger.Transaction) { tx.Outcomes = []ledger.BatchOutcome{outcome} })
}

var tooLow = ledger.Issue{Code: "7", Attribute: "price", Message: "is too low"}

func ids(items []status.IndexedItem) (list []string) {
	for i := range items {
		list = append(list, items[i].ID)
	}
	return list
}

func TestSearchFindsAnIDAndItsBeginning(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "insert into courier.account (name, platform) values ('acme', 'pinterest')")
	reader := status.NewReader(w.pool, status.Config{Advice: advised})
	w.end(t, ledgertest.At, 1, tooLow, map[string]bool{"ab": true}, "abc", "a", "b", "ab")
	found, next, err := reader.Search(t.Context(), "a", 0, "")
	require.NoError(t, err)
	require.Empty(t, found, "the index is behind")
	require.Empty(t, next)
	lag, err := reader.IndexLag(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, lag.Transactions)
	w.index(t)

	found, next, err = reader.Search(t.Context(), "a", 0, "")
	require.NoError(t, err)
	require.Empty(t, next)
	require.Equal(t, []string{"a", "ab", "abc"}, ids(found), "the exact id comes first")
	require.Equal(t, "up to date on Pinterest", found[0].Words)
	require.Equal(t, &status.Issue{Code: "7", Attribute: "price", Message: "is too low", Advice: "set a price above 0"}, found[1].Error)
	for _, text := range []string{"A", "abcd", "\xff", "a\x00"} {
		found, _, err = reader.Search(t.Context(), text, 0, "")
		require.NoError(t, err)
		require.Empty(t, found)
	}

	var pages []string
	for cursor := status.Cursor(""); ; cursor = next {
		found, next, err = reader.Search(t.Context(), "", 3, cursor)
		require.NoError(t, err)
		pages = append(pages, fmt.Sprint(ids(found)))
		if next == "" {
			break
		}
	}
	require.Equal(t, []string{"[a ab abc]", "[b]"}, pages)
	_, _, err = reader.Search(t.Context(), "a", 0, "no cursor")
	require.ErrorIs(t, err, status.ErrCursor)
}

// TestSearchShowsWhatIsUnderWay: a change that waits or was submitted is newer than what the
// index has.
func TestSearchShowsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reader := status.NewReader(w.pool, status.Config{})
	w.end(t, ledgertest.At, 1, tooLow, map[string]bool{"a": true}, "a", "b", "c")
	w.index(t)
	w.exec(t, "update courier.mutation set received_at = received_at") // rows that moved are found as well
	held := ledgertest.Mutation(4, "a")
	batch := ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(5, "b")))
	w.commit(t, func(tx *ledger.Transaction) {
		tx.Waiting, tx.Batches = []*catalog.Mutation{held}, []ledger.Batch{batch}
	})
	found, _, err := reader.Search(t.Context(), "", 0, "")
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "c"}, ids(found))
	require.Equal(t, []string{status.Waiting, status.Submitted, status.Succeeded}, []string{found[0].Status, found[1].Status, found[2].Status})
	require.Equal(t, []string{"m4", "m5", "m3"}, []string{found[0].MutationID, found[1].MutationID, found[2].MutationID})
	require.Nil(t, found[0].Error, "the error was of an older change")
	require.Equal(t, status.Place("0.4"), found[0].Place)
	require.NotNil(t, found[1].LastSucceededAt)

	waiting, next, err := reader.Items(t.Context(), "acme", "us", status.Waiting, 0, "")
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, ids(waiting))
	require.Empty(t, next)
	all, next, err := reader.Items(t.Context(), "acme", "us", "", 2, "")
	require.NoError(t, err)
	require.Equal(t, []string{"b", "a"}, ids(all), "the newest change first")
	all, next, err = reader.Items(t.Context(), "acme", "us", "", 2, next)
	require.NoError(t, err)
	require.Equal(t, []string{"c"}, ids(all))
	require.Empty(t, next)
	confirmed, _, err := reader.Items(t.Context(), "acme", "us", status.Succeeded, 0, "")
	require.NoError(t, err)
	require.Equal(t, []string{"c"}, ids(confirmed))
}

// TestIssuesWithoutACodeAreGroupedByMessage: as Meta answers, which names no code.
func TestIssuesWithoutACodeAreGroupedByMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "insert into courier.account (name, platform) values ('acme', 'meta')")
	reader := status.NewReader(w.pool, status.Config{Advice: advised})
	for i, failing := range []struct{ item, message string }{
		{"LAMP-A", "item LAMP-A has no price"},
		{"LAMP-B", "item LAMP-B has no price"},
		{"LAMP-C", "the image of 100 bytes is too small"},
		{"LAMP-D", "the image of 2 bytes is too small"},
		{"LAMP-E", "item LAMP-E has no price"},
		{"LAMP-F", "no"},
	} {
		w.end(t, ledgertest.At.Add(time.Duration(i)*time.Minute), uint64(1+10*i), ledger.Issue{Message: failing.message}, map[string]bool{failing.item: true}, failing.item)
	}
	w.index(t)
	groups, more, err := reader.Issues(t.Context(), status.IssueFilter{}, 0)
	require.NoError(t, err)
	require.False(t, more)
	minute := func(n int) time.Time { return ledgertest.At.Add(time.Duration(n) * time.Minute) }
	group := func(message, key string, first, last int, samples ...string) status.IssueGroup {
		return status.IssueGroup{
			Account: "acme", Platform: "meta", Code: "refused", Message: message, MessageKey: key, Items: int64(len(samples)),
			FirstAt: minute(first), LastAt: minute(last), Samples: samples,
		}
	}
	require.Equal(t, []status.IssueGroup{
		group("item LAMP-E has no price", "item … has no price", 0, 4, "LAMP-E", "LAMP-B", "LAMP-A"),
		group("the image of 2 bytes is too small", "the image of … bytes is too small", 2, 3, "LAMP-D", "LAMP-C"),
		group("no", "no", 5, 5, "LAMP-F"),
	}, groups)
	for i, want := range [][]string{{"LAMP-E", "LAMP-B", "LAMP-A"}, {"LAMP-D", "LAMP-C"}, {"LAMP-F"}} {
		var items []string
		for cursor, left := status.Cursor(""), 9; ; left-- {
			require.Positive(t, left)
			page, next, err := reader.IssueItems(t.Context(), status.IssueFilter{Code: "refused", Message: groups[i].MessageKey}, 2, cursor)
			require.NoError(t, err)
			items = append(items, ids(page)...)
			if cursor = next; next == "" {
				break
			}
		}
		require.Equal(t, want, items)
		var out bytes.Buffer
		require.NoError(t, reader.ExportIssues(t.Context(), status.IssueFilter{Message: groups[i].MessageKey}, &out))
		rows, err := csv.NewReader(&out).ReadAll()
		require.NoError(t, err)
		require.Len(t, rows, 1+len(want))
	}
}

func TestIssuesAreGroupedAndCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "insert into courier.account (name, platform) values ('acme', 'pinterest')")
	reader := status.NewReader(w.pool, status.Config{Advice: advised})
	gone := ledger.Issue{Code: "9", Message: "=cmd|' /C calc'!A0"}
	w.end(t, ledgertest.At, 1, tooLow, map[string]bool{"a": true, "b": true, "c": true}, "a", "b", "c", "d")
	w.end(t, ledgertest.At.Add(time.Minute), 11, gone, map[string]bool{"e": true}, "e")
	w.end(t, ledgertest.At.Add(time.Hour), 21, tooLow, map[string]bool{"f": true}, "f", "c")
	w.index(t)

	groups, more, err := reader.Issues(t.Context(), status.IssueFilter{}, 0)
	require.NoError(t, err)
	require.False(t, more)
	require.Equal(t, []status.IssueGroup{
		{
			Account: "acme", Platform: "pinterest", Code: "7", Attribute: "price", Message: "is too low", Advice: "set a price above 0",
			Items: 3, FirstAt: ledgertest.At, LastAt: ledgertest.At.Add(time.Hour), Samples: []string{"f", "b", "a"},
		},
		{
			Account: "acme", Platform: "pinterest", Code: "9", Message: gone.Message, Items: 1,
			FirstAt: ledgertest.At.Add(time.Minute), LastAt: ledgertest.At.Add(time.Minute), Samples: []string{"e"},
		},
	}, groups, "c was accepted later")
	groups, more, err = reader.Issues(t.Context(), status.IssueFilter{}, 1)
	require.NoError(t, err)
	require.True(t, more)
	require.Len(t, groups, 1)
	price, none := "price", ""
	for _, c := range []struct {
		filter status.IssueFilter
		items  []string
	}{
		{status.IssueFilter{}, []string{"f", "e", "b", "a"}},
		{status.IssueFilter{Code: "7", Attribute: &price}, []string{"f", "b", "a"}},
		{status.IssueFilter{Attribute: &none}, []string{"e"}},
		{status.IssueFilter{Platform: "meta"}, nil},
		{status.IssueFilter{Filter: status.Filter{Account: "other"}}, nil},
		{status.IssueFilter{Status: status.Invalid}, nil},
	} {
		var items []string
		for cursor, left := status.Cursor(""), 9; ; left-- {
			require.Positive(t, left)
			page, next, err := reader.IssueItems(t.Context(), c.filter, 2, cursor)
			require.NoError(t, err)
			items = append(items, ids(page)...)
			if cursor = next; next == "" {
				break
			}
		}
		require.Equal(t, c.items, items)
	}
	failed, _, err := reader.Items(t.Context(), "acme", "us", status.Failed, 0, "")
	require.NoError(t, err)
	require.Equal(t, []string{"f", "e", "b", "a"}, ids(failed))
	counts, err := reader.Counts(t.Context(), "acme")
	require.NoError(t, err)
	require.Equal(t, status.ItemCounts{Succeeded: 2, Failed: 4}, counts)

	var out bytes.Buffer
	require.NoError(t, reader.ExportIssues(t.Context(), status.IssueFilter{}, &out))
	lines, err := csv.NewReader(&out).ReadAll()
	require.NoError(t, err)
	require.Len(t, lines, 5)
	require.Equal(t, "'"+gone.Message, lines[2][9], "a spreadsheet must not take it for a formula")
}

var errUndone = errors.New("it was only looked at")

// TestFailingItemsOfManyReasons are read in order, past those of other reasons; those of one
// reason by the index that is made for it, whatever the server thinks of the other one.
func TestFailingItemsOfManyReasons(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reader := status.NewReader(w.pool, status.Config{})
	const batches, each = 4, 80 // more reasons than lists are put together from
	var want []string
	for b := range batches {
		all := make([]string, 0, each)
		for i := range each {
			item := fmt.Sprintf("item-%02d-%d", i, b)
			all = append(all, item)
			why := ledger.Issue{Code: fmt.Sprintf("%d-%d", b, i), Message: "no"}
			w.end(t, ledgertest.At.Add(time.Duration(b)*time.Hour), uint64(b*each+i+1), why, map[string]bool{item: true}, item)
		}
		slices.Reverse(all)
		want = slices.Concat(all, want) // the newest first, and of one time the last id
	}
	w.index(t)
	var got []string
	for cursor, more := status.Cursor(""), true; more; more = cursor != "" {
		items, next, err := reader.IssueItems(t.Context(), status.IssueFilter{}, 30, cursor)
		require.NoError(t, err)
		got, cursor = append(got, ids(items)...), next
	}
	require.Equal(t, want, got)
	one, _, err := reader.IssueItems(t.Context(), status.IssueFilter{Code: "2-7"}, 30, "")
	require.NoError(t, err)
	require.Equal(t, []string{"item-07-2"}, ids(one))

	// Where there is nothing else, the server still cannot take the order of the index over all reasons.
	var plan []string
	require.ErrorIs(t, pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "drop index courier.item_issue; set local enable_seqscan = off; set local enable_sort = off"); err != nil {
			return err
		}
		rows, err := tx.Query(t.Context(), `explain select i.item_id from courier.indexed_items i
			where i.lane = 1 and i.code = '2-7' and i.attribute = '' and i.failed_at is not null order by i.failed_at desc, i.item_id desc limit 30`)
		if err == nil {
			plan, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		return cmp.Or(err, errUndone)
	}), errUndone)
	require.Contains(t, strings.Join(plan, "\n"), "Sort Key: i.failed_at")
}

func TestResolvedLettersHaveANewerSuccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.end(t, ledgertest.At, 1, tooLow, map[string]bool{"a": true, "b": true}, "a", "b")
	w.end(t, ledgertest.At.Add(time.Hour), 11, tooLow, map[string]bool{"b": true}, "a", "b")
	w.index(t)
	var items []string
	require.NoError(t, w.pool.QueryRow(t.Context(), `select array_agg(d.mutation_id) from courier.dead_letters d join courier.resolved_letters r using (id)`).Scan(&items))
	require.Equal(t, []string{"m1"}, items)
}

func TestSeriesAreReadInSteps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exec(t, "insert into courier.account (name, platform, scopes) values ('acme', 'meta', '{one,two}')")
	reader := status.NewReader(w.pool, status.Config{})
	w.end(t, ledgertest.At.Add(10*time.Minute), 1, tooLow, map[string]bool{"b": true}, "a", "b", "c")
	w.end(t, ledgertest.At.Add(2*time.Hour), 11, tooLow, nil, "a")
	w.index(t)
	from, to := ledgertest.At.Add(-time.Hour).Truncate(time.Hour), ledgertest.At.Add(24*time.Hour)
	points, err := reader.Series(t.Context(), "acme", from, to, persistence.SeriesStep)
	require.NoError(t, err)
	arrived, ended, later := ledgertest.At.Truncate(persistence.SeriesStep), ledgertest.At.Add(10*time.Minute).Truncate(persistence.SeriesStep), ledgertest.At.Add(2*time.Hour).Truncate(persistence.SeriesStep)
	require.Equal(t, []status.Point{{At: arrived, Arrived: 4}, {At: ended, Succeeded: 2, Failed: 1}, {At: later, Succeeded: 1}}, points)
	points, err = reader.Series(t.Context(), "", from, to, 24*time.Hour)
	require.NoError(t, err)
	require.Equal(t, []status.Point{{At: from.Truncate(24 * time.Hour), Arrived: 4, Succeeded: 3, Failed: 1}}, points)
	_, err = reader.Series(t.Context(), "", from, to, time.Minute)
	require.Error(t, err)

	now := time.Now()
	w.exec(t, `insert into courier.quota_scope (scope, quota, updated_at) values ('one', '{"limit": 100, "remaining": 40}', now()), ('two', '{"used_percent": 12.5}', now())`)
	require.NoError(t, w.store.SampleQuotas(t.Context()))
	w.exec(t, `update courier.quota_scope set quota = '{"limit": 100, "remaining": 70}' where scope = 'one'`)
	require.NoError(t, w.store.SampleQuotas(t.Context()))
	quotas, err := reader.Quotas(t.Context(), "acme", now.Add(-time.Hour), now.Add(time.Hour), 24*time.Hour)
	require.NoError(t, err)
	require.Len(t, quotas, 2)
	require.EqualValues(t, 40, *quotas[0].Remaining, "the least that was left")
	require.EqualValues(t, 100, *quotas[0].Limit)
	require.Nil(t, quotas[0].UsedPercent)
	require.InDelta(t, 12.5, *quotas[1].UsedPercent, 0)
	require.Nil(t, quotas[1].Remaining)
}

// TestFailedChangesNameTheirDeadLetters: on all pages of changes, of each history of the
// stream its own.
func TestFailedChangesNameTheirDeadLetters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reader := status.NewReader(w.pool, status.Config{})
	w.end(t, ledgertest.At, 1, tooLow, map[string]bool{"a": true, "b": true}, "a", "b", "c")
	w.end(t, ledgertest.At.Add(time.Minute), 11, tooLow, map[string]bool{}, "b")
	w.exec(t, "insert into courier.dead_letter (sequence, failed_at, lane, generation, operation, mutation_id, item_id, subject, reason, text, headers, body) "+
		"select sequence, failed_at, lane, generation + 1, operation, mutation_id, item_id, subject, reason, text, headers, body from courier.dead_letter")
	var want int64
	require.NoError(t, w.pool.QueryRow(t.Context(), "select id from courier.dead_letters where item_id = 'a' and stream_generation = 0").Scan(&want))
	item, err := reader.Item(t.Context(), "a", status.Filter{})
	require.NoError(t, err)
	require.Equal(t, want, item.Destinations[0].DeadLetterID)
	require.Contains(t, item.Destinations[0].NextStep, fmt.Sprint("worker dead-letters edit ", want))
	changes, _, err := reader.Timeline(t.Context(), "a", status.Filter{}, "", 0)
	require.NoError(t, err)
	require.Equal(t, want, changes[0].DeadLetterID)
	mutations, err := reader.Mutation(t.Context(), "m1", "")
	require.NoError(t, err)
	require.Equal(t, want, mutations[0].DeadLetterID)
	changes, _, err = reader.Timeline(t.Context(), "b", status.Filter{}, "", 0)
	require.NoError(t, err)
	require.Zero(t, changes[0].DeadLetterID, "it succeeded")
	require.NotZero(t, changes[1].DeadLetterID)

	w.exec(t, "update courier.dead_letter set replayed_at = now(), replaced_by = 'm-new' where id = $1", want)
	mutations, err = reader.Mutation(t.Context(), "m1", "")
	require.NoError(t, err)
	require.Equal(t, "its dead letter was edited: mutation m-new was published in its place", mutations[0].NextStep)
}

// letterOf is the newest dead letter of an item.
func (w *world) letterOf(t *testing.T, item string) (id int64) {
	t.Helper()
	require.NoError(t, w.pool.QueryRow(t.Context(), "select max(id) from courier.dead_letters where item_id = $1", item).Scan(&id))
	return id
}

func (w *world) dismiss(t *testing.T, letter int64) {
	t.Helper()
	dismissed, err := w.store.DismissDeadLetters(t.Context(), []int64{letter}, "ana", "sold out")
	require.NoError(t, err)
	require.Equal(t, []int64{letter}, dismissed)
}

// TestADismissedLetterEndsItsIssue until a later change of the item fails, whether it is
// dismissed before the index knows of the failure or after.
func TestADismissedLetterEndsItsIssue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reader := status.NewReader(w.pool, status.Config{})
	issues := func() (items []string) {
		t.Helper()
		failing, _, err := reader.IssueItems(t.Context(), status.IssueFilter{}, 0, "")
		require.NoError(t, err)
		items = ids(failing)
		groups, _, err := reader.Issues(t.Context(), status.IssueFilter{}, 0)
		require.NoError(t, err)
		var count int64
		for i := range groups {
			count += groups[i].Items
		}
		require.EqualValues(t, len(items), count, "the groups count what the list has")
		counts, err := reader.Counts(t.Context(), "")
		require.NoError(t, err)
		require.Equal(t, count, counts.Failed)
		return items
	}
	w.end(t, ledgertest.At, 1, tooLow, map[string]bool{"a": true, "b": true, "early": true}, "a", "b", "c", "early")
	w.dismiss(t, w.letterOf(t, "early"))
	w.index(t)
	require.ElementsMatch(t, []string{"a", "b"}, issues(), "early was dismissed before the index came to it")
	first := w.letterOf(t, "a")
	w.dismiss(t, first)
	require.Equal(t, []string{"b"}, issues())
	counts, err := reader.Counts(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, status.ItemCounts{Succeeded: 1, Failed: 1, Dismissed: 2}, counts)

	found, _, err := reader.Search(t.Context(), "a", 0, "")
	require.NoError(t, err)
	require.True(t, found[0].Dismissed)
	require.Equal(t, "rejected by the platform, dismissed", found[0].Words)
	require.Equal(t, "is too low", found[0].Error.Message, "what went wrong is still said")
	item, err := reader.Item(t.Context(), "a", status.Filter{})
	require.NoError(t, err)
	require.Equal(t, "dismissed", item.Destinations[0].DeadLetterState)
	require.Equal(t, "nothing: somebody dismissed its dead letter", item.Destinations[0].NextStep)

	w.end(t, ledgertest.At.Add(time.Hour), 11, tooLow, map[string]bool{"a": true, "early": true}, "a", "early")
	w.index(t)
	require.ElementsMatch(t, []string{"a", "b", "early"}, issues(), "a later failure is an issue of its own")
	w.end(t, ledgertest.At.Add(2*time.Hour), 21, tooLow, map[string]bool{"b": true}, "b", "a", "early")
	w.index(t)
	require.Equal(t, []string{"b"}, issues())
	var old int64
	require.NoError(t, w.pool.QueryRow(t.Context(), "select min(id) from courier.dead_letters where item_id = 'b'").Scan(&old))
	w.dismiss(t, old)
	require.Equal(t, []string{"b"}, issues(), "the letter of an older change says nothing about the newest")
}
