package rules

import (
	"slices"
	"strconv"
	"strings"

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
	// maxUnknown bounds the names of unknown attributes, and maxWarnings all warnings of
	// an item, in bytes: a warning is kept with each mutation.
	maxUnknown  = 300
	maxWarnings = 1000
)

// Findings are all rules that one item breaks. The zero value is a clean item.
type Findings struct {
	hard    []catalog.Problem // on every level
	values  []catalog.Problem // as the level says
	doubts  []catalog.Problem // warnings on both levels that look at values
	unknown []catalog.Problem // the same, of attributes without a row
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

// AddDoubt adds what is likely a mistake and may be none, or what one source allows and
// another does not: a warning where values are looked at, never a refusal.
func (f *Findings) AddDoubt(p catalog.Problem) { f.doubts = addTo(f.doubts, p) }

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
	problems := f.hard
	var warnings []catalog.Problem
	switch level {
	case platform.RulesStrict:
		problems = slices.Concat(f.hard, f.values)
		warnings = slices.Concat(bounded(f.doubts, maxWarnings-sizeOf(f.unknown)), f.unknown)
	case platform.RulesOff:
	case platform.RulesWarn:
		told := slices.Concat(f.values, f.doubts)
		warnings = slices.Concat(bounded(told, maxWarnings-sizeOf(f.unknown)), f.unknown)
	}
	if len(problems) == 0 {
		return nil, none(warnings)
	}
	first := problems[0]
	first.Others = none(problems[1:])
	return &first, none(warnings)
}

// bounded are the first findings, in so many bytes, and how many there are more.
func bounded(list []catalog.Problem, room int) []catalog.Problem {
	for i := range list {
		if room -= sizeOf(list[i : i+1]); room < 0 && i > 0 {
			return append(list[:i:i], catalog.Problem{
				Reason: list[i].Reason, Field: "attributes", Text: "and " + strconv.Itoa(len(list)-i) + " more warnings",
			})
		}
	}
	return list
}

func sizeOf(list []catalog.Problem) (size int) {
	for i := range list {
		size += len(list[i].Field) + len(list[i].Text)
	}
	return size
}

func none(list []catalog.Problem) []catalog.Problem {
	if len(list) == 0 {
		return nil
	}
	return list
}
