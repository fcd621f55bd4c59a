package feed

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// generated is a feed of n items that is made while it is read.
type generated struct {
	head, foot string
	item       func(i int) string
	n, i       int
	rest       string
	state      int
}

func (g *generated) Read(p []byte) (int, error) {
	for g.rest == "" {
		switch {
		case g.state == 0:
			g.rest, g.state = g.head, 1
		case g.i < g.n:
			g.rest = g.item(g.i)
			g.i++
		case g.state == 1:
			g.rest, g.state = g.foot, 2
		default:
			return 0, io.EOF
		}
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]
	return n, nil
}

var filler = strings.Repeat("All about lamps. ", 12)

// generators make a feed of each format that can be made while it is read.
var generators = map[string]func(n int) io.Reader{
	"rss2": func(n int) io.Reader {
		return &generated{n: n, head: `<rss xmlns:g="http://base.google.com/ns/1.0"><channel>`, foot: `</channel></rss>`, item: func(i int) string {
			return fmt.Sprintf("<item><g:id>%d</g:id><title>Lamp</title><description>%s</description><link>https://s.example/%d?a=1&amp;b=2</link><g:price>5.00 EUR</g:price><g:shipping><g:country>PL</g:country><g:price>1.00 EUR</g:price></g:shipping></item>\n", i, filler, i)
		}}
	},
	"table": func(n int) io.Reader {
		return &generated{n: n, head: "id,title,description,link,price\n", item: func(i int) string {
			return fmt.Sprintf("%d,Lamp,\"%s\",https://s.example/%d,5.00 EUR\n", i, filler, i)
		}}
	},
	"shopify": func(n int) io.Reader {
		return &generated{n: n, head: "Handle,Title,Body (HTML),Option1 Name,Option1 Value,Variant SKU,Variant Price,Image Src\n", item: func(i int) string {
			if i%3 > 0 {
				return fmt.Sprintf("lamp-%d,,,,V%d,S%d,5.00,\n", i/3, i%3, i)
			}
			return fmt.Sprintf("lamp-%d,Lamp,\"%s\",Size,V0,S%d,5.00,https://s.example/%d\n", i/3, filler, i, i)
		}}
	},
	"woocommerce": func(n int) io.Reader {
		return &generated{n: n, head: "ID,Type,SKU,Name,Description,Regular price,Parent\n", item: func(i int) string {
			if i%3 > 0 {
				return fmt.Sprintf("%d,variation,s%d,Lamp,,5,id:%d\n", i, i, i-i%3)
			}
			return fmt.Sprintf("%d,variable,,Lamp,%s,,\n", i, filler)
		}}
	},
	"adobe": func(n int) io.Reader {
		return &generated{n: n, head: "sku,store_view_code,product_type,name,description,additional_attributes,configurable_variations\n", item: func(i int) string {
			if i%3 == 2 {
				return fmt.Sprintf("s%d,,configurable,Lamp,,,\"sku=s%d,size=1|sku=s%d,size=2\"\n", i, i-1, i-2)
			}
			return fmt.Sprintf("s%d,,simple,Lamp,%s,\"size=1,color=Red\",\n", i, filler)
		}}
	},
	"jsonl": func(n int) io.Reader {
		return &generated{n: n, item: func(i int) string {
			return fmt.Sprintf(`{"id":"%d","title":"Lamp","description":"%s","price":5.10}`+"\n", i, filler)
		}}
	},
	"json": func(n int) io.Reader {
		return &generated{n: n, head: `{"products":[{"id":"first"}`, foot: "]}", item: func(i int) string {
			return fmt.Sprintf(`,{"id":"%d","title":"Lamp","description":"%s","price":5.10}`, i, filler)
		}}
	},
	"parquet": func(n int) io.Reader {
		type lamp struct {
			ID          string `parquet:"id"`
			Description string `parquet:"description,dict"`
		}
		var out bytes.Buffer
		writer := parquet.NewGenericWriter[lamp](&out, parquet.MaxRowsPerRowGroup(10_000))
		for i := range n {
			_, _ = writer.Write([]lamp{{strconv.Itoa(i), filler}})
		}
		_ = writer.Close()
		return &out
	},
}

// heap is what is in use after a collection.
func heap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// TestMemory: the memory in use does not grow with the feed. An export that names groups
// elsewhere may keep its 40 bytes a row. No other test runs meanwhile.
func TestMemory(t *testing.T) {
	n := 50_000 // at least 12 MB of text
	if testing.Short() {
		n = 20_000
	}
	for format, generate := range generators {
		t.Run(format, func(t *testing.T) {
			from := generate(n)
			before := heap()
			reader, err := Open(from, Options{TempDir: t.TempDir()})
			require.NoError(t, err)
			assert.Equal(t, Format(format), reader.Format())
			count := 0
			var most uint64
			for record, err := range reader.All(context.Background()) {
				require.NoError(t, err)
				require.NotEmpty(t, record.Item)
				if count++; count%10_000 == 0 {
					most = max(most, heap())
				}
			}
			require.NoError(t, reader.Close())
			assert.GreaterOrEqual(t, count, n)
			limit := uint64(2 << 20)
			if format == "woocommerce" || format == "adobe" {
				limit += uint64(n) * 60
			}
			assert.Less(t, max(most, before)-before, limit)
		})
	}
}

// BenchmarkRead says how many items of each format a second are read; run it with
// -benchtime 1000000x for a million.
func BenchmarkRead(b *testing.B) {
	for format, generate := range generators {
		b.Run(format, func(b *testing.B) {
			b.ReportAllocs()
			from := generate(b.N)
			b.ResetTimer()
			reader, err := Open(from, Options{TempDir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			for {
				if _, err := reader.Next(); err == io.EOF { //nolint:errorlint // Next returns it bare
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(reader.Stats().Bytes / int64(b.N))
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "items/s")
			if err := reader.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
