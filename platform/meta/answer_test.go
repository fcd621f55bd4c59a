package meta

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

func recordsOf(ids ...string) []catalog.Record {
	records := make([]catalog.Record, len(ids))
	for i, id := range ids {
		records[i] = catalog.Record{
			Key:    catalog.ItemKey{ItemID: id},
			Change: catalog.Change{Operation: catalog.Upsert, Attributes: []byte(`{"price":"1 USD"}`)},
		}
	}
	return records
}

func same(text string) string { return text }

func reportOf(t *testing.T, element string, ids ...string) platform.Report {
	t.Helper()
	read, why := readStatus(gjson.Parse(`{"data":[`+element+`]}`), "h")
	require.Empty(t, why)
	return read.report(productItem(), recordsOf(ids...), same)
}

func TestUnnamedRecordsSucceedOnlyWhenTheListIsWhole(t *testing.T) {
	t.Parallel()
	const s, f, u = platform.Succeeded, platform.Failed, platform.Unknown
	cases := []struct {
		name, lists string
		want        []platform.Outcome // of A, B and C
		incomplete  bool
	}{
		{"no errors", `"errors":[],"errors_total_count":0`, []platform.Outcome{s, s, s}, false},
		{"not counted", `"errors":[]`, []platform.Outcome{u, u, u}, true},
		{"all errors listed", `"errors":[{"id":"B","message":"no"}],"errors_total_count":1`, []platform.Outcome{s, f, s}, false},
		{"two errors of one item", `"errors":[{"id":"B","message":"x"},{"id":"B","message":"y"}],"errors_total_count":2`, []platform.Outcome{s, f, s}, false},
		{"half an error", `"errors":[],"errors_total_count":0.5`, []platform.Outcome{u, u, u}, true},
		{"fewer than none", `"errors":[],"errors_total_count":-1`, []platform.Outcome{u, u, u}, true},
		{"minus nothing", `"errors":[],"errors_total_count":-0`, []platform.Outcome{u, u, u}, true},
		{"a count in words", `"errors":[],"errors_total_count":"x"`, []platform.Outcome{u, u, u}, true},
		{"a count of nothing", `"errors":[],"errors_total_count":null`, []platform.Outcome{u, u, u}, true},
		{"a count as a fraction", `"errors":[{"id":"B"}],"errors_total_count":1.2`, []platform.Outcome{u, f, u}, true},
		{"a tiny count", `"errors":[],"errors_total_count":1e-9`, []platform.Outcome{u, u, u}, true},
		{"a count beyond numbers", `"errors":[],"errors_total_count":18446744073709551616`, []platform.Outcome{u, u, u}, true},
		{"a sample", `"errors":[{"id":"B","message":"no"}],"errors_total_count":2`, []platform.Outcome{u, f, u}, true},
		{"a sample with all ids", `"errors":[{"id":"B"}],"errors_total_count":2,"ids_of_invalid_requests":["B","C"]`, []platform.Outcome{s, f, f}, false},
		{"ids repeated", `"errors_total_count":3,"ids_of_invalid_requests":["B","B","B"]`, []platform.Outcome{s, f, s}, false},
		{"an id of nobody", `"errors":[{"id":"Z","message":"no"}],"errors_total_count":1`, []platform.Outcome{u, u, u}, true},
		{"an error without id", `"errors":[{"line":0,"message":"no"}],"errors_total_count":1`, []platform.Outcome{u, u, u}, true},
		{"whole errors, an id of nobody", `"errors":[{"id":"B"}],"errors_total_count":1,"ids_of_invalid_requests":["Z"]`, []platform.Outcome{u, f, u}, true},
		{"more listed than counted", `"errors":[{"id":"B"},{"id":"C"}],"errors_total_count":1`, []platform.Outcome{u, f, f}, true},
		{"listed, none counted", `"errors":[{"id":"B"}],"errors_total_count":0`, []platform.Outcome{u, f, u}, true},
		{"counted, none listed", `"errors":[],"errors_total_count":1`, []platform.Outcome{u, u, u}, true},
		{"a count as a string", `"errors":[],"errors_total_count":"0"`, []platform.Outcome{s, s, s}, false},
		{"another count as a string", `"errors":[{"id":"B"}],"errors_total_count":"1"`, []platform.Outcome{s, f, s}, false},
		{"a count of no number", `"errors":[],"errors_total_count":" 0"`, []platform.Outcome{u, u, u}, true},
		{"a count of nothing in quotes", `"errors":[],"errors_total_count":""`, []platform.Outcome{u, u, u}, true},
		{"a negative count", `"errors":[],"errors_total_count":-1`, []platform.Outcome{u, u, u}, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			report := reportOf(t, `{"handle":"h","status":"finished",`+c.lists+`}`, "A", "B", "C")
			require.Equal(t, platform.Finished, report.Progress)
			require.Equal(t, c.incomplete, report.Incomplete)
			for i, want := range c.want {
				require.Equal(t, want, report.Verdicts[i].Outcome, "item %d", i)
			}
		})
	}
}

