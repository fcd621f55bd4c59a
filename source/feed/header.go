package feed

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// column is one column of a table.
type column struct {
	header string   // as in the file, trimmed
	name   string   // folded
	path   []step   // more than one where the name leads into nested values
	subs   []string // of shipping(country:price): the parts of the cell
	list   bool     // the cell, or columns of one name, are a list
}

// step is a member of an object, or an element of a list where the name is empty.
type step struct {
	name  string
	index int
}

var (
	labelled   = regexp.MustCompile(`^.*\S\s*\[([A-Za-z_][A-Za-z0-9_ :-]*)\]$`)
	withSubs   = regexp.MustCompile(`^([A-Za-z_ ]+?)\s*\(([a-z_]+(?::[a-z_]+)+)\)$`)
	nestedName = regexp.MustCompile(`^[a-z_][a-z0-9_-]*(\[\d{1,3}\])*(\.[a-z_][a-z0-9_-]*(\[\d{1,3}\])*)*$`)
	nestedStep = regexp.MustCompile(`[a-z_][a-z0-9_-]*|\[\d+\]`)
	dataCell   = regexp.MustCompile(`^-?[0-9]+([.,][0-9]+)*(\s?[A-Z]{3})?$|://`)
)

// maxIndex bounds a list that columns such as image[0].url fill.
const maxIndex = 200

// fold makes one name of the spellings of a header: what is in brackets, else lower case
// with underscores for blanks; without the prefix g:.
func fold(header string) string {
	name := strings.TrimSpace(header)
	if found := labelled.FindStringSubmatch(name); found != nil {
		name = found[1]
	}
	name = strings.ToLower(strings.TrimSpace(name))
	name = strings.TrimPrefix(name, "g:")
	return strings.Join(strings.Fields(name), "_")
}

func newColumn(header string) column {
	header = strings.TrimSpace(header)
	c := column{header: header}
	if found := withSubs.FindStringSubmatch(header); found != nil {
		c.name = fold(found[1])
		c.subs = strings.Split(found[2], ":")
		c.list = true
		return c
	}
	c.name = fold(header)
	c.list = slices.Contains(googleRepeats, c.name) && c.name != "shipping" && c.name != "tax"
	if strings.ContainsAny(c.name, ".[") && nestedName.MatchString(c.name) {
		for _, part := range nestedStep.FindAllString(c.name, -1) {
			if part[0] != '[' {
				c.path = append(c.path, step{name: part})
				continue
			}
			index, err := strconv.Atoi(part[1 : len(part)-1])
			if err != nil || index >= maxIndex {
				c.path = nil
				break
			}
			c.path = append(c.path, step{index: index})
		}
	}
	return c
}

// top is the name under which a column's value is in a record.
func (c column) top() string {
	if len(c.path) > 0 {
		return c.path[0].name
	}
	return c.name
}

// columns reads the header.
func (s *session) columns(header row) ([]column, error) {
	place := Place{Line: header.line}
	if len(header.cells) > s.options.MaxColumns {
		return nil, failAt(ErrTooLarge, place, fmt.Sprintf("the header has %d columns", len(header.cells)), "raise the limit if the feed is right")
	}
	if header.problem != "" {
		return nil, failAt(ErrNoHeader, place, "its quotes are not closed, or it is too long", "correct the first row")
	}
	columns := make([]column, len(header.cells))
	seen := map[string]bool{}
	data := 0
	for i, cell := range header.cells {
		columns[i] = newColumn(cell)
		name := columns[i].name
		switch {
		case dataCell.MatchString(columns[i].header):
			data++
		case name == "":
			s.find(KindHeader, place, fmt.Sprintf("column %d", i+1), "", "a column without a name is passed over")
		case seen[name] && !columns[i].list:
			s.find(KindHeader, place, name, columns[i].header, "there are two columns of one name: the first one with a value is taken")
		}
		seen[name] = true
	}
	if data > 0 && (data*2 >= len(columns) || strings.Contains(strings.Join(header.cells, " "), "://")) {
		return nil, failAt(ErrNoHeader, place, "the first row has values, not column names: "+sampleOf(header.cells), "add a row with the names of the columns")
	}
	if !slices.ContainsFunc(columns, func(c column) bool { return c.name != "" }) {
		return nil, failAt(ErrNoHeader, place, "no column has a name", "correct the first row")
	}
	if len(columns) == 1 && !idName(columns[0].name) {
		return nil, failAt(ErrNoHeader, place, "the first row has one column only: "+sampleOf(header.cells),
			"check that this is a feed, and name its delimiter if it is not comma, semicolon, tab, bar or tilde")
	}
	return columns, s.require(columns, place)
}

// require checks the columns that the caller cannot do without.
func (s *session) require(columns []column, place Place) error {
	for _, name := range s.options.Required {
		if !slices.ContainsFunc(columns, func(c column) bool { return c.name == name || c.top() == name }) {
			names := make([]string, len(columns))
			for i, c := range columns {
				names[i] = c.name
			}
			return failAt(ErrNoHeader, place, fmt.Sprintf("the column %q is missing; there are: %s", name, sampleOf(names)),
				"restore the column, or change the item id's template")
		}
	}
	return nil
}

// idNames are columns that may be alone in a table.
var idNames = []string{
	"id", "sku", "item_id", "product_id", "hotel_id", "vehicle_id", "home_listing_id", "destination_id", "handle", "url_handle",
}

// longText reports whether a value may be cut: no platform takes as long a description.
func longText(name string) bool {
	switch name {
	case "description", "rich_text_description", "short_description", "summary", "content", "body_html", "body_(html)":
		return true
	}
	return false
}

func idName(name string) bool { return slices.Contains(idNames, name) }

func sampleOf(cells []string) string {
	return legible.Clip(clipBytes(strings.Join(cells[:min(len(cells), 30)], ", ")), 300)
}
