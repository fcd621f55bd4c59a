package pinterest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

func recordsOf(ids ...string) []catalog.Record {
	records := make([]catalog.Record, len(ids))
	for i, id := range ids {
		records[i] = catalog.Record{
			Key:    catalog.ItemKey{ItemID: id},
			Change: catalog.Change{Operation: catalog.Update, Attributes: []byte(`{"price":"1 USD"}`)},
		}
	}
	return records
}

func same(text string) string { return text }

func reportOf(t *testing.T, body string, ids ...string) platform.Report {
	t.Helper()
	return readBatch(gjson.Parse(body), "items").report([]string{"item_id"}, recordsOf(ids...), same)
}

func TestReportSaysOnlyWhatTheAnswerSays(t *testing.T) {
	t.Parallel()
	const s, f, u, r, k = platform.Succeeded, platform.Failed, platform.Unknown, platform.Retryable, platform.Skipped
	cases := []struct {
		name, items, status string
		created             string
		want                []platform.Outcome // of A and B
	}{
		{"both named", `[{"item_id":"B","status":"SUCCESS"},{"item_id":"A","status":"FAILURE"}]`, "COMPLETED", `"x"`, []platform.Outcome{f, s}},
		{"one missing", `[{"item_id":"A","status":"SUCCESS"}]`, "COMPLETED", `"x"`, []platform.Outcome{s, u}},
		{"no items", `null`, "COMPLETED", `"x"`, []platform.Outcome{u, u}},
		{"success with errors", `[{"item_id":"A","status":"SUCCESS","errors":[{"code":106}]}]`, "COMPLETED", `"x"`, []platform.Outcome{f, u}},
		{"success with warnings", `[{"item_id":"A","status":"success","errors":[],"warnings":[{"code":1}]}]`, "completed", `"x"`, []platform.Outcome{s, u}},
		{"still processing", `[{"item_id":"A","status":"PROCESSING"},{"item_id":"B","status":"NEW"}]`, "COMPLETED", `"x"`, []platform.Outcome{u, u}},
		{"named twice", `[{"item_id":"A","status":"SUCCESS"},{"item_id":"A","status":"SUCCESS"}]`, "COMPLETED", `"x"`, []platform.Outcome{u, u}},
		{"refused twice", `[{"item_id":"A","status":"FAILURE"},{"item_id":"A","status":"FAILURE"}]`, "COMPLETED", `"x"`, []platform.Outcome{f, u}},
		{"contradicted", `[{"item_id":"A","status":"SUCCESS"},{"item_id":"A","status":"FAILURE"}]`, "COMPLETED", `"x"`, []platform.Outcome{u, u}},
		{"other ids", `[{"item_id":"a","status":"SUCCESS"},{"item_id":1,"status":"SUCCESS"},{"other_id":"B","status":"SUCCESS"}]`, "COMPLETED", `"x"`, []platform.Outcome{u, u}},
		{"the batch failed", `[{"item_id":"A","status":"SUCCESS"}]`, "FAILED", `"x"`, []platform.Outcome{s, r}},
		{"the batch failed with item errors", `[{"item_id":"A","status":"FAILURE","errors":[{"code":1}]},{"item_id":"B","status":"FAILURE"}]`, "FAILED", `"x"`, []platform.Outcome{f, r}},
		{"skipped", `[{"item_id":"A","status":"SUCCESS"}]`, "COMPLETED", `null`, []platform.Outcome{k, k}},
	}
	for idField := range idFields() {
		for _, c := range cases {
			t.Run(idField+" "+c.name, func(t *testing.T) {
				t.Parallel()
				body := `{"batch_id":"1","status":"` + c.status + `","created_time":` + c.created + `,"items":` +
					strings.ReplaceAll(c.items, "item_id", idField) + `,"new":{"x":1}}`
				report := readBatch(gjson.Parse(body), "items").report([]string{idField}, recordsOf("A", "B"), same)
				require.Equal(t, platform.Finished, report.Progress)
				for i, want := range c.want {
					require.Equal(t, want, report.Verdicts[i].Outcome, "item %d", i)
				}
			})
		}
	}
}