func TestTheOnlyRecordOfABatchOwnsItsErrors(t *testing.T) {
	t.Parallel()
	report := reportOf(t, `{"status":"finished","errors":[{"id":"??","message":"no"}],"errors_total_count":1}`, "A")
	require.Equal(t, platform.Failed, report.Verdicts[0].Outcome)
	require.Equal(t, "no", report.Verdicts[0].Errors[0].Message)
	require.False(t, report.Incomplete)
	report = reportOf(t, `{"status":"finished","errors":[],"errors_total_count":2}`, "A")
	require.Equal(t, platform.Failed, report.Verdicts[0].Outcome)
	require.NotEmpty(t, report.Verdicts[0].Errors)
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]platform.Progress{
		"Scheduled": platform.Pending, "dispatched": platform.Pending, "started": platform.Pending, "in_progress": platform.Pending,
		"Finished": platform.Finished, "completed": platform.Finished, "Error": platform.Finished, "canceled": platform.Finished,
		"dreaming": platform.Pending,
	} {
		report := reportOf(t, `{"status":"`+word+`","errors":[],"errors_total_count":0}`, "A", "B")
		require.Equal(t, want, report.Progress, word)
	}
	report := reportOf(t, `{"status":"error","errors":[{"id":"A","message":"no"}],"errors_total_count":1}`, "A", "B")
	require.Equal(t, platform.Failed, report.Verdicts[0].Outcome)
	require.Equal(t, platform.Unknown, report.Verdicts[1].Outcome, "some may not have finished")
	require.NotEmpty(t, report.Error)
	report = reportOf(t, `{"status":"canceled","errors":[],"errors_total_count":5}`, "A", "B")
	require.False(t, report.Incomplete, "smaller batches would not tell more")
	require.Equal(t, platform.Pending, reportOf(t, ``, "A").Progress)
	require.NotEmpty(t, reportOf(t, `{"status":"dreaming"}`, "A").Note)
}

func TestWarningsDoNotFailAnItem(t *testing.T) {
	t.Parallel()
	report := reportOf(t, `{"status":"finished","errors":[],"errors_total_count":0,"warnings":[{"line":1,"id":"B","message":"hm"}]}`, "A", "B")
	require.Equal(t, platform.Succeeded, report.Verdicts[1].Outcome)
	require.Equal(t, "hm", report.Verdicts[1].Warnings[0].Message)
}

func TestCompositeIDsThatFitTwoRecordsFitNone(t *testing.T) {
	t.Parallel()
	index := newIDIndex(flight(), recordsOf("A_B/C", "A/B_C", "BOS/JFK"))
	for id, want := range map[string]int{
		`"A_B/C"`: 0, `"A/B_C"`: 1, `"A_B_C"`: -1, `"BOSJFK"`: 2, `"BOS-JFK"`: 2, `"BOS JFK"`: 2, `"bos/jfk"`: -1, `"BOS"`: -1,
		`{"origin_airport":"BOS","destination_airport":"JFK"}`:           2,
		`"{\"destination_airport\":\"JFK\",\"origin_airport\":\"BOS\"}"`: 2,
		`null`: -1, `""`: -1, `["BOS/JFK"]`: -1, `{"origin_airport":"BOS"}`: -1,
	} {
		found := -1
		index.find(gjson.Parse(id), func(i int, only bool) {
			require.True(t, only)
			found = i
		})
		require.Equal(t, want, found, id)
	}
}

