package mapping

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// TestPlainWord: the fast way of comparing words is the slow one.
func TestPlainWord(t *testing.T) {
	t.Parallel()
	text := rapid.OneOf(rapid.StringMatching(`[ a-cA-C_:/.-]{0,70}`), rapid.String(), rapid.SampledFrom([]string{"https://schema.org/InStock", " in_ -stock ", "_", "İN", "a\tb"}))
	rapid.Check(t, func(t *rapid.T) {
		given := text.Draw(t, "text")
		var space [maxWord]byte
		if plain, ok := plainWord(space[:0], given); ok {
			assert.Equal(t, word(given), string(plain), given)
		}
	})
}

// TestLists: lists are cut where a simpler way cuts them that takes the square of the time.
func TestLists(t *testing.T) {
	t.Parallel()
	cell := rapid.StringMatching(`((https://a|http://| |,|;|x|a:b:|5 EUR){1,3}){0,12}`)
	rapid.Check(t, func(t *rapid.T) {
		given := cell.Draw(t, "cell")
		var wanted []any
		if isAddress(given) {
			for rest := given; rest != ""; {
				next := len(rest)
				for at := 1; at < len(rest) && next == len(rest); at++ {
					if isAddress(rest[at:]) && strings.IndexByte(" ,;", rest[at-1]) >= 0 {
						next = at
					}
				}
				wanted = append(wanted, strings.TrimRight(rest[:next], " ,;"))
				rest = strings.TrimLeft(rest[next:], " ")
			}
		} else {
			for part := range strings.SplitSeq(given, ",") {
				wanted = append(wanted, part)
			}
		}
		assert.Equal(t, notEmpty(wanted), notEmpty(splitList(given, ",")), given)

		var entries []string
		for part := range strings.SplitSeq(given, ",") {
			if len(entries) > 0 && !strings.Contains(part, ":") {
				entries[len(entries)-1] += "," + part
				continue
			}
			entries = append(entries, part)
		}
		assert.Equal(t, entries, shippingEntries(given), given)
	})
}

// TestListsOfAddresses: Meta separates addresses by comma, semicolon, bar or blank. All of these
// may be in an address.
func TestListsOfAddresses(t *testing.T) {
	t.Parallel()
	const a, b = "https://shop.example/a,b;c|d.jpg", "http://shop.example/2.jpg"
	for _, separator := range []string{",", ";", "|", " ", ", ", " | ", "\n", ",,", " ; "} {
		assert.Equal(t, []string{a, b, a}, notEmpty(splitList(a+separator+b+separator+a+separator, ",")), separator)
	}
	assert.Equal(t, []string{"see https://shop.example"}, notEmpty(splitList("see https://shop.example", ",")))
	assert.Equal(t, []string{a, b, a}, notEmpty(splitList(a+" and "+b+";"+a, " and ")))
}

func notEmpty(list []any) (found []string) {
	for _, each := range list {
		if text := strings.TrimSpace(each.(string)); text != "" {
			found = append(found, text)
		}
	}
	return found
}

// TestConcurrent: a mapping with jq programs is used by many at once.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	m, err := Compile(Spec{Preset: "woocommerce", Currency: "EUR", Zone: "UTC", Data: []byte("jq: '{title: (.name | gsub(\"u\"; \"o\"))}'")}, Target{"meta", catalog.Type("PRODUCT_ITEM")})
	require.NoError(t, err)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 50 {
				item, _ := m.Map(map[string]any{"id": "1", "name": "Mug", "attributes": []any{map[string]any{"name": "Color", "options": []any{"red"}}}})
				assert.Contains(t, string(item.Attributes), `"color":"red"`)
				assert.Contains(t, string(item.Attributes), `"title":"Mog"`)
			}
		})
	}
	wait.Wait()
}
