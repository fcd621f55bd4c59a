package rules

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
)

const (
	// maxFindings bounds what is reported of one item, for each sort.
	maxFindings = 20
	// maxShown is how many characters of a value are shown: enough to find it.
	maxShown = 40
	// maxName bounds an attribute's name, which is the producer's own text.
	maxName = 100
)

// Findings are all rules that one item breaks. The zero value is a clean item.
type Findings struct {
	hard    []catalog.Problem // on every level
	values  []catalog.Problem // as the level says
	unknown []catalog.Problem // warnings on every level
}

// Add adds a rule that holds on every level, with all others that come with it. One
// reason is told once of a field.
func (f *Findings) Add(p catalog.Problem) {
	others := p.Others
	p.Others = nil
	for _, one := range append([]catalog.Problem{p}, others...) {
		if !slices.ContainsFunc(f.hard, func(told catalog.Problem) bool {
			return told.Reason == one.Reason && told.Field == one.Field
		}) {
			f.hard = addTo(f.hard, one)
		}
	}
}

// AddValue adds a rule about a value, which the level may turn into a warning.
func (f *Findings) AddValue(p catalog.Problem) { f.values = addTo(f.values, p) }

func addTo(list []catalog.Problem, p catalog.Problem) []catalog.Problem {
	if len(list) == maxFindings {
		return list
	}
	p.Text, p.Field = strings.Clone(p.Text), strings.Clone(p.Field)
	return append(list, p)
}

// Result is what platform.Endpoint.Validate answers: the first problem with all
// others in it, and the warnings. Both are nil for a clean item.
func (f *Findings) Result(level platform.RuleLevel) (*catalog.Problem, []catalog.Problem) {
	problems, warnings := f.hard, f.unknown
	switch level {
	case platform.RulesStrict:
		problems = slices.Concat(f.hard, f.values)
	case platform.RulesOff:
		warnings = nil
	case platform.RulesWarn:
		warnings = slices.Concat(f.values, f.unknown)
	}
	if len(problems) == 0 {
		return nil, none(warnings)
	}
	first := problems[0]
	first.Others = none(problems[1:])
	return &first, none(warnings)
}

func none(list []catalog.Problem) []catalog.Problem {
	if len(list) == 0 {
		return nil
	}
	return list
}

// short is the producer's own text, cut to a number of characters.
func short(text string, limit int) string {
	if len(text) <= limit {
		return strings.ToValidUTF8(text, "\uFFFD")
	}
	end := 0
	for range limit {
		if end >= len(text) {
			break
		}
		_, size := utf8.DecodeRuneInString(text[end:])
		end += size
	}
	shown := strings.ToValidUTF8(text[:end], "\uFFFD")
	if end < len(text) {
		shown += "…"
	}
	return shown
}
