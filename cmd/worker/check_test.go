package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/publish"
)

func findingsOf(t *testing.T, got execution) map[string]finding {
	t.Helper()
	var list []finding
	require.NoError(t, json.Unmarshal([]byte(got.out), &list), got.err)
	named := map[string]finding{}
	for _, one := range list {
		named[strings.Join(strings.Fields(one.Check+" "+one.Account+" "+one.Catalog), " ")] = one
	}
	return named
}

func TestCheckHasStableNamesAndAListOfProblems(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "courier.yaml")
	require.NoError(t, os.WriteFile(path, []byte("natz: 1\naccounts:\n  a: {platform: google}\n"), 0o600))
	found := findingsOf(t, execute(t, nil, "check", "--config", path, "--output", "json"))
	require.Len(t, found["configuration"].Problems, 2)
	require.Equal(t, configProblem{Source: path, Line: 1, Key: "natz", Text: found["configuration"].Problems[0].Text}, found["configuration"].Problems[0])
	require.NotEmpty(t, found["configuration"].Problems[0].Text)

	require.NoError(t, os.WriteFile(path, []byte("accounts: {}\n"), 0o600))
	require.Contains(t, execute(t, nil, "check", "--config", path).out, "warns  accounts: there are none: nothing will be delivered\n")
}

// TestCheckSaysThatTheStreamIsNotThere: what is ok is that it can be created.
func TestCheckSaysThatTheStreamIsNotThere(t *testing.T) {
	t.Parallel()
	p := newPlant(t, sandbox.Options{})
	require.Zero(t, p.run(t, "migrate").code)
	got := p.run(t, "check", "--config", p.config)
	require.Contains(t, got.out, "ok     stream CATALOG_MUTATIONS (not there yet: worker run will create it)\n")
	p.work(t)
	got = p.run(t, "check", "--config", p.config)
	require.Contains(t, got.out, "ok     stream CATALOG_MUTATIONS\n")
}

func TestCheckTestsThePlatforms(t *testing.T) {
	t.Parallel()
	p := newPlant(t, sandbox.Options{
		Catalogs: map[string]string{"2680059592705": "RETAIL", "2680059592706": "HOTEL", "1000000001": "hotels", "1000000002": "flights"},
	})
	p.work(t)
	check := func(flags ...string) execution {
		return p.run(t, append([]string{"check", "--config", p.config, "--platforms"}, flags...)...)
	}
	found := findingsOf(t, check("--output", "json"))
	require.Equal(t, "version", strings.Fields(found["schema"].Detail)[0])
	require.Equal(t, "CATALOG_MUTATIONS", found["stream"].Detail)
	require.True(t, found["platform.token demo-pinterest"].OK)
	require.True(t, found["platform.catalog demo-pinterest us"].OK)
	require.True(t, found["platform.catalog demo-meta flights"].OK)
	require.False(t, found["platform.catalog demo-meta hotels"].OK, "there is no such catalog")
	require.NotContains(t, found, "platform.vertical demo-meta products", "nothing was sent to it")

	p.publish(t, publish.Mutation{ID: "m-1", ItemID: "A", Operation: catalog.Create, Attributes: lampOf("one")})
	eventually(t, "it is final", func() bool { return len(p.statuses(t, "m-1")) > 0 })
	got := check()
	require.Equal(t, cli.Failed, got.code)
	require.Contains(t, got.out, "FAILED platform.vertical demo-meta products: PRODUCT_ITEM items were sent to it, which need a catalog of the vertical commerce; this one is of hotels\n")
	require.Contains(t, got.out, "ok     platform.token demo-meta\n")
	require.NotContains(t, got.out+got.err, "sandbox-meta-token")
	require.NotContains(t, p.run(t, "check", "--config", p.config).out, "platform.", "nobody is called without the flag")
}
