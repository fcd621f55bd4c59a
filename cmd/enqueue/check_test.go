package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// withAccounts writes a configuration with an account of each platform.
func withAccounts(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "courier.yaml")
	require.NoError(t, os.WriteFile(path, []byte(`
database: {url: 'postgres://nowhere/x'}
accounts:
  shop: {platform: pinterest, access_token: t, batch: {max_items: 2}, catalogs: {us: {country: US, language: en-US, catalog_id: '1'}}}
  other: {platform: meta, access_token: t, rules: strict, catalogs: {products: {catalog_id: '2'}}}
`), 0o600))
	return path
}

const goodItem = `"attributes":{"title":"T","description":"D","link":"https://shop.example/1","image_link":["https://shop.example/1.jpg"],"price":"1.00 USD","availability":"IN_STOCK"}}`

// TestCheckLooksAtEverythingAndPublishesNothing: the contract, accounts, catalogs, types and
// the platforms' rules, grouped, with line numbers.
func TestCheckLooksAtEverythingAndPublishesNothing(t *testing.T) {
	t.Parallel()
	lane := `"account":"shop","catalog":"us","type":"RETAIL",`
	lines := []string{
		`{` + lane + `"item_id":"A","operation":"UPSERT",` + goodItem,
		`{` + lane + `"item_id":"B","operation":"UPSERT",` + strings.Replace(goodItem, "1.00 USD", "24,99", 1),
		`{` + lane + `"item_id":"C","operation":"UPSERT",` + strings.Replace(goodItem, `"title"`, `"titel"`, 1),
		`{"account":"shpo","catalog":"us","type":"RETAIL","item_id":"D","operation":"DELETE"}`,
		`{"account":"shop","catalog":"uk","type":"RETAIL","item_id":"D","operation":"DELETE"}`,
		`{"account":"other","catalog":"products","type":"PRODUCT_ITEM","item_id":"E","operation":"UPSERT","attributes":{"price":"ten"}}`,
		`{"item_id":"F","operation":"DELETE"}`, `{"item_id":"G","operation":"DELETE"}`, `{"item_id":"H","operation":"DELETE"}`,
		`{"item_id":"I","operation":"DELETE"}`, `{"item_id":"J","operation":"DELETE"}`, `{"item_id":"K","operation":"DELETE"}`,
	}
	none := &recorder{}
	got := execute(t, none.open, strings.Join(lines, "\n"), "--check", "--config", withAccounts(t))
	require.Equal(t, 1, got.code)
	require.Empty(t, none.batches)
	require.Contains(t, got.err, `standard input:2: warning: invalid_value: `)
	require.Contains(t, got.err, `standard input:3: warning: unknown_attribute: `)
	require.Contains(t, got.err, `standard input:4: refused: unknown_account: the configuration has no account "shpo"; it has other, shop`)
	require.Contains(t, got.err, `standard input:5: refused: unknown_catalog: `)
	require.Contains(t, got.err, `standard input:6: refused: invalid_value: `)
	require.Contains(t, got.err, `standard input: 6 lines (7-12) refused: account is missing`)
	require.Regexp(t, `valid +3\b`, got.out)
	require.Regexp(t, `refused +9\b`, got.out)

	got = execute(t, none.open, lines[1], "--check", "--config", withAccounts(t))
	require.Zero(t, got.code, got.err)
	got = execute(t, none.open, lines[1], "--check", "--strict", "--config", withAccounts(t), "--output", "json")
	require.Equal(t, 1, got.code)
	var report checkReport
	require.NoError(t, json.Unmarshal([]byte(got.out), &report))
	require.Equal(t, []int{1, 1, 0}, []int{report.Valid, report.Warned, report.Refused})

	got = execute(t, none.open, lines[3], "--check")
	require.Zero(t, got.code, "without a configuration the contract alone is checked")
	require.Contains(t, got.err, "there is no configuration here")
	require.Empty(t, none.batches)

	got = execute(t, none.open, "id,title\n1,x\n", "--check")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.err, "a product feed is read by enqueue feed")
	for _, args := range [][]string{{"--check", "--wait"}, {"--dry-run", "--check"}, {"--strict"}, {"--wait-timeout", "1s"}} {
		require.Equal(t, 2, execute(t, none.open, lines[0], args...).code, args)
	}
}

// TestDryRunPrintsTheRequests of the platforms' own builders, in batches of the configured
// size, with the changes of one item merged.
func TestDryRunPrintsTheRequests(t *testing.T) {
	t.Parallel()
	lane := `"account":"shop","catalog":"us","type":"RETAIL",`
	lines := []string{
		`{` + lane + `"item_id":"A","operation":"UPSERT",` + goodItem,
		`{` + lane + `"item_id":"A","operation":"UPDATE","attributes":{"price":"2.00 USD"}}`,
		`{` + lane + `"item_id":"B","operation":"DELETE"}`,
		`{` + lane + `"item_id":"C","operation":"DELETE"}`,
		`{"account":"other","catalog":"products","type":"PRODUCT_ITEM","item_id":"E","operation":"DELETE"}`,
		`{"account":"nope","catalog":"products","type":"PRODUCT_ITEM","item_id":"E","operation":"DELETE"}`,
	}
	none := &recorder{}
	got := execute(t, none.open, strings.Join(lines, "\n"), "--dry-run", "--config", withAccounts(t), "--output", "json")
	require.Equal(t, 1, got.code, "a line is refused")
	require.Empty(t, none.batches)
	var requests []shownRequest
	require.NoError(t, json.Unmarshal([]byte(got.out), &requests), got.out)
	records := 0
	for _, r := range requests {
		records += r.Records
		require.LessOrEqual(t, r.Records, 2, "batch.max_items")
		require.Equal(t, r.Account == "other", strings.Contains(string(r.Body), "item_type"), "each platform's own body: %s", r.Body)
	}
	require.Equal(t, 4, records, "the two changes of A are one record: %s", got.out)
	require.Contains(t, got.out, `2.00 USD`)
	require.NotContains(t, got.out, `1.00 USD`)

	got = execute(t, none.open, lines[2], "--dry-run", "--config", withAccounts(t))
	require.Zero(t, got.code, got.err)
	require.Contains(t, got.out, "request 1: shop/us/RETAIL, 1 record, ")
	require.Contains(t, got.err, "1 request would be sent, if nothing else were waiting; nothing was published")
	require.Equal(t, 2, execute(t, none.open, lines[2], "--dry-run").code, "which platform?")
}
