package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/queue"
)

// TestStrictStoresNothingAndPartialTheGood: any list of lines, some of them bad, as lines or
// as an array, with or without a key. Strict stores all or nothing, partial exactly the
// good ones, and both in order.
func TestStrictStoresNothingAndPartialTheGood(t *testing.T) {
	t.Parallel()
	a := start(t, setup{})
	stream, err := a.js.Stream(t.Context(), queue.DefaultStreamName)
	require.NoError(t, err)
	var inArray []string // bad elements that leave the array JSON
	for _, h := range hostile {
		if h.rule != "invalid_json" && len(h.line) < 1000 {
			inArray = append(inArray, h.line)
		}
	}
	round := 0
	rapid.Check(t, func(r *rapid.T) {
		round++
		require.NoError(r, stream.Purge(context.Background()))
		array := rapid.Bool().Draw(r, "array")
		var body strings.Builder
		var good []string // items
		var numbers, bad []int
		total := rapid.IntRange(1, 30).Draw(r, "lines")
		number := 0
		for i := range total {
			number++
			if array && i > 0 {
				body.WriteString(",")
			}
			switch rapid.IntRange(0, 9).Draw(r, "kind") {
			case 0, 1:
				line := rapid.SampledFrom(inArray).Draw(r, "bad")
				if !array {
					line = rapid.SampledFrom(hostile).Draw(r, "bad line").line
				}
				body.WriteString(line)
				bad = append(bad, number)
			default:
				item := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "item") + strconv.Itoa(i)
				id := ""
				if rapid.Bool().Draw(r, "own id") {
					id = fmt.Sprintf(`"id":"r%d-%d",`, round, i)
				}
				fmt.Fprintf(&body, `{%s"item_id":%q,"operation":"DELETE"}`, id, item)
				good, numbers = append(good, item), append(numbers, number)
			}
			if array {
				continue
			}
			body.WriteString(rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(r, "end"))
			if rapid.IntRange(0, 5).Draw(r, "blank") == 0 {
				body.WriteString(" \n")
				number++
			}
		}
		c := call{body: body.String()}
		if array {
			c.contentType, c.body = jsonType, "["+c.body+"]"
		}
		if rapid.Bool().Draw(r, "key") {
			c.header = map[string]string{headerKey: fmt.Sprint("round-", round)}
		}

		strict := a.do(c)
		if len(bad) > 0 {
			problem := strict.problem(r, kindInvalidLines)
			require.Equal(r, bad, linesOf(problem.Errors))
			require.Empty(r, storedIn(r, a.js))
			c.path = lanePath + "?partial=true"
			strict = a.do(c)
		}
		if len(good) == 0 {
			strict.problem(r, kindInvalidLines)
			require.Empty(r, storedIn(r, a.js))
			return
		}
		answered := strict.accepted(r)
		if len(bad) > 0 {
			require.Equal(r, http.StatusMultiStatus, strict.status)
			require.Equal(r, numbers, answered.Lines)
			require.Equal(r, len(bad), answered.Refused)
			require.Equal(r, bad, linesOf(answered.Errors))
		}
		require.Zero(r, answered.Duplicates)
		var items, ids []string
		for _, raw := range storedIn(r, a.js) {
			var decoder message.Decoder
			for _, arrival := range decoder.DecodeAll(nil, message.Raw{Subject: raw.Subject, Headers: raw.Header, Data: raw.Data}) {
				require.Nil(r, arrival.Problem)
				items, ids = append(items, arrival.Mutation.ItemID), append(ids, arrival.Mutation.ID)
			}
		}
		require.Equal(r, good, items)
		require.Equal(r, ids, answered.IDs)
	})
}

// linesOf are the lines of errors, each once.
func linesOf(errors []lineError) (numbers []int) {
	for _, e := range errors {
		if len(numbers) == 0 || numbers[len(numbers)-1] != e.Line {
			numbers = append(numbers, e.Line)
		}
	}
	return numbers
}
