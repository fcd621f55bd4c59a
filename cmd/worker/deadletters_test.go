package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/publish"
)

// list reads dead letters as a script does.
func (p *plant) list(t *testing.T, args ...string) (letters []letter) {
	t.Helper()
	got := p.run(t, append([]string{"dead-letters", "list", "--output", "json"}, args...)...)
	require.Zero(t, got.code, got.err)
	require.NoError(t, json.Unmarshal([]byte(got.out), &letters))
	return letters
}

// TestDeadLettersAreAToDoList: a person finds what is wrong and what to do, corrects one
// message, dismisses another, and a newer success takes a third from the list.
//
//nolint:tparallel // each step works on what those before left
func TestDeadLettersAreAToDoList(t *testing.T) {
	t.Parallel()
	p := newPlant(t, sandbox.Options{Rules: []sandbox.ItemRule{{Contains: "BAD", Action: sandbox.RefuseItem, Times: 1, Message: "not today"}}})
	p.work(t)
	p.publish(t, publish.Mutation{ID: "m-bad-1", ItemID: "BAD-1", Operation: catalog.Create, Attributes: lampOf("one")})
	lamp := func(item string, attributes map[string]any) publish.Mutation {
		maps.Copy(attributes, map[string]any{"description": "d", "availability": "in stock", "image_link": []string{"https://shop.example/1.jpg"}})
		return publish.Mutation{
			ID: "m-" + item, ItemID: item, Operation: catalog.Upsert, Account: "demo-pinterest", Catalog: "us", Type: "RETAIL", Attributes: attributes,
		}
	}
	_, err := p.publisher.PublishMutations(t.Context(), lamp("BARE", map[string]any{"price": "1.00 USD"}),
		lamp("WRONG", map[string]any{"price": "ten", "title": "one", "link": "https://shop.example/1"}))
	require.NoError(t, err)
	eventually(t, "three are dead letters", func() bool { return len(p.list(t)) == 3 })
	letters := map[string]letter{}
	for _, one := range p.list(t) {
		letters[one.ItemID] = one
	}
	id := func(item string) string { return strconv.FormatInt(letters[item].ID, 10) }

	t.Run("all errors with what was sent and what to do", func(t *testing.T) {
		one := letters["WRONG"]
		require.Len(t, one.Errors, 1)
		require.Equal(t, "ten", *one.Errors[0].Value)
		require.Len(t, letters["BARE"].Errors, 2)
		require.Nil(t, letters["BARE"].Errors[0].Value, "nothing was sent")
		require.Equal(t, []string{"refused", "106"}, []string{letters["BARE"].Advice[0].Code, letters["BARE"].Advice[1].Code})
		require.Equal(t, persistence.LetterOpen, one.State)
		require.Equal(t, one.Reason, catalog.Reason(one.Advice[0].Code))
		require.NotEmpty(t, one.Advice[0].Action)
		require.Contains(t, p.run(t, "dead-letters", "list").out, "(and 1 more)")
		shown := p.run(t, "dead-letters", "show", id("WRONG")).out
		require.Contains(t, shown, "(sent: ten)")
		require.Contains(t, shown, "what to do")
		require.Contains(t, shown, "docs/errors.md#"+string(one.Reason))
		require.Contains(t, p.run(t, "dead-letters", "show", id("BAD-1")).out, "not today")
	})
	t.Run("newest first, a few of many, and grouped", func(t *testing.T) {
		newest := p.list(t, "--limit", "0")
		require.Len(t, newest, 3)
		require.Greater(t, newest[0].ID, newest[2].ID)
		got := p.run(t, "dead-letters", "list", "--limit", "1").out
		require.Contains(t, got, "1 of 3; --before "+strconv.FormatInt(newest[0].ID, 10))
		require.Len(t, p.list(t, "--before", strconv.FormatInt(newest[0].ID, 10)), 2)
		require.Len(t, p.list(t, "--item", "BAD-1"), 1)
		require.Len(t, p.list(t, "--since", "1h", "--account", "demo-meta", "--type", "PRODUCT_ITEM", "--catalog", "products"), 1)
		require.Empty(t, p.list(t, "--until", "1h"))
		require.Len(t, p.list(t, "--attribute", "price"), 1)
		groups := p.run(t, "dead-letters", "list", "--group", "reason").out
		require.Regexp(t, `refused +3 +3 `, groups)
		require.Regexp(t, `demo-meta +1 +1 `, p.run(t, "dead-letters", "list", "--group", "account").out)
		require.Contains(t, p.run(t, "dead-letters", "list", "--group", "attribute", "--output", "csv").out, "refused,pinterest,192,price,1,1,")
	})
	t.Run("what is not there is an error", func(t *testing.T) {
		for _, command := range []string{"replay", "dismiss", "edit", "show"} {
			got := p.run(t, "dead-letters", command, "999999")
			require.Equal(t, 1, got.code, command)
			require.Contains(t, got.err, "999999: no such dead letter", command)
		}
	})
	t.Run("a dry run changes nothing", func(t *testing.T) {
		got := p.run(t, "dead-letters", "replay", "--all", "--dry-run")
		require.Contains(t, got.out, "would publish 3 of 3 dead letters")
		require.Contains(t, got.out, "3 with reasons that a replay does not change")
		require.Equal(t, "would dismiss 3\n", p.run(t, "dead-letters", "dismiss", "--all", "--dry-run").out)
		require.Contains(t, p.run(t, "dead-letters", "edit", id("WRONG"), "--set", "price=2.00 USD", "--dry-run").out, `"price": "2.00 USD"`)
		require.Contains(t, p.run(t, "dead-letters", "edit", id("WRONG"), "--operation", "DELETE", "--dry-run").out, `"operation": "DELETE"`)
		require.Len(t, p.list(t), 3)
	})
	t.Run("dismissed with who and why", func(t *testing.T) {
		require.Equal(t, "dismissed 1\n", p.run(t, "dead-letters", "dismiss", id("BARE"), "--note", "sold out", "--by", "ana").out)
		require.Contains(t, p.run(t, "dead-letters", "dismiss", id("BARE")).out, "dismissed 0\nleft 1 as they are")
		dismissed := p.list(t, "--state", "dismissed")
		require.Len(t, dismissed, 1)
		require.Equal(t, "ana", dismissed[0].DismissedBy)
		require.Contains(t, p.run(t, "dead-letters", "show", id("BARE")).out, "by ana: sold out")
		require.Contains(t, p.run(t, "dead-letters", "replay", id("BARE")).out, "replayed 0\nskipped 1 that are not open any more")
	})
	t.Run("edited and delivered", func(t *testing.T) {
		got := p.run(t, "dead-letters", "edit", id("WRONG"), "--file", write(t, `{"item_id":"WRONG","operation":"PATCH"}`))
		require.Equal(t, 1, got.code)
		require.Contains(t, got.err, "breaks a rule: unknown_operation")
		got = p.run(t, "dead-letters", "edit", id("WRONG"), "--set", "price=2.00 USD", "--set", `title="two"`)
		require.Zero(t, got.code, got.err)
		require.Contains(t, got.out, "published as mutation ")
		edited := p.list(t, "--state", "replayed")
		require.Len(t, edited, 1)
		eventually(t, "the corrected item is delivered", func() bool {
			statuses := p.statuses(t, edited[0].ReplacedBy)
			return len(statuses) == 1 && statuses[0] == "succeeded"
		})
	})
	t.Run("an editor, too", func(t *testing.T) {
		editor := filepath.Join(t.TempDir(), "editor")
		require.NoError(t, os.WriteFile(editor, []byte("#!/bin/sh\nsed -i 's/\"one\"/\"edited\"/' \"$1\"\n"), 0o700))
		p.variables["EDITOR"] = editor
		got := p.run(t, "dead-letters", "edit", id("BAD-1"), "--dry-run")
		require.Contains(t, got.out, `"title": "edited"`)
	})
	t.Run("resolved by a newer success", func(t *testing.T) {
		p.publish(t, publish.Mutation{ID: "m-newer", ItemID: "BAD-1", Operation: catalog.Create, Attributes: lampOf("two")})
		eventually(t, "the list is empty", func() bool { return len(p.list(t)) == 0 })
		eventually(t, "and it is noted", func() bool { return len(p.list(t, "--state", "resolved", "--since", "1h")) == 1 })
		require.Contains(t, p.run(t, "dead-letters", "list").out, "none")
		require.Contains(t, p.run(t, "dead-letters", "replay", "--all", "--yes").out, "replayed 0\n")
	})
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "message.json")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// TestPointIn reads how long ago and when.
func TestPointIn(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.Local) //nolint:gosmopolitan // people mean their own time
	for text, want := range map[string]time.Time{
		"": {}, "2h": now.Add(-2 * time.Hour), "7d": now.AddDate(0, 0, -7), "2026-11-28T09:00:00Z": time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC),
		"2026-11-27": time.Date(2026, 11, 27, 0, 0, 0, 0, time.Local), //nolint:gosmopolitan // as above
	} {
		got, err := pointIn("--since", text, now)
		require.NoError(t, err, text)
		require.True(t, want.Equal(got), "%s: %s", text, got)
	}
	for _, text := range []string{"-2h", "d", "soon", "-1d"} {
		_, err := pointIn("--since", text, now)
		require.Error(t, err, text)
	}
}
