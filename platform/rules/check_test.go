package rules

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
)

// lamps is a table with every sort of rule.
func lamps() *Table {
	table := &Table{
		Platform: "Shop", Type: "LAMP", Keys: []string{"shop", "lamp"},
		CreatedBy: []catalog.Operation{catalog.Create},
		Nulls: map[catalog.Operation]NullRule{
			catalog.Create: {
				Allows: func(f *Field) bool { return f.Has(Nullable) }, Reason: catalog.InvalidValue, Text: " cannot be null",
			},
			catalog.Update: {Allows: (*Field).Clearable, Reason: catalog.NotClearable, Text: " cannot be cleared"},
		},
		NotUpdatable: " cannot be updated",
		Fields: []Field{
			{Name: "shop", Key: 1, Types: String, Required: true},
			{Name: "lamp", Key: 2, Types: String, MaxLength: 5, Source: "the key's page"},
			{Name: "title", Types: String, Required: true, MaxLength: 10, Traits: Localizable, Source: "page 1"},
			{Name: "picture", Types: String, Format: URL, Required: true, AlternativeTo: "pictures", Traits: Fixed},
			{Name: "pictures", Types: List, MinItems: 1, MaxItems: 2, Cleared: EmptyList, Element: &Field{
				Types: Object,
				Members: []Field{
					{Name: "url", Types: String, Format: URL, Required: true},
					{Name: "tags", Types: List, Element: &Field{Types: String, MaxLength: 3}, Traits: Nullable},
				},
			}},
			{Name: "colour", Types: String, Values: []string{"Red", "Blue"}, Cleared: EmptyString, Traits: Nullable},
			{Name: "price", Types: String | Integer, Format: Price, Traits: Localizable | CountryOnly},
			{Name: "bargain", Types: String, Format: Price, LessThan: "price"},
			{Name: "watts_{0..2}", Types: String | Number, Format: DecimalBetween(0, 100)},
			{Name: "stars", Types: Number, Requires: "voters"},
			{Name: "voters", Types: Integer},
			{Name: "app", Types: Object, Traits: Localizable, Members: []Field{
				{Name: "name", Types: String, Traits: RequiredTogether},
				{Name: "address", Types: String, Traits: RequiredTogether},
				{Name: "logo", Types: String},
			}},
			{Name: "on", Types: Boolean},
		},
	}
	return table.Compile()
}

const wholeLamp = `{"title":"Lamp","picture":"https://x.org/a"`

// found lists findings as "level reason field", hard ones first.
func found(f Findings) (list []string) {
	for level, problems := range map[string][]catalog.Problem{"hard": f.hard, "value": f.values, "unknown": f.unknown} {
		for _, p := range problems {
			list = append(list, level+" "+string(p.Reason)+" "+p.Field)
		}
	}
	return list
}

func TestEveryRuleIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	const create, upsert, update, remove = catalog.Create, catalog.Upsert, catalog.Update, catalog.Delete
	table := lamps()
	for _, test := range []struct {
		operation  catalog.Operation
		id         string
		attributes string
		want       []string
	}{
		{create, "s/l", wholeLamp + `}`, nil},
		{create, "s/l", wholeLamp + `,"shop":"s","lamp":"\u006c"}`, nil},
		{create, "a%2Fb/l", wholeLamp + `,"shop":"a/b"}`, nil},
		{create, "s/l", wholeLamp + `,"shop":"x","lamp":7}`, []string{
			"hard key_mismatch attributes.shop", "hard key_mismatch attributes.lamp",
		}},
		{remove, "s/l", `{"shop":"x","title":1}`, []string{"hard key_mismatch attributes.shop"}},
		{remove, "s/l", ``, nil},
		{remove, "s", ``, []string{"hard bad_key item_id"}},
		{update, "s", `{"shop":"x"}`, []string{"hard bad_key item_id"}},
		{remove, "s/l/m", ``, []string{"hard bad_key item_id"}},
		{remove, "s/", ``, []string{"hard bad_key item_id"}},
		{remove, "s%/l", ``, []string{"hard bad_key item_id"}},
		{update, "s/longer", `{}`, []string{"value invalid_value item_id"}},
		// null
		{create, "s/l", wholeLamp + `,"colour":null}`, nil},
		{create, "s/l", wholeLamp + `,"on":null}`, []string{"hard invalid_value attributes.on"}},
		{create, "s/l", wholeLamp + `,"other":null}`, []string{"unknown unknown_attribute attributes.other"}},
		{update, "s/l", `{"colour":null,"pictures":null}`, nil},
		{update, "s/l", `{"on":null,"other":null}`, []string{
			"hard not_clearable attributes.on", "hard not_clearable attributes.other",
		}},
		{upsert, "s/l", `{"on":null}`, nil},
		{update, "s/l", `{"picture":null}`, []string{"hard not_updatable attributes.picture"}},
		{update, "s/l", `{"picture":"https://x.org/a"}`, []string{"hard not_updatable attributes.picture"}},
		// required
		{create, "s/l", `{}`, []string{"value missing_field attributes.title", "value missing_field attributes.picture"}},
		{create, "s/l", ``, []string{"value missing_field attributes.title", "value missing_field attributes.picture"}},
		{create, "s/l", `{"title":"T","pictures":[{"url":"http://x"}]}`, nil},
		{upsert, "s/l", `{}`, nil},
		{update, "s/l", `{"stars":1.5}`, nil},
		{create, "s/l", wholeLamp + `,"stars":1.5}`, []string{"value missing_field attributes.stars"}},
		{create, "s/l", wholeLamp + `,"stars":1.5,"voters":3}`, nil},
		// types
		{update, "s/l", `{"title":1}`, []string{"value wrong_type attributes.title"}},
		{update, "s/l", `{"pictures":"x"}`, []string{"value wrong_type attributes.pictures"}},
		{update, "s/l", `{"voters":1.5}`, []string{"value wrong_type attributes.voters"}},
		{update, "s/l", `{"voters":"1"}`, []string{"value wrong_type attributes.voters"}},
		{update, "s/l", `{"on":"true"}`, []string{"value wrong_type attributes.on"}},
		{update, "s/l", `{"on":true,"watts_0":1,"watts_2":"2.5"}`, nil},
		{update, "s/l", `{"watts_3":1}`, []string{"unknown unknown_attribute attributes.watts_3"}},
		{update, "s/l", `{"watts_1":101}`, []string{"value invalid_value attributes.watts_1"}},
		{update, "s/l", `{"watts_1":"many"}`, []string{"value invalid_value attributes.watts_1"}},
		// texts
		{update, "s/l", `{"title":"1234567890"}`, nil},
		{update, "s/l", `{"title":"12345678901"}`, []string{"value invalid_value attributes.title"}},
		{update, "s/l", `{"title":"äöüäöüäöü\u00df"}`, nil},
		{update, "s/l", `{"title":"\ud83d\ude00\ud83d\ude00\ud83d\ude00\ud83d\ude00\ud83d\ude00"}`, nil},
		{update, "s/l", `{"colour":"rED"}`, nil},
		{update, "s/l", `{"colour":""}`, nil},
		{update, "s/l", `{"colour":"green"}`, []string{"value invalid_value attributes.colour"}},
		{update, "s/l", `{"colour":"\u0072ed"}`, nil},
		{update, "s/l", `{"price":""}`, []string{"value invalid_value attributes.price"}},
		{update, "s/l", `{"price":"24.99 USD"}`, nil},
		{update, "s/l", `{"price":"24.99 USD","bargain":"24.98 USD"}`, nil},
		{update, "s/l", `{"bargain":"24.99 USD","price":"24.99 USD"}`, []string{"value invalid_value attributes.bargain"}},
		{update, "s/l", `{"bargain":"25 EUR","price":"24.99 USD"}`, nil},
		{update, "s/l", `{"bargain":"25 EUR"}`, nil},
		{update, "s/l", `{"bargain":"25 EUR","price":7}`, []string{"value invalid_value attributes.price"}},
		// lists and objects
		{update, "s/l", `{"pictures":[]}`, nil},
		{update, "s/l", `{"pictures":[{"url":"http://x"},{"url":"http:\/\/x"},{"url":"http://x"}]}`, []string{
			"value invalid_value attributes.pictures",
		}},
		{update, "s/l", `{"pictures":[{"tags":["abcd",1]},{"url":"x","more":1}]}`, []string{
			"value invalid_value attributes.pictures[0].tags[0]", "value wrong_type attributes.pictures[0].tags[1]",
			"value missing_field attributes.pictures[0].url", "value invalid_value attributes.pictures[1].url",
		}},
		{update, "s/l", `{"pictures":[{"url":"http://x","tags":null}]}`, nil},
		{update, "s/l", `{"pictures":[{"url":null}]}`, []string{
			"value wrong_type attributes.pictures[0].url", "value missing_field attributes.pictures[0].url",
		}},
		{update, "s/l", `{"app":{"logo":"x"}}`, nil},
	} {
		m := &catalog.Mutation{ItemID: test.id, Operation: test.operation, Attributes: []byte(test.attributes)}
		require.ElementsMatch(t, test.want, found(table.Check(m, platform.RulesWarn)), "%s %s %s", test.operation, test.id, test.attributes)
	}
}

