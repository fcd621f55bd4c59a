package main

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/publish"
)

// accountsOf reads accounts list as a program does.
func (p *plant) accountsOf(t *testing.T) map[string]accountRow {
	t.Helper()
	got := p.run(t, "accounts", "list", "--output", "json")
	require.Zero(t, got.code, got.err)
	var list []accountRow
	require.NoError(t, json.Unmarshal([]byte(got.out), &list))
	found := map[string]accountRow{}
	for _, account := range list {
		found[account.Account] = account
	}
	return found
}

// TestStatusDoesNotLie: with a platform that goes away, an account that nobody has, and one
// that is taken out of the configuration.
func TestStatusDoesNotLie(t *testing.T) {
	t.Parallel()
	p := newPlant(t, sandbox.Options{})
	text, err := os.ReadFile(p.config)
	require.NoError(t, err)
	platform := simulatedPlatform(t, p.environment, "meta").URL
	target, err := url.Parse(platform)
	require.NoError(t, err)
	front := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: target.Scheme, Host: target.Host})
	}})
	t.Cleanup(front.Close)
	fronted, err := url.Parse(front.URL)
	require.NoError(t, err)
	fronted.Path = target.Path
	require.NoError(t, os.WriteFile(p.config, bytes.Replace(text, []byte(platform), []byte(fronted.String()), 1), 0o600))
	p.work(t)
	product := func(id string) publish.Mutation {
		return publish.Mutation{ID: id, ItemID: id, Operation: catalog.Create, Attributes: lampOf(id)}
	}
	p.publish(t, product("works"))
	eventually(t, "the first change succeeds", func() bool { return p.accountsOf(t)["demo-meta"].LastSucceeded != nil })
	require.Equal(t, "active", p.accountsOf(t)["demo-meta"].State)

	front.CloseClientConnections()
	front.Close()
	p.publish(t, product("fails"))
	gone := time.Now()
	eventually(t, "the account is shown as failing", func() bool { return p.accountsOf(t)["demo-meta"].State == "failing" })
	t.Log("failing after", time.Since(gone).Round(time.Millisecond))
	failing := p.accountsOf(t)["demo-meta"]
	require.Contains(t, *failing.Reason, "connection refused")
	require.NotNil(t, failing.Since)
	require.NotNil(t, failing.LastSucceeded)
	seen := p.run(t, "status").out
	require.Regexp(t, `demo-meta +meta +failing .*connection refused`, seen)
	require.Contains(t, seen, "1 worker, 64 of 64 partitions owned, 0 open dead letters")
	for _, columns := range []int{80, 120} {
		page := &screen{columns: columns}
		require.NoError(t, printAccounts(page, []accountRow{failing}))
		for line := range strings.Lines(page.String()) {
			require.LessOrEqual(t, len([]rune(strings.TrimRight(line, "\n"))), columns, line)
		}
		require.Contains(t, page.String(), "failing")
	}

	stray := product("stray")
	stray.Account, stray.Catalog, stray.Type = "demo-mata", "products", "PRODUCT_ITEM"
	results, err := p.publisher.PublishMutations(t.Context(), stray)
	require.NoError(t, err)
	require.Equal(t, 1, publish.Summarize(results).Stored)
	eventually(t, "the stray is named", func() bool {
		row := p.accountsOf(t)["demo-mata"]
		return row.State == "not configured" && row.Reason != nil && strings.Contains(*row.Reason, `the nearest known name is "demo-meta"`)
	})
	conn, err := pgx.Connect(t.Context(), p.environment.DatabaseURL)
	require.NoError(t, err)
	var why string
	require.NoError(t, conn.QueryRow(t.Context(), "select reason from courier.mutation_status where mutation_id = 'stray'").Scan(&why))
	require.NoError(t, conn.Close(t.Context()))
	require.Regexp(t, `demo-mata.*demo-meta.*becomes invalid at .* UTC`, why)

	got := p.run(t, "accounts", "remove", "demo-meta", "--yes")
	require.Equal(t, cli.Failed, got.code)
	require.Contains(t, got.err, "is in the configuration of tester")
	got = p.run(t, "accounts", "remove", "demo-mata")
	require.Equal(t, cli.Usage, got.code, "nobody is at the terminal")
	got = p.run(t, "accounts", "remove", "demo-mata", "--dry-run")
	require.Contains(t, got.out, "1 change waiting become")
	got = p.run(t, "accounts", "remove", "demo-mata", "--yes")
	require.Zero(t, got.code, got.err)
	require.Contains(t, got.out, "demo-mata is removed")
	require.NotContains(t, p.accountsOf(t), "demo-mata")
	require.Contains(t, p.run(t, "dead-letters", "list").out, "account_removed")
}

func TestPausesOfAccounts(t *testing.T) {
	t.Parallel()
	p := newPlant(t, sandbox.Options{})
	p.work(t)
	eventually(t, "the accounts are there", func() bool { return len(p.accountsOf(t)) >= 2 })
	for _, args := range [][]string{
		{"pause"},
		{"pause", "demo-meta", "--all"},
		{"pause", "demo-meta", "--for", "1ms"},
		{"resume"},
		{"pause", "demo-meta", "--until", "2020-01-01T10:00Z"},
		{"pause", "demo-meta", "--until", "soon"},
		{"pause", "demo-meta", "--for", "2h", "--until", "2100-01-01T10:00Z"},
	} {
		require.Equal(t, cli.Usage, p.run(t, append([]string{"accounts"}, args...)...).code, args)
	}
	got := p.run(t, "accounts", "pause", "--all", "--for", "2h", "--reason", "stop")
	require.Zero(t, got.code, got.err)
	require.Contains(t, got.out, "demo-meta is paused for 2 hours\ndemo-pinterest is paused for 2 hours\nworkers hear of it within about 5 seconds; until then they may send more\n")
	for name, account := range p.accountsOf(t) {
		require.Equal(t, "paused", account.State, name)
		require.WithinDuration(t, time.Now().Add(2*time.Hour), *account.ResumesAt, time.Minute)
	}
	require.Contains(t, p.run(t, "accounts", "resume", "--all").out, "demo-meta is resumed")
	for name, account := range p.accountsOf(t) {
		require.Equal(t, "active", account.State, name)
	}
	until := time.Now().Add(3 * time.Hour).Truncate(time.Minute)
	got = p.run(t, "accounts", "pause", "demo-meta", "--until", until.UTC().Format("2006-01-02T15:04Z"))
	require.Contains(t, got.out, "demo-meta is paused until ")
	require.True(t, until.Equal(*p.accountsOf(t)["demo-meta"].ResumesAt))
	require.Zero(t, p.run(t, "accounts", "pause", "demo-meta", "--for", "400d").code)
	require.WithinDuration(t, time.Now().Add(400*24*time.Hour), *p.accountsOf(t)["demo-meta"].ResumesAt, time.Minute)
	require.Contains(t, p.run(t, "accounts", "pause", "demo-meta").out, "demo-meta is paused\n")
	require.Nil(t, p.accountsOf(t)["demo-meta"].ResumesAt)
}
