package feed

import (
	"cmp"
	"slices"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// Kind is the code of a finding. Codes are stable: reports and alerts name them.
type Kind string

// The findings of the readers.
const (
	// KindEncoding: bytes that are not text, or an encoding that was taken because the
	// content shows it: the declared one is wrong or missing.
	KindEncoding Kind = "ENCODING"
	// KindDelimiter: a delimiter other than the usual ones was taken, or two are equally likely.
	KindDelimiter Kind = "DELIMITER"
	// KindLineEnds: lines end with CR alone.
	KindLineEnds Kind = "LINE_ENDS"
	// KindComment: comment lines before the header were skipped.
	KindComment Kind = "COMMENT_LINES"
	// KindHeader: a column without a name, or a second column of one name.
	KindHeader Kind = "HEADER"
	// KindRagged: a row with more or fewer cells than the header.
	KindRagged Kind = "RAGGED_ROW"
	// KindQuote: a quoted cell that is not closed, or is followed by text.
	KindQuote Kind = "QUOTE"
	// KindTooLong: a cell, element or record over the limit of Options.
	KindTooLong Kind = "TOO_LONG"
	// KindNested: a JSON cell, or a column such as image[0].url, that cannot be used.
	KindNested Kind = "NESTED_VALUE"
	// KindMarkup: XML that strict readers refuse and that has one meaning: a bare & or
	// a control character.
	KindMarkup Kind = "MALFORMED_XML"
	// KindLine: a line that is not a JSON object.
	KindLine Kind = "PARSE_LINE"
	// KindGroup: a row whose product or parent is not where its format says.
	KindGroup Kind = "GROUP"
	// KindStoreView: a store-view row of Adobe Commerce apart from its product.
	KindStoreView Kind = "STORE_VIEW"
	// KindRounded: an id or code that a spreadsheet has turned into a rounded number.
	KindRounded Kind = "ROUNDED_NUMBER"
	// KindEmptyItem: a row or element without any value.
	KindEmptyItem Kind = "EMPTY_ITEM"
)

// Finding is one thing about one record or column that a person should know.
type Finding struct {
	Kind  Kind
	Place Place
	Field string // column, element or path; may be empty
	Value string // what was found there: shortened, and printable on a terminal
	Rule  string // what is expected, and what was done instead
}

// fieldWidth and valueWidth bound a finding, in columns of a terminal.
const (
	fieldWidth = 60
	valueWidth = 80
)

// Report collects findings in bounded memory: counts by kind, and the first few of each
// kind. The zero value is ready; its Add fits Options.Finding.
type Report struct {
	Samples int // kept of each kind; 0 means 10
	kinds   map[Kind]*kindReport
}

type kindReport struct {
	count   int64
	samples []Finding
}

// Add counts a finding and keeps it while there is room.
func (r *Report) Add(f Finding) {
	if r.kinds == nil {
		r.kinds = map[Kind]*kindReport{}
	}
	kind := r.kinds[f.Kind]
	if kind == nil {
		kind = &kindReport{}
		r.kinds[f.Kind] = kind
	}
	kind.count++
	if len(kind.samples) < cmp.Or(r.Samples, 10) {
		kind.samples = append(kind.samples, f)
	}
}

// Kinds lists the kinds that were found, in the order of their names.
func (r *Report) Kinds() []Kind {
	kinds := make([]Kind, 0, len(r.kinds))
	for kind := range r.kinds {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}

// Count says how often a kind was found.
func (r *Report) Count(kind Kind) int64 {
	if found := r.kinds[kind]; found != nil {
		return found.count
	}
	return 0
}

// First returns the findings of a kind that were kept, in the order of the feed.
func (r *Report) First(kind Kind) []Finding {
	if found := r.kinds[kind]; found != nil {
		return slices.Clone(found.samples)
	}
	return nil
}

// find reports a finding with a value of any length.
func (s *session) find(kind Kind, place Place, field, value, rule string) {
	s.stats.Findings++
	if s.options.Finding == nil {
		return
	}
	place.Member = s.member
	s.options.Finding(Finding{
		Kind:  kind,
		Place: place,
		Field: legible.Clip(clipBytes(field), fieldWidth),
		Value: legible.Clip(clipBytes(value), valueWidth),
		Rule:  rule,
	})
}

// clipBytes keeps legible from measuring a megabyte of which it shows a line.
func clipBytes(text string) string {
	if len(text) > 1024 {
		return text[:1024]
	}
	return text
}
