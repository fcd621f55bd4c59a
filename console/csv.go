package console

import (
	"encoding/csv"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// wantsCSV reports that a list is asked for as a file.
func wantsCSV(r *http.Request) bool { return r.URL.Query().Get("format") == "csv" }

// maxCSV bounds the rows of a file.
const maxCSV = 100_000

// csvTable writes rows as they are read, so that no list is held as a whole.
type csvTable struct {
	w       http.ResponseWriter
	writer  *csv.Writer
	name    string
	header  []string
	rows    int
	started bool
}

func newCSV(w http.ResponseWriter, name string, header ...string) *csvTable {
	return &csvTable{w: w, writer: csv.NewWriter(w), name: name, header: header}
}

func (t *csvTable) start() {
	if t.started {
		return
	}
	t.started = true
	t.head()
	_ = t.writer.Write(t.header) // an error is kept until the end
}

func (t *csvTable) head() {
	t.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	t.w.Header().Set("Content-Disposition", `attachment; filename="`+t.name+`.csv"`)
}

// row adds a row; false when the file is full.
func (t *csvTable) row(cells ...string) bool {
	t.start()
	if t.rows == maxCSV {
		_ = t.writer.Write([]string{"… more rows are left out"})
		return false
	}
	t.rows++
	for i := range cells {
		cells[i] = legible.Cell(cells[i])
	}
	_ = t.writer.Write(cells)
	return true
}

// end finishes the file. An error before the first row is answered as for a page; after it
// the connection is cut, so that nobody takes a part for the whole.
func (t *csvTable) end(err error) error {
	if err != nil && !t.started {
		return err
	}
	t.start()
	t.writer.Flush()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// body is the file itself, for who writes whole lines.
func (t *csvTable) body() io.Writer { return csvBody{t} }

type csvBody struct{ table *csvTable }

// Write begins the file with its first bytes.
func (b csvBody) Write(text []byte) (int, error) {
	if !b.table.started {
		b.table.started = true
		b.table.head()
	}
	return b.table.w.Write(text)
}

// number and moment write what may be missing.
func number(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

func small(n *int32) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(int(*n))
}

func moment(at *time.Time) string {
	if at == nil {
		return ""
	}
	return stamp(*at)
}
