package platformtest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/platform"
)

// Value is one row of a table of values that people publish, and of what is right on
// each level of rules.
type Value struct {
	// Catalog is a name of the settings, Type a catalog type.
	Catalog, Type string
	// Operation defaults to UPDATE, ItemID to SKU-1.
	Operation, ItemID string
	// Country makes it a localization for a country.
	Country    string
	Attributes string
	// Want is a verdict and the attributes that it is about:
	//
	//	ok          taken on every level without a warning
	//	warned x    taken on every level, with a warning under warn and strict
	//	by level x  taken under off, a warning under warn, refused under strict
	//	refused x   refused on every level
	Want string
	// Source says where that is written, or why it is so.
	Source string
}

// Values publishes each row as a worker reads it, for an account of each level.
func Values(
	t *testing.T, rows []Value, catalogs map[string]setting.Values, open func(platform.Settings) (platform.Account, error),
) {
	t.Helper()
	accounts := map[platform.RuleLevel]platform.Account{}
	names := map[platform.RuleLevel]string{platform.RulesOff: "off", platform.RulesWarn: "warn", platform.RulesStrict: "strict"}
	for level := range names {
		account, err := open(platform.Settings{
			Name: "acme", Rules: level, Catalogs: catalogs, Token: func(context.Context) (string, error) { return canary, nil },
		})
		require.NoError(t, err)
		accounts[level] = account
	}
	seen := map[string]bool{}
	for _, row := range rows {
		row = row.complete()
		name := strings.Join([]string{row.Catalog, row.Type, row.Operation, row.ItemID, row.Attributes}, " ")
		require.False(t, seen[name], "two rows %s", name)
		seen[name] = true
		require.NotEmpty(t, row.Source, name)
		for level, account := range accounts {
			assert.Equal(t, row.verdict(level), row.publish(t, account), "%.200s, rules: %s", name, names[level])
		}
	}
}

func (v Value) complete() Value {
	if v.Operation == "" {
		v.Operation = "UPDATE"
	}
	if v.ItemID == "" {
		v.ItemID = "SKU-1"
	}
	if v.Catalog == "" {
		v.Catalog = "main"
	}
	return v
}

// verdict is what Want says of one level: "ok", or "warned" or "refused" and where.
func (v Value) verdict(level platform.RuleLevel) string {
	switch {
	case level == platform.RulesOff && !strings.HasPrefix(v.Want, "refused "):
		return "ok"
	case strings.HasPrefix(v.Want, "by level "):
		fields := strings.TrimPrefix(v.Want, "by level ")
		if level == platform.RulesStrict {
			return "refused " + fields
		}
		return "warned " + fields
	default:
		return v.Want
	}
}

func (v Value) publish(t *testing.T, account platform.Account) string {
	t.Helper()
	object := map[string]any{"item_id": v.ItemID, "operation": v.Operation}
	if v.Attributes != "" {
		object["attributes"] = json.RawMessage(v.Attributes)
	}
	if v.Country != "" {
		object["localization"] = map[string]string{"type": "COUNTRY", "value": v.Country}
	}
	body, err := json.Marshal(object)
	require.NoError(t, err, v.Attributes)
	arrival := message.Decode(message.Raw{
		Subject: fmt.Sprintf("catalog.mutations.acme.%s.%s", v.Catalog, v.Type), Data: body,
		Position: catalog.Position{Generation: 1, Sequence: 1},
	})
	if arrival.Problem != nil {
		return told("refused", []catalog.Problem{*arrival.Problem})
	}
	endpoint, problem := account.Endpoint(arrival.Mutation.Lane.Catalog, arrival.Mutation.Lane.Type)
	require.Nil(t, problem)
	problem, warnings := endpoint.Validate(arrival.Mutation)
	if problem != nil {
		return told("refused", append([]catalog.Problem{*problem}, problem.Others...))
	}
	v.encode(t, endpoint, arrival.Mutation)
	if len(warnings) > 0 {
		return told("warned", warnings)
	}
	return "ok"
}

// encode wants a body of every value that is taken, no longer than was said.
func (v Value) encode(t *testing.T, endpoint platform.Endpoint, m *catalog.Mutation) {
	t.Helper()
	for change, rest := endpoint.Split(m.Change()); ; {
		record := catalog.Record{Key: m.Key(), Change: change}
		body, err := endpoint.Encode(nil, endpoint.Group(change.Operation), []catalog.Record{record}, 0)
		require.NoError(t, err, v.Attributes)
		require.True(t, json.Valid(body), "%s", body)
		require.LessOrEqual(t, len(body), endpoint.Overhead()+endpoint.RecordSize(m.Key(), change), v.Attributes)
		if rest == nil {
			return
		}
		change, rest = *rest, nil
	}
}

// told names what problems are about, each once and sorted.
func told(verdict string, problems []catalog.Problem) string {
	fields := map[string]bool{}
	for _, one := range problems {
		fields[strings.TrimPrefix(one.Field, "attributes.")] = true
	}
	return verdict + " " + strings.Join(slices.Sorted(maps.Keys(fields)), " ")
}
