package rawjson_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/internal/rawjson"
)

// retail is the body of a retail item of 600 bytes.
func retail(b *testing.B) []byte {
	b.Helper()
	body, err := os.ReadFile("../../message/testdata/retail.json")
	require.NoError(b, err)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	return body
}

// BenchmarkCheck checks a body, beside the libraries that could.
func BenchmarkCheck(b *testing.B) {
	for name, valid := range map[string]func([]byte) bool{
		"rawjson":       func(body []byte) bool { _, fault := rawjson.Check(rawjson.View(body)); return fault == rawjson.None },
		"encoding/json": json.Valid,
		"gjson":         gjson.ValidBytes,
	} {
		b.Run(name, func(b *testing.B) {
			body := retail(b)
			for b.Loop() {
				if !valid(body) {
					b.Fatal("refused")
				}
			}
		})
	}
}

// BenchmarkMembers visits the members of a body. gjson does not check what it passes.
func BenchmarkMembers(b *testing.B) {
	for name, count := range map[string]func([]byte) int{
		"rawjson": func(body []byte) (count int) {
			rawjson.Members(body, func(rawjson.Member) bool { count++; return true })
			return count
		},
		"gjson": func(body []byte) (count int) {
			gjson.ParseBytes(body).ForEach(func(_, _ gjson.Result) bool { count++; return true })
			return count
		},
	} {
		b.Run(name, func(b *testing.B) {
			body := retail(b)
			for b.Loop() {
				if count(body) != 5 {
					b.Fatal("not all members")
				}
			}
		})
	}
}

// BenchmarkAppendString writes a body as one string.
func BenchmarkAppendString(b *testing.B) {
	text := string(retail(b))
	var dst []byte
	for b.Loop() {
		dst = rawjson.AppendString(dst[:0], text)
	}
}
