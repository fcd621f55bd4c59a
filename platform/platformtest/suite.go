// Package platformtest is the one conformance suite that every platform client
// passes, through real HTTP against a simulated platform with state.
package platformtest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform"
)

// Suite says what the suite must know of one catalog type of one platform.
type Suite struct {
	Type catalog.Type
	// Platform makes the client and the simulated platform that it talks to.
	Platform platform.Descriptor
	// Catalog are the keys of the catalog.
	Catalog setting.Values

	// ItemID makes distinct item ids. Complete are the attributes of a whole item,
	// without its key.
	ItemID   func(i int) string
	Complete string
	// Update is a change that UPDATE can carry; Bad a complete item that the platform
	// takes and then refuses.
	Update string
	Bad    string
	// Clearable is an optional attribute with a value; Unclearable one that UPDATE
	// cannot clear; NotUpdatable one with a value that UPDATE cannot carry ("" none).
	Clearable    string
	ClearValue   string
	Unclearable  string
	NotUpdatable string
	// NeverClears reports that no attribute of the type can be cleared; Clearable is
	// then just an optional one.
	NeverClears bool
	// NoNulls reports that no operation takes a null.
	NoNulls bool
	// Discontinues reports that DELETE_DISCONTINUED exists here.
	Discontinues bool
	// Beside is an attribute with a value that cannot travel in the same record as a
	// null ("" when all can).
	Beside string
	// Key is an attribute that repeats (a part of) the key, with the value that item 0
	// has.
	Key      string
	KeyValue string
	// Localization makes the suite's items localizations of items that the Sandbox
	// must have already. Any UPDATE makes one.
	Localization catalog.Localization
	// NamesItems reports that the platform's answer names every item, also those that
	// succeeded.
	NamesItems bool
	// AtOnce reports that the platform processes a batch before it answers the POST, so
	// that every submission is final and nothing is polled.
	AtOnce bool
}

// canary is an access token that must never be seen outside the request header.
const canary = "canary-Zk7pQ4-secret-0123456789"

// Run runs the whole suite.
func Run(t *testing.T, suite Suite) {
	t.Helper()
	t.Run("operations", suite.operations)
	t.Run("delete then recreate", suite.deleteThenRecreate)
	t.Run("clearing", suite.clearing)
	t.Run("splitting", suite.splitting)
	t.Run("keys", suite.keys)
	t.Run("validation", suite.validation)
	t.Run("verdicts", suite.verdicts)
	t.Run("final or polled", suite.finalOrPolled)
	if !suite.AtOnce {
		t.Run("lying answers", suite.lyingAnswers)
		t.Run("odd answers", suite.oddAnswers)
	}
	t.Run("batch failures", suite.batchFailures)
	t.Run("failure scopes", suite.failureScopes)
	t.Run("ambiguity", suite.ambiguity)
	t.Run("quotas", suite.quotas)
	t.Run("encoding", suite.encoding)
	t.Run("unknown places", suite.unknownPlaces)
}

// bench is one client connected to one simulated platform.
type bench struct {
	suite    Suite
	sandbox  sandbox.Platform
	account  platform.Account
	endpoint platform.Endpoint
}

func (s Suite) open(t *testing.T, options sandbox.Options) *bench {
	t.Helper()
	options.Tokens = append(options.Tokens, canary)
	// Far away: batches are applied when a test settles them.
	options.Delay = max(options.Delay, time.Hour)
	simulated := s.Platform.Simulated(options)
	server := httptest.NewServer(simulated)
	t.Cleanup(func() {
		simulated.Close()
		server.Close()
	})
	account, err := s.Platform.New(s.settings(server.URL+simulated.BasePath(), server.Client()))
	require.NoError(t, err)
	endpoint, problem := account.Endpoint("main", s.Type)
	require.Nil(t, problem)
	return &bench{suite: s, sandbox: simulated, account: account, endpoint: endpoint}
}

// patience is for a busy machine: the servers of these tests answer at once, end the
// connection, or the call ends before.
const patience = time.Minute

func (s Suite) settings(address string, client *http.Client) platform.Settings {
	return platform.Settings{
		Name: "acme", BaseURL: address, HTTP: client, Timeout: patience,
		Token:    func(context.Context) (string, error) { return canary, nil },
		Catalogs: map[string]setting.Values{"main": s.Catalog},
	}
}

// lane is where the suite's items live.
func (s Suite) lane() catalog.Lane {
	return catalog.Lane{Account: "acme", Catalog: "main", Type: s.Type}
}

// record is one change of item i.
func (s Suite) record(i int, operation catalog.Operation, attributes string) catalog.Record {
	return s.recordOf(s.mutation(i, operation, attributes))
}

