package rules

import (
	"slices"
	"strconv"
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
	// maxUnknown bounds the names of unknown attributes, and maxWarnings all warnings of
	// an item, in bytes: a warning is kept with each mutation.
	maxUnknown  = 300
	maxWarnings = 1000
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
		warnings = slices.Concat(bounded(f.values, maxWarnings-sizeOf(f.unknown)), f.unknown)
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
