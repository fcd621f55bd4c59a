package main

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli/clitest"
)

// TestNumbersBelowZero: no command takes one.
func TestNumbersBelowZero(t *testing.T) {
	t.Parallel()
	streams := cli.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Lookup: func(string) (string, bool) { return "", false }}
	clitest.RequireNoNegatives(t, newCommand(streams, connect), func(args []string) (code int, text string) {
		got := execute(t, connect, "", args...)
		return got.code, got.err
	})
	got := execute(t, connect, "", "webhook", "list", "--state", "foo")
	require.Equal(t, cli.Usage, got.code)
	require.Contains(t, got.err, `--state "foo" is not allowed`)
}

// TestWhereALineGoes: no member may occur twice, as in HTTP.
func TestWhereALineGoes(t *testing.T) {
	t.Parallel()
	const item = `"item_id":"1","operation":"DELETE"}`
	for name, test := range map[string]struct{ text, subject, body, refusal string }{
		"plain":            {`{"account":"a","catalog":"c","type":"HOTEL",` + item, "catalog.mutations.a.c.HOTEL", `{` + item, ""},
		"an escaped name":  {`{"acc\u006funt":"a","catalog":"c","type":"HOTEL",` + item, "catalog.mutations.a.c.HOTEL", `{` + item, ""},
		"no event":         {`{"specversion":null,"account":"a","catalog":"c",` + item, "catalog.mutations.a.c.RETAIL", `{"specversion":null,` + item, ""},
		"as it is written": {`{ "item\u005fid" : "1" ,"account":"a", "operation":"UPSERT","attributes":{"account": "b"}}`, "catalog.mutations.a.main.RETAIL", `{"item\u005fid":"1","operation":"UPSERT","attributes":{"account": "b"}}`, ""},
		"account":          {`{"account":"a","account":"b","catalog":"c","type":"HOTEL",` + item, "", "", `"account" twice`},
		"escaped":          {`{"account":"a","acc\u006funt":"b","catalog":"c","type":"HOTEL",` + item, "", "", `"account" twice`},
		"catalog":          {`{"account":"a","catalog":"c","catalog":"d","type":"HOTEL",` + item, "", "", `"catalog" twice`},
		"type":             {`{"account":"a","catalog":"c","type":"HOTEL","type":"HOTEL",` + item, "", "", `"type" twice`},
		"two types":        {`{"account":"a","catalog":"c","type":"HOTEL","catalog_type":"RETAIL",` + item, "", "", "type and catalog_type"},
		"null":             {`{"account":null,"catalog":"c","type":"HOTEL",` + item, "", "", "account must be text"},
		"a number":         {`{"account":1,"catalog":"c","type":"HOTEL",` + item, "", "", "account must be text"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _, err := parse([]byte(test.text), catalog.Lane{Account: "given", Catalog: "main", Type: "RETAIL"})
			if test.refusal != "" {
				require.ErrorContains(t, err, test.refusal)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.subject, got.Subject)
			require.Equal(t, test.body, string(got.Data))
		})
	}
}
