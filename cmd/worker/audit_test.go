package main

import (
	"encoding/json"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/cmd/internal/audited"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// audit reads the audit log.
func (p *plant) audit(t *testing.T, args ...string) (entries []persistence.AuditEntry) {
	t.Helper()
	got := p.run(t, append([]string{"audit", "--output", "json"}, args...)...)
	require.Zero(t, got.code, got.err)
	require.NoError(t, json.Unmarshal([]byte(got.out), &entries))
	return entries
}

// TestCommandsAreInTheAuditLog: each action by command, who did it and why.
func TestCommandsAreInTheAuditLog(t *testing.T) {
	t.Parallel()
	p := newPlant(t, sandbox.Options{Rules: []sandbox.ItemRule{{Contains: "BAD", Action: sandbox.RefuseItem, Message: "not today"}}})
	p.work(t)
	p.publish(t, lamps(0, 1)...)
	for _, item := range []string{"BAD-1", "BAD-2", "BAD-3"} {
		bad := lamps(0, 1)[0]
		bad.ID, bad.ItemID = "m-"+item, item
		p.publish(t, bad)
	}
	eventually(t, "three are dead letters", func() bool { return len(p.list(t)) == 3 })
	require.Empty(t, p.audit(t), "what only looks is not written down")
	letters := map[string]string{}
	for _, one := range p.list(t) {
		letters[one.ItemID] = strconv.FormatInt(one.ID, 10)
	}
	host, err := os.Hostname()
	require.NoError(t, err)
	for _, c := range []struct {
		args           []string
		code           int
		action, target string
		filter, reason string
		result         string
		changed        int64 // -1: not counted
	}{
		{[]string{"accounts", "pause", "demo-meta", "--for", "2h", "--reason", "stocktaking"}, 0, "pause_account", "demo-meta", "{}", "stocktaking", "done", -1},
		{[]string{"accounts", "resume", "demo-meta", "--reason", "counted"}, 0, "resume_account", "demo-meta", "{}", "counted", "done", -1},
		{[]string{"accounts", "pause", "--all"}, 0, "pause_account", "", `{"all": ["yes"]}`, "paused by hand", "done", 2},
		{[]string{"accounts", "resume", "--all"}, 0, "resume_account", "", `{"all": ["yes"]}`, "", "done", 2},
		{[]string{"accounts", "pause", "nobody"}, 1, "pause_account", "nobody", "{}", "paused by hand", "refused", -1},
		{[]string{"accounts", "remove", "demo-meta", "--yes", "--reason", "sold"}, 1, "remove_account", "demo-meta", "{}", "sold", "refused", -1},
		{[]string{"accounts", "remove", "demo-meta", "--cancel"}, 1, "cancel_removal", "demo-meta", "{}", "", "refused", -1},
		{[]string{"dead-letters", "replay", letters["BAD-1"], "--note", "fixed there"}, 0, "replay_dead_letters", letters["BAD-1"], "{}", "fixed there", "done", 1},
		{[]string{"dead-letters", "edit", letters["BAD-2"], "--set", "price=2.00 USD", "--note", "a price"}, 0, "edit_dead_letter", letters["BAD-2"], "{}", "a price", "done", 1},
		{[]string{"dead-letters", "edit", letters["BAD-3"], "--file", write(t, `{"item_id":"BAD-3","operation":"PATCH"}`)}, 1, "edit_dead_letter", letters["BAD-3"], "{}", "", "refused", 0},
		{[]string{"dead-letters", "dismiss", "--item", "BAD-3", "--yes", "--note", "sold out", "--by", "ana"}, 0, "dismiss_dead_letters", "", `{"item": ["BAD-3"]}`, "sold out", "done", 1},
		{[]string{"webhooks", "resend", "--webhook", "shop", "--reason", "it is back"}, 0, "resend_posts", "", `{"webhook": ["shop"]}`, "it is back", "done", 0},
		{[]string{"erase", "L-0", "--account", "demo-meta", "--yes", "--reason", "asked for"}, 0, "erase_item", "demo-meta", "", "asked for", "done", -1},
	} {
		began := time.Now()
		got := p.run(t, c.args...)
		require.Equal(t, c.code, got.code, "%v: %s", c.args, got.err)
		entries := p.audit(t, "--limit", "1")
		require.Len(t, entries, 1)
		e := entries[0]
		require.Equal(t, []string{c.action, c.target, c.reason, c.result, "command"}, []string{e.Action, e.Target, e.Reason, e.Result, e.How}, "%v: %s", c.args, e.Message)
		if c.action == "erase_item" {
			require.Regexp(t, `^\{\s*"item_sha256": \[\s*"[0-9a-f]{64}"\s*\]\s*\}$`, string(e.Filter), "the id itself is not kept")
			require.Positive(t, *e.Changed)
			continue
		}
		require.JSONEq(t, c.filter, string(e.Filter), c.args)
		if c.changed < 0 {
			require.Nil(t, e.Changed, c.args)
		} else {
			require.Equal(t, c.changed, *e.Changed, c.args)
		}
		require.WithinDuration(t, began, e.At, time.Minute)
		require.NotNil(t, e.FinishedAt)
		require.Contains(t, e.Who, "@"+host)
	}
	all := p.audit(t)
	require.Len(t, all, 13)
	require.Contains(t, p.audit(t, "--who", "ana")[0].Who, "ana ("+audited.Who("")+")")
	require.Len(t, p.audit(t, "--action", "pause_account"), 3)
	require.Len(t, p.audit(t, "--result", "refused", "--target", "demo-meta"), 2)
	require.Len(t, p.audit(t, "--target", letters["BAD-3"]), 1)
	require.Len(t, p.audit(t, "--before", strconv.FormatInt(all[0].ID, 10)), 12)
	require.Empty(t, p.audit(t, "--until", "1h"))
	require.Len(t, p.audit(t, "--since", "1h", "--limit", "2"), 2)
	table := p.run(t, "audit", "--limit", "3").out
	require.Contains(t, table, "dismiss dead letters")
	require.Contains(t, table, "older actions: --before "+strconv.FormatInt(all[2].ID, 10))
	require.Regexp(t, `(?m)^id,at,who,how,action,`, p.run(t, "audit", "--output", "csv").out)
	require.Contains(t, p.run(t, "audit", "--output", "yaml").out, "action: erase_item")
	for _, args := range [][]string{
		{"audit", "--action", "pause_acount"},
		{"audit", "--result", "don"},
		{"audit", "--limit", "0"},
		{"audit", "--since", "soon"},
		{"accounts", "resume", "demo-meta", "--reason", string(make([]byte, 501))},
		{"erase", "L-0"},
		{"erase", "L-0", "--item", "L-0", "--account", "demo-meta"},
	} {
		require.Equal(t, cli.Usage, p.run(t, args...).code, args)
	}
	require.Contains(t, p.run(t, "audit", "--action", "pause_acount").err, "did you mean pause_account?")
	require.Len(t, p.audit(t), 13)
}

// TestUnknownReasonsAreNamed: a filter that can match nothing is a wrong call.
func TestUnknownReasonsAreNamed(t *testing.T) {
	t.Parallel()
	p := &plant{variables: map[string]string{}}
	for _, args := range [][]string{{"list"}, {"replay"}, {"dismiss"}} {
		got := p.run(t, append([]string{"dead-letters"}, append(args, "--reason", "refusd")...)...)
		require.Equal(t, cli.Usage, got.code, args)
		require.Contains(t, got.err, `--reason "refusd" is not known: did you mean refused?`, args)
	}
}
