package platformtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform"
)

func hasNull(attributes string) bool {
	found := false
	gjson.Parse(attributes).ForEach(func(_, value gjson.Result) bool {
		found = found || value.Type == gjson.Null
		return true
	})
	return found
}

// accepts wants nothing to be wrong with the mutation.
func accepts(t *testing.T, endpoint platform.Endpoint, m *catalog.Mutation) {
	t.Helper()
	problem, warnings := endpoint.Validate(m)
	require.Nil(t, problem)
	require.Empty(t, warnings)
}

// operations does each operation and compares the platform's state with the one
// that the mutations mean.
func (s Suite) operations(t *testing.T) {
	b := s.open(t, sandbox.Options{})
	steps := [][]*catalog.Mutation{
		{s.mutation(0, catalog.Create, s.Complete), s.mutation(1, catalog.Upsert, s.Complete), s.mutation(2, catalog.Create, s.Complete)},
		{s.mutation(0, catalog.Update, s.Update), s.mutation(1, catalog.Update, s.Update)},
		{s.mutation(2, catalog.Delete, "")},
		{s.mutation(1, catalog.Upsert, s.Complete)},
	}
	var done []*catalog.Mutation
	for _, step := range steps {
		var records []catalog.Record
		for _, m := range step {
			accepts(t, b.endpoint, m)
			records = append(records, s.recordOf(m))
		}
		b.succeedAll(t, records...)
		done = append(done, step...)
		require.Equal(t, b.expect(t, done...), b.items())
	}
	require.Len(t, b.items(), 2)
	if s.Discontinues {
		last := s.mutation(1, catalog.DeleteDiscontinued, "")
		accepts(t, b.endpoint, last)
		b.succeed(t, s.recordOf(last))
		require.Equal(t, b.expect(t, append(done, last)...), b.items())
	}
}

func (s Suite) deleteThenRecreate(t *testing.T) {
	b := s.open(t, sandbox.Options{})
	b.succeed(t, s.record(0, catalog.Create, with(s.Complete, s.Clearable, s.ClearValue)))
	b.succeed(t, s.record(0, catalog.Delete, ""))
	require.Empty(t, b.items())
	b.succeed(t, s.record(0, catalog.Create, s.Complete))
	require.Equal(t, b.expect(t, s.mutation(0, catalog.Create, s.Complete)), b.items())
}

// clearing sets an attribute to null and wants it gone, and nothing else.
func (s Suite) clearing(t *testing.T) {
	if s.NeverClears {
		return // validation wants the null refused
	}
	b := s.open(t, sandbox.Options{})
	first := s.mutation(0, catalog.Create, with(s.Complete, s.Clearable, s.ClearValue))
	b.succeed(t, s.recordOf(first))
	require.Contains(t, b.items()[s.ItemID(0)], s.Clearable)

	second := s.mutation(0, catalog.Update, with(s.Update, s.Clearable, "null"))
	accepts(t, b.endpoint, second)
	b.succeed(t, s.recordOf(second))
	require.NotContains(t, b.items()[s.ItemID(0)], s.Clearable)
	require.Equal(t, b.expect(t, first, second), b.items())

	only := s.mutation(0, catalog.Update, object(s.Clearable, "null"))
	accepts(t, b.endpoint, only)
	b.succeed(t, s.recordOf(only))
	require.Equal(t, b.expect(t, first, second, only), b.items())
}

// splitting sends what one record cannot carry as two, in order.
func (s Suite) splitting(t *testing.T) {
	b := s.open(t, sandbox.Options{})
	changed := s.ClearValue
	if !s.NeverClears {
		changed = "null"
	}
	whole := s.mutation(0, catalog.Update, with(s.Update, s.Clearable, changed))
	first, rest := b.endpoint.Split(whole.Change())
	require.Nil(t, rest, "one record carries all of it")
	require.JSONEq(t, string(whole.Attributes), string(first.Attributes))
	if s.Beside == "" {
		return
	}
	create := s.mutation(0, catalog.Create, with(s.Complete, s.Clearable, s.ClearValue))
	b.succeed(t, s.recordOf(create))
	change := s.mutation(0, catalog.Update, with(with(s.Update, s.Clearable, "null"), s.Beside, `"https://example.com/beside"`))
	accepts(t, b.endpoint, change)
	first, rest = b.endpoint.Split(change.Change())
	require.NotNil(t, rest)
	require.False(t, rest.HasNull)
	again, none := b.endpoint.Split(*rest)
	require.Nil(t, none)
	require.Equal(t, *rest, again)
	_, err := b.endpoint.Encode(nil, b.endpoint.Group(catalog.Update), []catalog.Record{s.recordOf(change)}, 0)
	require.Error(t, err, "a change that was not split must not be sent")
	for _, part := range []catalog.Change{first, *rest} {
		record := s.recordOf(change)
		record.Change = part
		b.succeed(t, record)
	}
	require.Equal(t, b.expect(t, create, change), b.items())
}