func TestAnIDWithSeveralLocalizationsLeavesAllOfThemDoubtful(t *testing.T) {
	t.Parallel()
	records := recordsOf("A", "B", "A", "C", "A")
	for i := range records {
		records[i].Key.Localization = catalog.Localization{Type: byCountry, Value: string(rune('A'+i)) + "A"}
	}
	const s, f, u = platform.Succeeded, platform.Failed, platform.Unknown
	outcomes := func(verdicts []platform.Verdict) (found []platform.Outcome) {
		for _, v := range verdicts {
			found = append(found, v.Outcome)
		}
		return found
	}
	report := func(lists string) platform.Report {
		read, why := readStatus(gjson.Parse(`{"data":[{"status":"finished",`+lists+`}]}`), "h")
		require.Empty(t, why)
		return read.report(productItem(), records, same)
	}
	clean := report(`"errors":[],"errors_total_count":0`)
	require.Equal(t, []platform.Outcome{s, s, s, s, s}, outcomes(clean.Verdicts))
	require.False(t, clean.Incomplete)

	shared := report(`"errors":[{"id":"A","message":"no"}],"errors_total_count":1`)
	require.Equal(t, []platform.Outcome{u, s, u, s, u}, outcomes(shared.Verdicts))
	require.True(t, shared.Incomplete, "smaller batches tell")
	require.Equal(t, "no", shared.Verdicts[4].Errors[0].Message)

	both := report(`"errors":[{"id":"A"},{"id":"B"}],"errors_total_count":2,"warnings":[{"id":"A","message":"hm"}]`)
	require.Equal(t, []platform.Outcome{u, f, u, s, u}, outcomes(both.Verdicts))
	require.Equal(t, "hm", both.Verdicts[2].Warnings[0].Message)

	e := &endpoint{dialect: localizedBatch{}, row: productItem()}
	posted := e.validation(rowsOf(gjson.Parse(`[{"retailer_id":"A","errors":[{"message":"no"}]},{"retailer_id":"C","errors":[{"message":"no"}]}]`)), records, same)
	verdicts := posted.verdicts(len(records))
	require.Equal(t, []platform.Outcome{u, u, u, f, u}, outcomes(verdicts))
	require.NotEmpty(t, verdicts[0].Errors, "doubt that a later silence does not lift")
	require.Empty(t, verdicts[1].Errors)
}

func TestAnswerToThePostCastsDoubtOnWhatItDoesNotName(t *testing.T) {
	t.Parallel()
	refusal := []ledger.Issue{{Message: "no"}}
	named := validation{named: map[int]*platform.Verdict{1: {Outcome: platform.Failed, Errors: refusal}}, firstError: "no"}
	require.Equal(t, []platform.Verdict{{}, {Outcome: platform.Failed, Errors: refusal}}, named.verdicts(2))

	unnamed := validation{firstError: "no", unnamed: true}
	require.Equal(t, []platform.Verdict{{Errors: refusal}, {Errors: refusal}}, unnamed.verdicts(2))
	require.Equal(t, []platform.Verdict{{Outcome: platform.Failed, Errors: refusal}}, unnamed.verdicts(1), "whose else")

	require.Nil(t, validation{}.verdicts(2))
}

func TestUsageHeaders(t *testing.T) {
	t.Parallel()
	names := scopes{batch: "b", management: "m", app: "a", window: time.Hour}
	read := func(business, app string) []platform.Quota {
		header := http.Header{}
		header.Set("X-Business-Use-Case-Usage", business)
		header.Set("X-App-Usage", app)
		return quotas(header, names, names.batch, time.Now())
	}
	quota := func(scope string, used float64, block time.Duration) platform.Quota {
		return platform.Quota{Scope: scope, Limit: -1, Remaining: -1, UsedPercent: used, Window: time.Hour, Block: block}
	}
	require.Equal(t, []platform.Quota{quota("a", 30, 0), quota("b", 80, 0), quota("m", 100, 5*time.Minute)}, read(
		`{"12":[{"type":"catalog_batch","call_count":20,"total_cputime":80,"total_time":3,"estimated_time_to_regain_access":0}],
		 "13":[{"type":"CATALOG_MANAGEMENT","call_count":100,"estimated_time_to_regain_access":5},{"type":"ads_insights","call_count":99}]}`,
		`{"call_count":28,"total_time":30,"total_cputime":25}`))
	require.Equal(t, []platform.Quota{quota("b", 42, 0)}, read(`{"12":[{"type":"something_new","call_count":42}]}`, ""))
	for _, bad := range []string{"", "{", "[]", "7", `{"a":{}}`, `{"a":[7,null]}`} {
		require.Empty(t, read(bad, ""), bad)
	}
}

