package feed

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// table reads rows of delimited text under a header.
type table struct {
	session *session
	rows    *rows
	columns []column
	count   int64
	short   bool // a row had fewer cells than the header
}

// line is one row of a table, with its findings reported.
type line struct {
	cells   []string // trimmed; as many as columns
	place   Place
	offset  int64
	damaged bool
}

func (s *session) newRows(text *bufio.Reader, d dialect) *rows {
	return &rows{
		from: text, delimiter: d.delimiter, quotes: d.quotes, crOnly: d.crOnly,
		maxRow: s.options.MaxRecord, maxCell: s.options.MaxCell,
		line: d.lines + 1, offset: d.bytes,
	}
}

func (s *session) openTable(text *bufio.Reader) (*Reader, error) {
	d, err := s.dialect(text)
	if err != nil {
		return nil, err
	}
	t := &table{session: s, rows: s.newRows(text, d)}
	header, err := t.rows.next()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fail(ErrNoHeader, "there is no row", "check the export")
		}
		return nil, err
	}
	if t.columns, err = s.columns(header); err != nil {
		return nil, err
	}
	t.rows.want = len(t.columns)
	reader := &Reader{session: s, format: s.options.Format, columns: make([]string, len(t.columns))}
	for i, c := range t.columns {
		reader.columns[i] = c.name
	}
	if reader.format == "" {
		reader.format = formatOf(reader.columns)
	}
	if key := exportKeys[reader.format]; key != nil && !slices.ContainsFunc(reader.columns, func(name string) bool { return slices.Contains(key, name) }) {
		return nil, failAt(ErrNoHeader, Place{Line: header.line}, fmt.Sprintf("an export of the format %s has the column %q: %s", reader.format, key[0], sampleOf(reader.columns)),
			"leave the format to be found out")
	}
	switch reader.format {
	case Shopify:
		reader.source = newShopify(t)
	case WooCommerce:
		reader.source, err = newWoo(t, text, d)
	case Adobe:
		reader.source, err = newAdobe(t, text, d)
	case Table:
		reader.source = &plainTable{t}
	default:
		err = fail(ErrNotAFeed, "it is delimited text and was to be read as "+string(reader.format), "leave the format to be found out")
	}
	if err != nil {
		return nil, err
	}
	return reader, nil
}

// exportKeys are columns without which an export cannot be read, in both spellings.
var exportKeys = map[Format][]string{
	Shopify:     {"handle", "url_handle"},
	WooCommerce: {"type"},
	Adobe:       {"sku"},
}

// formatOf recognizes exports by their columns.
func formatOf(columns []string) Format {
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(columns, name) })
	}
	switch {
	case has("handle", "url_handle") && has("title") && has("variant_sku", "variant_price", "option1_value", "image_src", "product_image_url"):
		return Shopify
	case has("type") && has("sku") && has("name") && has("regular_price", "parent", "visibility_in_catalog", "in_stock?"):
		return WooCommerce
	case has("sku") && has("product_type", "_type") && has("attribute_set_code", "_attribute_set", "additional_attributes", "store_view_code", "_store", "configurable_variations"):
		return Adobe
	default:
		return Table
	}
}

// next returns the next row with any value.
func (t *table) next() (line, error) {
	for {
		read, err := t.rows.next()
		if err != nil {
			return line{}, err
		}
		t.count++
		place := Place{Line: read.line, Record: t.count}
		result := line{place: place, offset: read.offset}
		empty := true
		for i, cell := range read.cells {
			read.cells[i] = strings.TrimSpace(cell)
			empty = empty && read.cells[i] == ""
		}
		if empty {
			t.session.find(KindEmptyItem, place, "", "", "a row without any value was passed over")
			continue
		}
		t.session.stats.Unreadable += read.lost
		result.damaged = read.lost > 0
		if read.problem == "" && read.rule != "" {
			t.session.find(KindQuote, place, "", strings.Join(read.cells, string(t.rows.delimiter)), read.rule)
		}
		if read.problem != "" {
			// Tabs are not in texts: a line of a TSV with the right number of cells is right.
			tabs := read.problem == KindQuote && t.rows.delimiter == '\t' && len(read.cells) == len(t.columns)
			rule := read.rule
			if tabs {
				rule = "a cell begins with a quote that does not end it: the line was read without quoting"
			}
			result.damaged = result.damaged || !tabs && (!read.cut || !longText(t.name(read.field)))
			t.session.find(read.problem, place, t.name(read.field), read.value, rule)
		}
		if err := t.fit(&read, &result); err != nil {
			return line{}, err
		}
		for i, cell := range result.cells {
			t.session.checkText(cell, t.name(i), place)
			t.rounded(i, cell, &result)
		}
		return result, nil
	}
}

var (
	roundedNumber = regexp.MustCompile(`^\d([.,]\d+)?E\+\d{1,2}$`)
	codes         = []string{"gtin", "ean", "upc", "isbn", "mpn", "barcode", "variant_barcode", "item_group_id", "variant_sku", "global_unique_id"}
)

