package feed

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math"
)

// twice reads a table two times: exports name an item's group in another row, which may
// come later. Between the two passes only a hash and a place are kept of such a row.
type twice struct {
	*table
	dialect dialect
	spool   io.ReaderAt
	size    int64
	base    int64 // offset of the spool's first byte
	first   int64 // line of it

	links map[linkKey]int64 // where the row is that an id leads to
	full  bool
	cache map[int64]line // rows read lately by their offset

	random  *bufio.Reader // for single rows, with the buffer of the one before
	scratch []byte
}

type linkKey [16]byte

// key is a hash of which no two ids of a shop are equal.
func key(id string) linkKey {
	sum := sha256.Sum256([]byte(id))
	return linkKey(sum[:16])
}

// cacheRows bounds the rows that are kept: variations of one product are together.
const cacheRows = 64

// readTwice spools what follows the header, and calls each for all rows of the first pass.
func readTwice(t *table, text io.Reader, d dialect, each func(tw *twice, l line)) (*twice, error) {
	rest := io.MultiReader(bytes.NewReader(t.rows.window), text)
	spool, size, err := t.session.spool(rest)
	if err != nil {
		return nil, err
	}
	if t.rows.err != nil {
		return nil, t.rows.err
	}
	tw := &twice{
		table: t, dialect: d, spool: spool, size: size, base: t.rows.offset, first: t.rows.line,
		links: map[linkKey]int64{}, cache: map[int64]line{}, random: bufio.NewReaderSize(nil, 4096), scratch: make([]byte, 8192),
	}
	// The first pass is silent: each finding comes once.
	quiet := *t.session
	quiet.options.Finding = nil
	pass := &table{session: &quiet, rows: tw.from(tw.base, tw.first), columns: t.columns}
	for {
		read, err := pass.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		each(tw, read)
	}
	t.rows = tw.from(tw.base, tw.first)
	return tw, nil
}

// from reads rows of the spool from an offset on.
func (tw *twice) from(offset, atLine int64) *rows {
	return tw.rowsOf(bufio.NewReaderSize(tw.section(offset), peekSize), offset, atLine)
}

func (tw *twice) section(offset int64) io.Reader {
	return io.NewSectionReader(tw.spool, offset-tw.base, math.MaxInt64-offset)
}

func (tw *twice) rowsOf(text *bufio.Reader, offset, atLine int64) *rows {
	r := tw.session.newRows(text, tw.dialect)
	r.want, r.offset, r.line = len(tw.columns), offset, atLine
	return r
}

// link remembers where an id leads to. The first one is kept.
func (tw *twice) link(id string, offset int64) {
	switch {
	case id == "":
	case len(tw.links) >= tw.session.options.MaxLinks:
		tw.full = true
	default:
		if _, taken := tw.links[key(id)]; !taken {
			tw.links[key(id)] = offset
		}
	}
}

// linked reads the row that an id leads to.
func (tw *twice) linked(id string) (line, bool, error) {
	offset, ok := tw.links[key(id)]
	if !ok {
		return line{}, false, nil
	}
	if found, ok := tw.cache[offset]; ok {
		return found, true, nil
	}
	quiet := *tw.session
	quiet.options.Finding = nil
	tw.random.Reset(tw.section(offset))
	one := &table{session: &quiet, rows: tw.rowsOf(tw.random, offset, 0), columns: tw.columns}
	one.rows.buffer = tw.scratch
	found, err := one.next()
	tw.scratch = one.rows.buffer
	if err != nil { // never io.EOF, which would look like the feed's end
		return line{}, false, caused(ErrRead, found.place, err, "read the feed again")
	}
	if len(tw.cache) >= cacheRows {
		clear(tw.cache)
	}
	tw.cache[offset] = found
	return found, true, nil
}

// lost reports an item whose group cannot be known.
func (tw *twice) lost(place Place, field, id string) {
	rule := "there is no such product in the feed: the item has no values of it"
	if tw.full {
		rule = "there are more products and variations than are kept: raise the limit"
	}
	tw.session.find(KindGroup, place, field, id, rule)
}

// unsure reports an item that has values of a damaged row.
func (tw *twice) unsure(place Place, field, id string) {
	tw.session.find(KindGroup, place, field, id, "the row of its product is damaged, and the item has values of it: the item is not sent")
}

// positions are the indexes of columns by their names.
func (t *table) positions() map[string]int {
	at := make(map[string]int, len(t.columns))
	for i, c := range t.columns {
		if _, taken := at[c.name]; !taken {
			at[c.name] = i
		}
	}
	return at
}

// get is a cell by its column's position, or empty.
func (l line) get(at map[string]int, name string) string {
	if i, ok := at[name]; ok {
		return l.cells[i]
	}
	return ""
}