func TestLocalizedRecordsCarryOnlySomeFields(t *testing.T) {
	t.Parallel()
	table := lamps()
	for _, test := range []struct {
		attributes string
		country    bool
		want       []string
	}{
		{`{"title":"Lampe"}`, false, nil},
		{`{"colour":"Red"}`, true, []string{"value invalid_value attributes.colour"}},
		{`{"price":"1 EUR"}`, true, nil},
		{`{"price":"1 EUR"}`, false, []string{"value invalid_value attributes.price"}},
		{`{"app":{"name":"n","address":"a","logo":"l"}}`, false, nil},
		{`{"app":{"name":"n","logo":"l"}}`, false, []string{"value missing_field attributes.app.address"}},
		{`{"app":{}}`, false, nil},
	} {
		m := &catalog.Mutation{ItemID: "s/l", Operation: catalog.Create, Attributes: []byte(test.attributes)}
		require.ElementsMatch(t, test.want, found(table.CheckLocalized(m, platform.RulesStrict, test.country)), test.attributes)
	}
}

func TestTextsSayWhatIsWrongAndWhereItIsWritten(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü", 1000)
	m := &catalog.Mutation{ItemID: "s/l", Operation: catalog.Update, Attributes: []byte(`{"title":"` + long + `"}`)}
	findings := lamps().Check(m, platform.RulesStrict)
	require.Len(t, findings.values, 1)
	require.Equal(t, `the attribute title has 1000 characters, more than 10: "`+strings.Repeat("ü", maxShown)+`…" (source: page 1)`,
		findings.values[0].Text)

	m.Attributes = []byte(`{"` + long + `":1}`)
	findings = lamps().Check(m, platform.RulesStrict)
	require.Len(t, findings.unknown, 1)
	require.Less(t, len(findings.unknown[0].Text), 400)
}

func TestUnknownAttributesShareOneWarning(t *testing.T) {
	t.Parallel()
	m := &catalog.Mutation{ItemID: "s/l", Operation: catalog.Update, Attributes: []byte(`{"one":1,"stars":2,"two":2,"three":[]}`)}
	findings := lamps().Check(m, platform.RulesWarn)
	_, warnings := findings.Result(platform.RulesWarn)
	require.Equal(t, []catalog.Problem{{
		Reason: catalog.UnknownAttribute, Field: "attributes",
		Text: "the attributes one, two, three are not documented for Shop's LAMP items; they are sent as they are",
	}}, warnings)
}

func TestWarningsOfOneItemAreBounded(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`"` + strings.Repeat("ü", 50) + `%d":1`, `"watts_%d":"` + strings.Repeat("x", 90) + `"`} {
		var attributes strings.Builder
		for i := range 100 {
			fmt.Fprintf(&attributes, ","+text, i)
		}
		m := &catalog.Mutation{ItemID: "s/l", Operation: catalog.Create, Attributes: []byte("{" + attributes.String()[1:] + "}")}
		findings := lamps().Check(m, platform.RulesWarn)
		_, warnings := findings.Result(platform.RulesWarn)
		size := 0
		for _, w := range warnings {
			size += len(w.Field) + len(w.Text)
		}
		require.Less(t, size, 1200)
		require.Regexp(t, "and [0-9]+ more", warnings)
	}
}