// rounded finds 1.23E+12: digits of an id are lost, and several items have it.
func (t *table) rounded(i int, cell string, result *line) {
	if !roundedNumber.MatchString(cell) {
		return
	}
	name := t.name(i)
	switch {
	case idName(name):
		result.damaged = true
		t.session.stats.Unreadable++ // the item is another one than the id says
		t.session.find(KindRounded, result.place, name, cell, "a spreadsheet has rounded this id: the item is not sent; format the column as text and export again")
	case slices.Contains(codes, name):
		t.session.find(KindRounded, result.place, name, cell, "a spreadsheet has rounded this number: format the column as text and export again")
	}
}

// fit gives the row as many cells as there are columns.
func (t *table) fit(read *row, result *line) error {
	result.cells = read.cells
	want, got := len(t.columns), len(read.cells)
	switch {
	case got < want:
		if !read.closed && !t.short && !result.damaged {
			return failAt(ErrTruncated, result.place, fmt.Sprintf("the last row has %d of %d cells and no line end", got, want),
				"fetch the feed again; if it is complete, end its last row with all its cells or a line end")
		}
		t.short = true
		t.session.find(KindRagged, result.place, "", strings.Join(read.cells, string(t.rows.delimiter)),
			fmt.Sprintf("the row has %d cells and the header %d: the others were taken as empty", got, want))
		result.cells = slices.Grow(read.cells, want-got)[:want]
		clear(result.cells[got:])
	case got > want:
		rule := "the row has more cells than the header, and they are empty: they were passed over"
		if slices.ContainsFunc(read.cells[want:], func(cell string) bool { return cell != "" }) {
			rule = fmt.Sprintf("the row has %d cells and the header %d: a %s may be in a value that is not quoted; the item is not sent", got, want, delimiterName(t.rows.delimiter))
			result.damaged = true
			if t.shiftsIDs() {
				t.session.stats.Unreadable++ // the item may be another one than the id says
			}
		}
		t.session.find(KindRagged, result.place, "", strings.Join(read.cells[want:], string(t.rows.delimiter)), rule)
		result.cells = read.cells[:want]
	}
	return nil
}

// shiftsIDs reports whether a surplus cell may have moved an id: one that is not in the first
// column.
func (t *table) shiftsIDs() bool {
	return !isID(t.columns[0]) || slices.ContainsFunc(t.columns[1:], isID)
}

// isID reports whether a column has ids, as the formats or exports name it.
func isID(c column) bool { return idName(c.name) || c.name == "variant_sku" }

func (t *table) name(i int) string {
	switch {
	case i < 0:
		return ""
	case i < len(t.columns):
		return t.columns[i].name
	}
	return fmt.Sprintf("column %d", i+1)
}

// plainTable makes one record of each row.
type plainTable struct{ *table }

func (p *plainTable) next() (Record, error) {
	read, err := p.table.next()
	if errors.Is(err, io.EOF) && p.count == 0 && !p.known() {
		return Record{}, failAt(ErrNotAFeed, Place{Line: 1}, "there is one line of text and no row: "+sampleOf(p.headers()), "check the address or the export")
	}
	if err != nil {
		return Record{}, err
	}
	record := Record{Item: make(map[string]any, len(read.cells)), Place: read.place, Damaged: read.damaged}
	nested := false
	for _, c := range p.columns {
		nested = nested || len(c.path) > 0
	}
	p.fill(&record, read, false)
	if nested { // into what JSON cells have laid, in any order of the columns
		p.fill(&record, read, true)
	}
	if nested {
		for name, value := range record.Item {
			if value = prune(value); value == nil {
				delete(record.Item, name)
			} else {
				record.Item[name] = value
			}
		}
	}
	return record, nil
}

// known reports whether a header without rows is one for sure. A server's "Not available,
// try later" has two columns, too.
func (p *plainTable) known() bool {
	return len(p.session.options.Required) > 0 || slices.ContainsFunc(p.columns, func(c column) bool { return idName(c.name) })
}

func (p *plainTable) headers() []string {
	headers := make([]string, len(p.columns))
	for i, c := range p.columns {
		headers[i] = c.header
	}
	return headers
}

// fill adds the cells of columns that lead into nested values, or of the others.
func (p *plainTable) fill(record *Record, read line, nested bool) {
	for i, cell := range read.cells {
		c := p.columns[i]
		if cell == "" || c.name == "" || nested != (len(c.path) > 0) {
			continue
		}
		value := any(cell)
		if parsed, ok := p.session.parseCell(c, cell, read.place); ok {
			value = parsed
		}
		if value != nil && !p.put(record.Item, c, value, read.place) {
			p.session.find(KindNested, read.place, c.header, cell, "another column has a value at this place, or one of another shape: it was kept")
		}
	}
}

// put adds one cell to an item. It returns false where the place is taken.
func (p *plainTable) put(item map[string]any, c column, value any, place Place) bool {
	text, isText := value.(string)
	switch {
	case len(c.path) > 0:
		return set(item, c.path, value)
	case len(c.subs) > 0 && isText:
		list, ok := parts(c.subs, text)
		if !ok {
			p.session.find(KindNested, place, c.header, text, "the cell does not have the parts that its column names: it was read as text")
			list = []any{text}
		}
		value = list
	case c.list && isText:
		value = split(text)
	}
	old, has := item[c.name]
	if !has {
		item[c.name] = value
		return true
	}
	if many, ok := value.([]any); ok && c.list {
		if before, ok := old.([]any); ok {
			item[c.name] = append(before, many...)
			return true
		}
	}
	return c.path == nil && isText // a second column of one name: reported with the header
}