// keys repeats the key inside the attributes, rightly and wrongly.
func (s Suite) keys(t *testing.T) {
	b := s.open(t, sandbox.Options{})
	right := s.mutation(0, catalog.Create, with(s.Complete, s.Key, s.KeyValue))
	accepts(t, b.endpoint, right)
	b.succeed(t, s.recordOf(right))
	require.Equal(t, b.expect(t, right), b.items())

	for _, wrong := range []string{`"another"`, `7`, `null`, `{}`, `[` + s.KeyValue + `]`} {
		problem, _ := b.endpoint.Validate(s.mutation(0, catalog.Update, with(s.Update, s.Key, wrong)))
		require.NotNil(t, problem, wrong)
		require.Equal(t, catalog.KeyMismatch, problem.Reason)
		require.Contains(t, problem.Field, s.Key)
	}
	// A number is not the string of its digits.
	number := s.mutation(0, catalog.Update, with(s.Update, s.Key, "7"))
	number.ItemID = strings.Replace(s.ItemID(0), strings.Trim(s.KeyValue, `"`), "7", 1)
	problem, _ := b.endpoint.Validate(number)
	require.NotNil(t, problem)
	require.Equal(t, catalog.KeyMismatch, problem.Reason)
}

func (s Suite) validation(t *testing.T) {
	b := s.open(t, sandbox.Options{})
	refuse := func(reason catalog.Reason, field string, m *catalog.Mutation) {
		t.Helper()
		problem, _ := b.endpoint.Validate(m)
		require.NotNil(t, problem)
		require.Equal(t, reason, problem.Reason)
		require.Equal(t, field, problem.Field)
		require.NotEmpty(t, problem.Text)
	}
	if !s.Discontinues {
		refuse(catalog.UnsupportedOperation, "operation", s.mutation(0, catalog.DeleteDiscontinued, ""))
	}
	refuse(catalog.NotClearable, "attributes."+s.Unclearable, s.mutation(0, catalog.Update, object(s.Unclearable, "null")))
	refuse(catalog.NotClearable, "attributes.no_such_field", s.mutation(0, catalog.Update, object("no_such_field", "null")))
	if s.NotUpdatable != "" {
		refuse(catalog.NotUpdatable, "attributes."+s.NotUpdatable,
			s.mutation(0, catalog.Update, object(s.NotUpdatable, `"https://example.com/a.jpg"`)))
		refuse(catalog.NotUpdatable, "attributes."+s.NotUpdatable, s.mutation(0, catalog.Update, object(s.NotUpdatable, "null")))
	}
	misplaced := s.mutation(0, catalog.Update, s.Update)
	if s.Localization.IsZero() {
		misplaced.Localization = catalog.Localization{Type: "LANGUAGE", Value: "pl_PL"}
		refuse(catalog.InvalidValue, "localization", misplaced)
	} else {
		misplaced.Localization = catalog.Localization{}
		refuse(catalog.MissingField, "localization", misplaced)
	}
	accepts(t, b.endpoint, s.mutation(0, catalog.Delete, ""))
	if s.NoNulls {
		refuse(catalog.InvalidValue, "attributes."+s.Clearable, s.mutation(0, catalog.Create, with(s.Complete, s.Clearable, "null")))
	} else {
		accepts(t, b.endpoint, s.mutation(0, catalog.Create, with(s.Complete, s.Clearable, "null")))
	}
}

func (s Suite) encoding(t *testing.T) {
	b := s.open(t, sandbox.Options{})
	records := []catalog.Record{
		s.record(0, catalog.Upsert, s.Complete), s.record(1, catalog.Create, s.Complete), s.record(2, catalog.Delete, ""),
	}
	if group := b.endpoint.Group(catalog.Create); group != b.endpoint.Group(catalog.Delete) || group != b.endpoint.Group(catalog.Upsert) {
		_, err := b.endpoint.Encode(nil, group, records, 0)
		require.Error(t, err, "records of another group are not sent with this one")
		records = s.three()
	}
	seen := map[string]bool{}
	for variant := range 3 {
		body, err := b.endpoint.Encode([]byte("kept"), b.group(records), records, variant)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(body), "kept"), "Encode appends")
		body = body[len("kept"):]
		require.True(t, gjson.ValidBytes(body), string(body))
		require.False(t, seen[string(body)], "variants differ")
		seen[string(body)] = true
		b.checkSize(t, body, records)
	}
	spaced := s.record(3, catalog.Create, " \n"+strings.Replace(s.Complete, "{", "{\t", 1)+" ")
	b.succeed(t, spaced)
	odd := "quote\" back\\slash ünïcode \x01"
	if !strings.Contains(s.ItemID(0), "/") {
		record := s.record(4, catalog.Create, s.Complete)
		record.Key.ItemID = odd
		b.succeed(t, record)
		require.Contains(t, b.items(), odd)
	}
	limits := b.endpoint.Limits()
	require.Positive(t, limits.MaxItems)
	require.Positive(t, limits.MaxBytes)
}

func (s Suite) unknownPlaces(t *testing.T) {
	b := s.open(t, sandbox.Options{})
	_, problem := b.account.Endpoint("elsewhere", s.Type)
	require.NotNil(t, problem)
	require.Equal(t, catalog.UnknownCatalog, problem.Reason)
	_, problem = b.account.Endpoint("main", "TEAPOT")
	require.NotNil(t, problem)
	require.Equal(t, catalog.UnknownType, problem.Reason)
	require.Contains(t, problem.Text, string(s.Type), "says what there is")
	require.NotEmpty(t, b.account.Scopes())
}

// with adds a member to a JSON object, or gives it another value.
func with(attributes, name, raw string) string {
	merged := "{"
	gjson.Parse(attributes).ForEach(func(key, value gjson.Result) bool {
		if key.Str != name {
			merged += key.Raw + ":" + value.Raw + ","
		}
		return true
	})
	return merged + fmt.Sprintf("%q:%s}", name, raw)
}

// object is a JSON object with one member.
func object(name, raw string) string { return with("{}", name, raw) }