func TestLevelsDecideWhatAValueRuleDoes(t *testing.T) {
	t.Parallel()
	m := &catalog.Mutation{
		ItemID: "s/l", Operation: catalog.Update,
		Attributes: []byte(`{"title":1,"colour":"green","on":null,"other":2,"picture":"x"}`),
	}
	reasons := func(problems []catalog.Problem) (list []catalog.Reason) {
		for _, p := range problems {
			list = append(list, p.Reason)
		}
		return list
	}
	for _, test := range []struct {
		level              platform.RuleLevel
		problems, warnings []catalog.Reason
	}{
		{
			platform.RulesWarn,
			[]catalog.Reason{catalog.NotClearable, catalog.NotUpdatable},
			[]catalog.Reason{catalog.WrongType, catalog.InvalidValue, catalog.InvalidValue, catalog.UnknownAttribute},
		},
		{
			platform.RulesStrict,
			[]catalog.Reason{catalog.NotClearable, catalog.NotUpdatable, catalog.WrongType, catalog.InvalidValue, catalog.InvalidValue},
			[]catalog.Reason{catalog.UnknownAttribute},
		},
		{platform.RulesOff, []catalog.Reason{catalog.NotClearable, catalog.NotUpdatable}, nil},
	} {
		findings := lamps().Check(m, test.level)
		problem, warnings := findings.Result(test.level)
		require.NotNil(t, problem)
		require.Equal(t, test.problems, append([]catalog.Reason{problem.Reason}, reasons(problem.Others)...))
		require.Equal(t, test.warnings, reasons(warnings))
	}
}

func TestFindingsOfOneItemAreBounded(t *testing.T) {
	t.Parallel()
	var attributes strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&attributes, `,"a%d":1`, i)
	}
	m := &catalog.Mutation{ItemID: "s/l", Operation: catalog.Update, Attributes: []byte("{" + attributes.String()[1:] + "}")}
	findings := lamps().Check(m, platform.RulesWarn)
	problem, warnings := findings.Result(platform.RulesWarn)
	require.Nil(t, problem)
	require.Len(t, warnings, 1)

	m.Attributes = bytes.ReplaceAll(m.Attributes, []byte(":1"), []byte(":null"))
	findings = lamps().Check(m, platform.RulesWarn)
	problem, _ = findings.Result(platform.RulesWarn)
	require.NotNil(t, problem)
	require.Len(t, problem.Others, maxFindings-1)
}

// TestAReasonIsToldOnceOfAField: a platform may add what the table has found.
func TestAReasonIsToldOnceOfAField(t *testing.T) {
	t.Parallel()
	var findings Findings
	first := catalog.Problem{Reason: catalog.NotClearable, Field: "a", Text: "one"}
	again := catalog.Problem{Reason: catalog.NotClearable, Field: "a", Text: "two"}
	other := catalog.Problem{Reason: catalog.InvalidValue, Field: "a", Text: "three", Others: []catalog.Problem{first, again}}
	findings.Add(first)
	findings.Add(other)
	problem, _ := findings.Result(platform.RulesOff)
	other.Others = nil
	first.Others = []catalog.Problem{other}
	require.Equal(t, &first, problem)
}

// TestFindingsKeepNothingOfTheMutation: attributes are memory of the message, which
// is reused.
func TestFindingsKeepNothingOfTheMutation(t *testing.T) {
	t.Parallel()
	attributes := []byte(`{"colour":"green","strange":1}`)
	m := &catalog.Mutation{ItemID: "s/l", Operation: catalog.Update, Attributes: attributes}
	findings := lamps().Check(m, platform.RulesWarn)
	before := fmt.Sprint(findings)
	for i := range attributes {
		attributes[i] = '#'
	}
	require.Equal(t, before, fmt.Sprint(findings))
}

func TestLookUps(t *testing.T) {
	t.Parallel()
	table := lamps()
	require.Equal(t, "watts_{0..2}", table.Field("watts_1").Name)
	require.Nil(t, table.Field("watts_3"))
	require.True(t, table.Has("title", Localizable))
	require.False(t, table.Has("title", Localizable|Fixed))
	require.False(t, table.Has("other", 0))
	require.True(t, table.RepeatsKey("lamp"))
	require.False(t, table.RepeatsKey("title"))
	require.Equal(t, EmptyList, table.Cleared("pictures"))
	require.Empty(t, table.Cleared("other"))
	require.Len(t, table.Names(), 15)
}