// idFields are the id fields of all catalog types whose id has one part.
func idFields() map[string]bool {
	fields := map[string]bool{}
	for _, row := range catalogTypes() {
		if len(row.keys) == 1 {
			fields[row.keys[0]] = true
		}
	}
	return fields
}

// TestAnswersOfTwoPartIDs: both parts name the item, in any order, and one alone names none.
func TestAnswersOfTwoPartIDs(t *testing.T) {
	t.Parallel()
	body := `{"batch_id":"1","status":"COMPLETED","operation_results":[
		{"supplemental_type":"LOCAL_INVENTORY","item_id":"A","store_code":"berlin","status":"SUCCESS","errors":[],"warnings":[]},
		{"store_code":"a/b","item_id":"A","status":"FAILURE","errors":[{"code":1,"message":"no"}]},
		{"item_id":"B","status":"SUCCESS"}]}`
	report := readBatch(gjson.Parse(body), "operation_results").report(
		[]string{"item_id", "store_code"}, recordsOf("A/berlin", "A/a%2Fb", "B/berlin", "A/paris"), same)
	require.Equal(t, platform.Finished, report.Progress)
	require.Equal(t, platform.Succeeded, report.Verdicts[0].Outcome)
	require.Equal(t, platform.Failed, report.Verdicts[1].Outcome)
	require.Equal(t, platform.Unknown, report.Verdicts[2].Outcome, "a result without its store is nobody's")
	require.Equal(t, platform.Unknown, report.Verdicts[3].Outcome)
}

func TestUnfinishedAndUnknownStatuses(t *testing.T) {
	t.Parallel()
	require.Equal(t, platform.Pending, reportOf(t, `{"status":"PROCESSING","created_time":"x"}`, "A").Progress)
	report := reportOf(t, `{"status":"ON_HOLIDAY"}`, "A")
	require.Equal(t, platform.Pending, report.Progress)
	require.Contains(t, report.Note, "ON_HOLIDAY")
}

func TestIssuesKeepCodeAttributeAndMessage(t *testing.T) {
	t.Parallel()
	report := reportOf(t, `{"status":"COMPLETED","items":[{"item_id":"A","status":"FAILURE","errors":[
		{"attribute":"title","code":106,"message":"Title is missing from product metadata."}]}]}`, "A")
	issue := report.Verdicts[0].Errors[0]
	require.Equal(t, "106", issue.Code)
	require.Equal(t, "title", issue.Attribute)
	require.Equal(t, "Title is missing from product metadata.", issue.Message)
}

func TestTimesWithAndWithoutZone(t *testing.T) {
	t.Parallel()
	want := time.Date(2024, 3, 18, 21, 58, 18, 0, time.UTC)
	for _, text := range []string{"2024-03-18T21:58:18", "2024-03-18T21:58:18Z", "2024-03-18T22:58:18+01:00", "2024-03-18T22:58:18+0100"} {
		require.Equal(t, want, parseTime(text), text)
	}
	require.Equal(t, want.Add(17*time.Millisecond), parseTime("2024-03-18T21:58:18.017000"))
	require.Zero(t, parseTime("yesterday"))
}

func TestBatchIDsWithAndWithoutPrefix(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		answered, asked string
		same            bool
	}{
		{"", "1-2", true}, {"1-2", "1-2", true}, {"1-2", "2", true}, {"2", "1-2", true}, {"12", "2", false}, {"3", "1-2", false},
	} {
		require.Equal(t, c.same, sameBatch(c.answered, c.asked), c)
	}
}

