package rules

import (
	"strconv"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// Markdown writes the table for people: a row for each field, nested ones below
// theirs, so that the documentation says what the engine does.
func (t *Table) Markdown() string {
	var page strings.Builder
	usual := t.usualSource()
	page.WriteString("Source, where a row names no other: " + usual + ".\n\n")
	page.WriteString("| attribute | JSON type | rules | also |\n|---|---|---|---|\n")
	for i := range t.Fields {
		t.writeRows(&page, "", &t.Fields[i], usual)
	}
	return page.String()
}

// usualSource is the source of most rows.
func (t *Table) usualSource() (usual string) {
	count := map[string]int{}
	for i := range t.Fields {
		source := t.Fields[i].Source
		if count[source]++; count[source] > count[usual] {
			usual = source
		}
	}
	return usual
}

func (t *Table) writeRows(page *strings.Builder, parent string, field *Field, usual string) {
	name := field.Name
	if parent != "" {
		name = strings.TrimSuffix(parent+"."+name, ".")
	}
	kind := strings.NewReplacer("a ", "", "an ", "").Replace(field.Types.String())
	nested := parent != ""
	if nested {
		usual = field.Source // said in the row of the whole
	}
	cells := []string{"`" + name + "`", kind, strings.Join(t.ruleTexts(field, nested), "; "), strings.Join(also(field, usual), "; ")}
	for _, cell := range cells {
		page.WriteString("| " + strings.ReplaceAll(cell, "|", `\|`) + " ")
	}
	page.WriteString("|\n")
	for i := range field.Members {
		t.writeRows(page, name, &field.Members[i], usual)
	}
	if element := field.Element; element != nil && !trivial(element) {
		t.writeRows(page, name+"[]", element, usual)
	}
}

// trivial elements are said well enough by their list.
func trivial(element *Field) bool {
	return element.Types == String && element.MaxLength == 0 && element.Values == nil && element.Format.check == nil
}

// ruleTexts are the rules about the value.
func (t *Table) ruleTexts(field *Field, nested bool) (texts []string) {
	add := func(parts ...string) { texts = append(texts, strings.Join(parts, "")) }
	switch {
	case field.Key > 0 && len(t.Keys) == 1:
		add("the item's key: may be left out")
	case field.Key > 0:
		add("part ", strconv.Itoa(field.Key), " of ", strconv.Itoa(len(t.Keys)), " of the key: may be left out")
	case field.Required && nested:
		add("required")
	case field.Required && field.AlternativeTo != "":
		add("required by ", operationNames(t.CreatedBy), " unless there is `", field.AlternativeTo, "`")
	case field.Required:
		add("required by ", operationNames(t.CreatedBy))
	}
	if field.Requires != "" {
		add("with `", field.Requires, "` only")
	}
	if field.LessThan != "" {
		add("lower than `", field.LessThan, "`")
	}
	if field.Has(OneCurrency) {
		add("in its currency")
	}
	if field.AsMany != "" {
		add("as many entries as `", field.AsMany, "`")
	}
	for _, name := range field.Overrides {
		add("`", name, "` is ignored beside it")
	}
	if field.MaxLength > 0 {
		add("at most ", strconv.Itoa(field.MaxLength), " characters")
	}
	if len(field.Values) > 0 {
		add("one of `", strings.Join(field.Values, "`, `"), "` in either case")
	}
	if field.Format.Name != "" {
		add(field.Format.Name)
	}
	switch {
	case field.MinItems > 0 && field.MinItems == field.MaxItems:
		add("a list has ", entries(field.MinItems))
	case field.MinItems > 0 && field.MaxItems > 0:
		add(strconv.Itoa(field.MinItems), " to ", entries(field.MaxItems))
	case field.MinItems > 0:
		add("at least ", entries(field.MinItems))
	case field.MaxItems > 0:
		add("at most ", entries(field.MaxItems))
	}
	return texts
}

func entries(count int) string {
	if count == 1 {
		return "1 entry"
	}
	return strconv.Itoa(count) + " entries"
}

// also is what may be done with the field, and what is in doubt.
func also(field *Field, usual string) (texts []string) {
	if field.Has(Nullable) {
		texts = append(texts, "CREATE and UPSERT may say null")
	}
	if field.Has(Fixed) {
		texts = append(texts, "not in UPDATE")
	}
	if field.Has(Maskable) {
		texts = append(texts, "null clears it in UPDATE")
	}
	if field.Clearable() {
		texts = append(texts, "null clears it: sent as `"+field.Cleared+"`")
	}
	switch {
	case field.Has(Localizable | CountryOnly):
		texts = append(texts, "localizable for a country")
	case field.Has(Localizable):
		texts = append(texts, "localizable")
	}
	if field.Has(RequiredTogether) {
		texts = append(texts, "localized only with all others that say so")
	}
	if field.Has(EnforcedLength) || field.Has(EnforcedCount) {
		texts = append(texts, "the limit holds on every level")
	}
	if len(field.Contested) > 0 {
		texts = append(texts, "`"+strings.Join(field.Contested, "`, `")+"` with a warning: not in all sources")
	}
	if field.Doubt != "" {
		texts = append(texts, "in doubt: "+field.Doubt)
	}
	if field.Source != usual && field.Source != "" {
		texts = append(texts, "source: "+field.Source)
	}
	return texts
}

func operationNames(operations []catalog.Operation) string {
	names := make([]string, len(operations))
	for i, op := range operations {
		names[i] = op.String()
	}
	return strings.Join(names, " and ")
}