func TestTablesThatContradictThemselvesAreNotCompiled(t *testing.T) {
	t.Parallel()
	for _, table := range []*Table{
		{Fields: []Field{{Name: "a"}, {Name: "a"}}},
		{Fields: []Field{{Name: "a_1"}, {Name: "a_{0..2}"}}},
		{Fields: []Field{{Name: "a", AlternativeTo: "b"}}},
		{Fields: []Field{{Name: "a", Requires: "b"}}},
		{Fields: []Field{{Name: "a", LessThan: "b"}}},
		{Fields: []Field{{Name: "a_{x}"}}},
		{Fields: []Field{{Name: "a_{2..1}"}}},
		{Keys: []string{"a"}, Fields: []Field{{Name: "a"}}},
		{Keys: []string{"a", "b", "c", "d", "e"}},
	} {
		require.Panics(t, func() { table.Compile() }, "%v", table.Fields)
	}
}

// properties that hold for any input.
func requireConsistent(t *testing.T, table *Table, m *catalog.Mutation) {
	t.Helper()
	warn, strict, off := table.Check(m, platform.RulesWarn), table.Check(m, platform.RulesStrict), table.Check(m, platform.RulesOff)
	require.Equal(t, warn, table.Check(m, platform.RulesWarn), "the same twice")
	require.Equal(t, warn, strict, "the level decides only what findings do")
	require.Equal(t, warn.hard, off.hard)
	require.Empty(t, off.values)
	require.Empty(t, off.unknown)
}

func FuzzCheck(f *testing.F) {
	for _, attributes := range []string{
		`{}`, wholeLamp + `}`, `{"pictures":[{"url":"x","tags":["abcd",null]}],"colour":7,"on":null}`,
		`{"price":"1.5 JPY","watts_0":"1e9","app":{"name":{}},"title":"\ud83d\ude00"}`, `{"":{"":[]}}`,
	} {
		f.Add("s/l", []byte(attributes), uint8(catalog.Create))
	}
	f.Fuzz(func(t *testing.T, id string, attributes []byte, operation uint8) {
		op := catalog.Operation(operation%uint8(catalog.DeleteDiscontinued)) + 1
		requireConsistent(t, lamps(), &catalog.Mutation{ItemID: id, Operation: op, Attributes: attributes})
	})
}

// ordinaryLamp has eight attributes, as ordinary items do.
const ordinaryLamp = `{"title":"A lamp","picture":"https://example.com/lamp.jpg","colour":"red","price":"24.99 USD",` +
	`"watts_0":40,"stars":4.5,"voters":12,"on":true}`

func TestACleanItemCostsNoAllocation(t *testing.T) {
	table := lamps()
	m := &catalog.Mutation{ItemID: "shop/lamp", Operation: catalog.Create, Attributes: []byte(ordinaryLamp)}
	require.Empty(t, found(table.Check(m, platform.RulesWarn)))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		findings := table.Check(m, platform.RulesWarn)
		findings.Result(platform.RulesWarn)
	}))
}

// BenchmarkCheckUnknown is an item with ten attributes that have no row.
func BenchmarkCheckUnknown(b *testing.B) {
	table := lamps()
	attributes := []byte(strings.TrimSuffix(ordinaryLamp, "}"))
	for i := range 10 {
		attributes = fmt.Appendf(attributes, `,"own_attribute_%d":"value"`, i)
	}
	m := &catalog.Mutation{ItemID: "shop/lamp", Operation: catalog.Create, Attributes: append(attributes, '}')}
	b.ReportAllocs()
	for b.Loop() {
		findings := table.Check(m, platform.RulesWarn)
		if _, warnings := findings.Result(platform.RulesWarn); len(warnings) != 1 {
			b.Fatal(warnings)
		}
	}
}

// BenchmarkCheck is one ordinary item of eight attributes; less than 5 µs are wanted.
func BenchmarkCheck(b *testing.B) {
	table := lamps()
	m := &catalog.Mutation{ItemID: "shop/lamp", Operation: catalog.Create, Attributes: []byte(ordinaryLamp)}
	b.ReportAllocs()
	for b.Loop() {
		findings := table.Check(m, platform.RulesWarn)
		if problem, _ := findings.Result(platform.RulesWarn); problem != nil {
			b.Fatal(problem)
		}
	}
}