func TestRetryAfterBlocksTheQuotaOfTheCall(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{"90": 90 * time.Second, "Sun, 22 Nov 2026 10:02:00 GMT": 2 * time.Minute} {
		header := http.Header{}
		header.Set("Retry-After", value)
		header.Set("X-Business-Use-Case-Usage", `{"1":[{"type":"catalog_batch","call_count":100,"estimated_time_to_regain_access":1}]}`)
		told := quotas(header, scopes{batch: "b", management: "m", app: "a"}, "b", now)
		require.Len(t, told, 1)
		require.Equal(t, want, told[0].Block, "the longer of the two")
	}
}

// FuzzDecodeStatus wants no success that the answer does not prove, also where an
// item has several localizations in the batch.
func FuzzDecodeStatus(f *testing.F) {
	for _, seed := range []string{
		`{"data":[{"handle":"h","status":"finished","errors":[{"line":0,"id":"A","message":"no"}],"errors_total_count":1}]}`,
		`{"data":[{"status":"finished","errors_total_count":0,"ids_of_invalid_requests":[{},1,"{"]}]}`,
		`{"data":[{"status":"Canceled","errors_total_count":1,"errors":["BOS/JFK"],"warnings":[{"id":"A/B","message":"hm"}]}]}`,
		`{"data":[{"status":"finished","errors_total_count":1,"ids_of_invalid_requests":["{\"origin_airport\":\"BOS\",\"destination_airport\":\"JFK\"}"]}]}`,
		`{"data":[]}`, `{"data":{}}`, `{"data":[{"handle":"other","status":"finished"}]}`,
	} {
		f.Add([]byte(seed))
	}
	records := recordsOf("BOS/JFK", "A/B", "BOS/JFK")
	for i := range records {
		records[i].Key.Localization = catalog.Localization{Type: byCountry, Value: []string{"GB", "GB", "FR"}[i]}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		value, ok := rest.Parse(body)
		if !ok {
			return
		}
		read, why := readStatus(value, "h")
		if why != "" {
			return
		}
		report := read.report(flight(), records, same)
		if report.Progress != platform.Finished {
			return
		}
		require.Len(t, report.Verdicts, len(records))
		named := strings.Contains(string(body), "BOS")
		for i, verdict := range report.Verdicts {
			require.LessOrEqual(t, len(verdict.Errors), maxIssues)
			require.LessOrEqual(t, len(verdict.Warnings), maxIssues)
			if verdict.Outcome != platform.Succeeded {
				continue
			}
			require.GreaterOrEqual(t, read.total, 0, "no success without a count")
			require.False(t, report.Incomplete && i == 1 && !named, "no success from a sample")
		}
		require.Equal(t, report.Verdicts[0].Outcome, report.Verdicts[2].Outcome, "nobody tells the localizations apart")
	})
}

// FuzzRefusal wants every refusal to be of a documented sort.
func FuzzRefusal(f *testing.F) {
	f.Add([]byte(`{"error":{"message":"m","type":"OAuthException","code":190,"error_subcode":463,"error_user_msg":"u"}}`), 400, true)
	f.Add([]byte(`{"error":{"code":-1,"is_transient":true}}`), 500, false)
	f.Add([]byte(`<html>`), 502, true)
	f.Fuzz(func(t *testing.T, body []byte, status int, posted bool) {
		method := http.MethodGet
		if posted {
			method = http.MethodPost
		}
		row := failureOf(method, status, saidBy(body))
		require.NotEmpty(t, row.Source)
		require.False(t, row.lost && posted, "a POST has no handle to lose")
		require.False(t, row.OfRecords && !posted, "a poll has no records to refuse")
		require.NotEqual(t, platform.ScopeItem, row.Scope)
	})
}