func TestQuotaHeaders(t *testing.T) {
	t.Parallel()
	whose := scopes{category: "s", app: "app"}
	read := func(limit, remaining, reset string) []platform.Quota {
		header := http.Header{}
		header.Set("X-Ratelimit-Limit", limit)
		header.Set("X-Ratelimit-Remaining", remaining)
		header.Set("X-Ratelimit-Reset", reset)
		return parseQuotas(header, whose, 0)
	}
	told := read("100, 100;w=1, 1000;w=60", "98", "1")
	require.Equal(t, []platform.Quota{
		{Scope: "s", Limit: 1000, Remaining: -1, Window: time.Minute, UsedPercent: -1},
		{Scope: "s", Limit: 100, Remaining: 98, Window: time.Second, Reset: time.Second, UsedPercent: 2},
	}, told)
	lines := http.Header{"X-Ratelimit-Limit": {"100", "100;w=1", "1000;w=60"}, "X-Ratelimit-Remaining": {"98"}, "X-Ratelimit-Reset": {"1"}}
	require.Equal(t, told, parseQuotas(lines, whose, 0), "a list may stand in several lines: RFC 9110, 5.3")
	told = read("100, 100;w=1, 100;w=60", "0", "30")
	require.Equal(t, platform.Quota{
		Scope: "s", Limit: 100, Remaining: 0, Window: time.Minute, Reset: 30 * time.Second, UsedPercent: 100, Block: 30 * time.Second,
	}, told[len(told)-1], "the reset tells which window is meant")
	told = read("1000, 1000;w=86400", "0", "67150")
	require.Equal(t, []platform.Quota{{
		Scope: "app", Limit: 1000, Remaining: 0, Window: 24 * time.Hour, Reset: 67150 * time.Second, UsedPercent: 100, Block: 67150 * time.Second,
	}}, told, "a day is of the app's trial access")
	told = read("100, 100;w=1, 1000;w=86400", "98", "1")
	require.Equal(t, []string{"app", "s"}, []string{told[0].Scope, told[1].Scope})
	require.Equal(t, "app", read("1000", "0", "3601")[0].Scope, "too long for a category's")
	require.Equal(t, "s", read("1000", "0", "3600")[0].Scope)
	require.Equal(t, "app", parseQuotas(http.Header{}, whose, 2*time.Hour)[0].Scope)
	require.Empty(t, parseQuotas(http.Header{}, whose, 0))
	require.Equal(t, []platform.Quota{{Scope: "s", Limit: -1, Remaining: -1, UsedPercent: -1, Block: time.Minute}},
		parseQuotas(http.Header{}, whose, time.Minute), "a wish to wait is honoured in any answer")
	require.Empty(t, read("many", "-1", "soon"))
}

func benchmarkRecords(n int) []catalog.Record {
	attributes := []byte(`{"title":"A lamp","image_link":["https://example.com/lamp.jpg"],"description":"` + strings.Repeat("light ", 75) +
		`","link":"https://example.com/lamp","price":"24.99 USD","availability":"in stock"}`)
	records := make([]catalog.Record, n)
	for i := range records {
		records[i] = catalog.Record{
			Key:    catalog.ItemKey{ItemID: "SKU-" + strings.Repeat("0", i%7) + time.Duration(i).String()},
			Change: catalog.Change{Operation: catalog.Upsert, Attributes: attributes},
		}
	}
	return records
}

func retailEndpoint() *endpoint {
	row := catalogTypes()["RETAIL"]
	return &endpoint{row: row, form: vertical(row, catalogSettings{Country: "US", Language: "en-US"})}
}

func BenchmarkEncode(b *testing.B) {
	records := benchmarkRecords(1000)
	e := retailEndpoint()
	dst := make([]byte, 0, 2<<20)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = e.Encode(dst[:0], "", records, 0); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(records)), "ns/item")
}

func BenchmarkValidate(b *testing.B) {
	e := retailEndpoint()
	record := benchmarkRecords(1)[0]
	m := &catalog.Mutation{ItemID: record.Key.ItemID, Operation: catalog.Upsert, Attributes: record.Change.Attributes}
	b.ReportAllocs()
	for b.Loop() {
		if problem, _ := e.Validate(m); problem != nil {
			b.Fatal(problem)
		}
	}
}

func BenchmarkReport(b *testing.B) {
	records := benchmarkRecords(1000)
	var text strings.Builder
	text.WriteString(`{"status":"COMPLETED","created_time":"x","items":[`)
	for i := range records {
		if i > 0 {
			text.WriteString(",")
		}
		text.WriteString(`{"item_id":"` + records[i].Key.ItemID + `","status":"SUCCESS","errors":[],"warnings":[]}`)
	}
	text.WriteString(`]}`)
	body := []byte(text.String())
	b.ReportAllocs()
	for b.Loop() {
		value, _ := rest.Parse(body)
		readBatch(value, "items").report([]string{"item_id"}, records, same)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(records)), "ns/item")
}
