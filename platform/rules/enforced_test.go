package rules

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
)

// TestEnforcedRowsHoldOnEveryLevel: a value that refuses a whole request is refused,
// also inside of lists and objects; the same row without the trait follows the level.
func TestEnforcedRowsHoldOnEveryLevel(t *testing.T) {
	t.Parallel()
	table := func(traits Trait) *Table {
		return (&Table{Platform: "Shop", Type: "LAMP", Keys: []string{"lamp"}, Fields: []Field{
			{Name: "n", Types: Integer, Traits: traits},
			{Name: "label", Types: String, MaxLength: 3, Traits: traits},
			{Name: "list", Types: List, MinItems: 1, MaxItems: 2, Traits: traits, Element: &Field{
				Types: Object, Members: []Field{{Name: "deep", Types: List, Element: &Field{Types: Boolean}}},
			}},
		}}).Compile()
	}
	enforced, loose := table(Enforced|EnforcedLength|EnforcedCount), table(0)
	for attributes, always := range map[string]bool{
		`{"n":"1"}`: true, `{"n":1.5}`: true, `{"n":1.0}`: false, `{"n":1e3}`: false, `{"n":null}`: false, `{"n":[1]}`: true,
		`{"label":"four"}`: true, `{"label":4}`: true, `{"list":[]}`: true, `{"list":[{},{},{}]}`: true, `{"list":[null]}`: true,
		`{"list":[{"deep":["yes"]}]}`: true, `{"list":[{"deep":[true,null]}]}`: true, `{"list":[{"deep":[true],"x":1}]}`: false,
	} {
		for _, level := range []platform.RuleLevel{platform.RulesOff, platform.RulesWarn, platform.RulesStrict} {
			m := &catalog.Mutation{ItemID: "l", Operation: catalog.Update, Attributes: []byte(attributes)}
			findings := enforced.Check(m, level)
			require.Equal(t, always, len(findings.hard) > 0, "%s on level %d", attributes, level)
			findings = loose.Check(m, level)
			require.Empty(t, findings.hard, attributes)
		}
	}
}

// TestDoubtsNeverRefuse: they warn where values are looked at, in bounds.
func TestDoubtsNeverRefuse(t *testing.T) {
	t.Parallel()
	for level, want := range map[platform.RuleLevel]int{platform.RulesOff: 0, platform.RulesWarn: maxFindings, platform.RulesStrict: maxFindings} {
		var findings Findings
		for range 2 * maxFindings {
			findings.AddDoubt(catalog.Problem{Reason: catalog.InvalidValue, Text: "odd"})
		}
		problem, warnings := findings.Result(level)
		require.Nil(t, problem)
		require.Len(t, warnings, want)
	}
}