func FuzzUsageHeaders(f *testing.F) {
	f.Add(`{"12":[{"type":"catalog_batch","call_count":20,"estimated_time_to_regain_access":3}]}`, `{"call_count":1}`)
	f.Fuzz(func(t *testing.T, business, app string) {
		header := http.Header{"X-Business-Use-Case-Usage": {business}, "X-App-Usage": {app}}
		for _, quota := range quotas(header, scopes{batch: "b", management: "m", app: "a"}, "b", time.Now()) {
			require.GreaterOrEqual(t, quota.Block, time.Duration(0))
			require.LessOrEqual(t, quota.Block, 24*time.Hour)
		}
	})
}

// FuzzReadAccepted wants no success and no lost refusal out of an answer to a POST.
func FuzzReadAccepted(f *testing.F) {
	for _, seed := range []string{
		`{"handles":["h"],"validation_status":[{"retailer_id":"A","errors":[{"message":"no"}]}]}`,
		`{"validation_status":[{"errors":[{"message":"Can not find required field id"}]}]}`,
		`{"validation_status":{"A":{"errors":"no"},"B":["x",null]},"handles":{"handle":7}}`,
		`{"handles":"h","handles":[null," ",{},7.5],"validation_status":["x",{"id":"B","warnings":{"message":"hm"}}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		value, ok := rest.Parse(body)
		if !ok {
			return
		}
		read := readAccepted(value)
		require.LessOrEqual(t, len(read.handles), maxHandles)
		for _, handle := range read.handles {
			require.NotEmpty(t, strings.TrimSpace(handle))
		}
		require.False(t, read.nothing && len(read.handles) > 0)
		found := (&endpoint{dialect: itemsBatch{}, row: productItem()}).validation(read.rows, recordsOf("A", "B"), same)
		for i, verdict := range found.named {
			require.Contains(t, []int{0, 1}, i)
			require.Contains(t, []platform.Outcome{platform.Unknown, platform.Failed}, verdict.Outcome, "a POST's answer confirms nothing")
			require.False(t, verdict.Outcome == platform.Failed && len(verdict.Errors) == 0, "a refusal has words")
		}
		require.Equal(t, found.firstError != "", found.unnamed || len(found.refused()) > 0)
	})
}

func benchmarkEncode(b *testing.B, d dialect, row *catalogType, id func(i int) string) {
	b.Helper()
	attributes := []byte(`{"title":"A lamp","description":"` + strings.Repeat("light ", 75) + `","link":"https://example.com/lamp","price":"24.99 USD"}`)
	records := make([]catalog.Record, 5000)
	for i := range records {
		records[i] = catalog.Record{
			Key: catalog.ItemKey{ItemID: id(i)}, Change: catalog.Change{Operation: catalog.Upsert, Attributes: attributes},
		}
	}
	e := &endpoint{dialect: d, row: row}
	dst := make([]byte, 0, 8<<20)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = e.Encode(dst[:0], "", records, 0); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(records)), "ns/item")
}

func BenchmarkEncodeProducts(b *testing.B) {
	benchmarkEncode(b, itemsBatch{}, productItem(), func(i int) string { return fmt.Sprintf("SKU-%06d", i) })
}

func BenchmarkEncodeLegacyProducts(b *testing.B) {
	benchmarkEncode(b, legacyBatch{}, productItem(), func(i int) string { return fmt.Sprintf("SKU-%06d", i) })
}

func BenchmarkEncodeLocalizedProducts(b *testing.B) {
	benchmarkEncode(b, localizedBatch{}, productItem(), func(i int) string { return fmt.Sprintf("SKU-%06d", i) })
}

func BenchmarkEncodeFlights(b *testing.B) {
	benchmarkEncode(b, itemsBatch{}, flight(), func(i int) string { return fmt.Sprintf("A%03d/B%03d", i/1000, i%1000) })
}
