package feed

import (
	"bufio"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func rowsOf(text string, crOnly bool) ([][]string, error) {
	r := &rows{from: bufio.NewReader(strings.NewReader(text)), delimiter: ',', quotes: true, crOnly: crOnly, maxRow: 1 << 20, maxCell: 1 << 16, line: 1}
	var all [][]string
	for {
		read, err := r.next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, read.cells)
	}
}

// TestRowsAsEncodingCSV: what the standard library reads strictly, is read the same.
func TestRowsAsEncodingCSV(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "ż", ",", "\n", "\r\n", `"`, `""`, " ", "\"a,\nb\"", "x\n", `,"`, `",`}), 0, 30).Draw(t, "parts"), "")
		strict := csv.NewReader(strings.NewReader(text))
		strict.FieldsPerRecord = -1
		want, err := strict.ReadAll()
		if err != nil {
			t.Skip("not valid CSV")
		}
		got, err := rowsOf(text, false)
		require.NoError(t, err)
		assert.Len(t, got, len(want))
		for i := range want {
			assert.Equal(t, want[i], got[i])
		}
	})
}

// TestRowsWithCR: CR alone ends lines as LF does.
func TestRowsWithCR(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", ",", "\n", `"`, "\"a,\nb\"", "x\n"}), 0, 30).Draw(t, "parts"), "")
		want, wantErr := rowsOf(text, false)
		got, gotErr := rowsOf(strings.ReplaceAll(text, "\n", "\r"), true)
		require.Equal(t, wantErr == nil, gotErr == nil)
		require.Equal(t, want, got)
	})
}

// TestLines: a row is reported with the line that it begins on, past quoted line ends,
// blank lines and rows that were read as one line.
func TestLines(t *testing.T) {
	t.Parallel()
	var lines []int64
	reader, err := Open(strings.NewReader("# c\n\nid,title\n\n1,\"a\nb\n\"\n\n2,\"x\"y\r\n3,c\n"), Options{})
	require.NoError(t, err)
	for {
		record, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		lines = append(lines, record.Place.Line)
	}
	assert.Equal(t, []int64{5, 9, 10}, lines)
}

// TestOneQuoteCostsOneRow: wherever one quote is too many, the rows around it are read,
// and none is taken for complete that is not.
func TestOneQuoteCostsOneRow(t *testing.T) {
	t.Parallel()
	const n = 50
	for bad := range n - 2 { // near the end the feed counts as cut off, which is safe too
		var text strings.Builder
		text.WriteString("id,title,price\n")
		for i := range n {
			quote := `"`
			if i == bad {
				quote = ""
			}
			text.WriteString(string(rune('a'+i/10)) + string(rune('0'+i%10)) + `,"Lamp, red` + quote + ",5.00 EUR\n")
		}
		reader, err := Open(strings.NewReader(text.String()), Options{})
		require.NoError(t, err)
		ids, damaged := map[any]bool{}, 0
		for {
			record, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err, "row %d", bad)
			ids[record.Item["id"]] = true
			if record.Damaged {
				damaged++
			} else {
				assert.Equal(t, "Lamp, red", record.Item["title"])
			}
		}
		assert.Len(t, ids, n)
		assert.Equal(t, 1, damaged)
	}
}