func (s Suite) recordOf(m *catalog.Mutation) catalog.Record {
	return catalog.Record{Key: m.Key(), Change: m.Change(), Constituents: []*catalog.Mutation{m}}
}

func (s Suite) mutation(i int, operation catalog.Operation, attributes string) *catalog.Mutation {
	m := &catalog.Mutation{
		ID: "m", Lane: s.lane(), ItemID: s.ItemID(i), Localization: s.Localization, Operation: operation,
	}
	if attributes != "" {
		m.Attributes = []byte(attributes)
		m.HasNull = hasNull(attributes)
	}
	return m
}

// submit encodes and posts the records, which must share a group.
func (b *bench) submit(t *testing.T, records ...catalog.Record) (platform.Submission, error) {
	t.Helper()
	body := b.encode(t, records, 0)
	b.checkSize(t, body, records)
	submission, err := b.endpoint.Submit(t.Context(), body, b.group(records), records)
	if err == nil {
		require.Empty(t, submission.Broken(len(records)))
		require.Equal(t, b.suite.AtOnce, submission.Final)
	}
	return submission, err
}

// checkSize holds a body to what the endpoint promised of its size.
func (b *bench) checkSize(t *testing.T, body []byte, records []catalog.Record) {
	t.Helper()
	bound := b.endpoint.Overhead()
	for _, record := range records {
		bound += b.endpoint.RecordSize(record.Key, record.Change)
	}
	require.LessOrEqual(t, len(body), bound)
}

// succeedAll delivers records of any operations, each group in a request of its
// own.
func (b *bench) succeedAll(t *testing.T, records ...catalog.Record) {
	t.Helper()
	for len(records) > 0 {
		group := b.endpoint.Group(records[0].Change.Operation)
		other := func(r catalog.Record) bool { return b.endpoint.Group(r.Change.Operation) != group }
		b.succeed(t, slices.DeleteFunc(slices.Clone(records), other)...)
		records = slices.DeleteFunc(records, func(r catalog.Record) bool { return !other(r) })
	}
}

// encode makes the body of records that share a group.
func (b *bench) encode(t *testing.T, records []catalog.Record, variant int) []byte {
	t.Helper()
	body, err := b.endpoint.Encode(nil, b.group(records), records, variant)
	require.NoError(t, err)
	return body
}

func (b *bench) group(records []catalog.Record) string {
	return b.endpoint.Group(records[0].Change.Operation)
}

// deliver posts the records, lets the platform work and reads the report; the answer to
// the POST is the report where the platform answers at once.
func (b *bench) deliver(t *testing.T, records ...catalog.Record) platform.Report {
	t.Helper()
	submission, err := b.submit(t, records...)
	require.NoError(t, err)
	if submission.Final {
		return platform.Report{Progress: platform.Finished, Verdicts: submission.Verdicts, Quotas: submission.Quotas}
	}
	report, err := b.poll(t, submission.Handles[0], records)
	require.NoError(t, err)
	require.Equal(t, platform.Pending, report.Progress)
	b.sandbox.Settle()
	report, err = b.poll(t, submission.Handles[0], records)
	require.NoError(t, err)
	require.Equal(t, platform.Finished, report.Progress)
	require.Len(t, report.Verdicts, len(records))
	return report
}

func (b *bench) poll(t *testing.T, handle string, records []catalog.Record) (platform.Report, error) {
	t.Helper()
	return b.endpoint.Poll(t.Context(), handle, b.group(records), records)
}

// succeed delivers the records and wants all of them to succeed.
func (b *bench) succeed(t *testing.T, records ...catalog.Record) {
	t.Helper()
	for i, verdict := range b.deliver(t, records...).Verdicts {
		require.Equal(t, platform.Succeeded, verdict.Outcome, "record %d: %v", i, verdict.Errors)
		require.Empty(t, verdict.Errors)
	}
}

// items is the platform's state.
func (b *bench) items() map[string]string {
	return b.sandbox.Items(b.sandbox.CatalogKey(b.suite.Catalog), b.suite.Type)
}

// expect is the state after applying mutations one at a time to a fresh platform.
func (b *bench) expect(t *testing.T, mutations ...*catalog.Mutation) map[string]string {
	t.Helper()
	fresh := b.suite.Platform.Simulated(sandbox.Options{})
	t.Cleanup(fresh.Close)
	for _, m := range mutations {
		require.NoError(t, fresh.Apply(fresh.CatalogKey(b.suite.Catalog), b.suite.Type, m))
	}
	return fresh.Items(fresh.CatalogKey(b.suite.Catalog), b.suite.Type)
}
