package console_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/console/consoletest"
)

// submit presses the button with the text, and waits for the next page.
func (p *place) submit(t *testing.T, button string) {
	t.Helper()
	p.Do(t, chromedp.Evaluate[chromedp.Void]("document.documentElement.dataset.old = 'yes'; 0"))
	pressed := consoletest.Eval[bool](t, p.Browser, `(() => {
		const found = [...document.querySelectorAll("button, a")].find((b) => b.innerText.trim().startsWith(`+"`"+button+"`"+`));
		if (found) setTimeout(() => found.click(), 0);
		return Boolean(found);
	})()`)
	require.True(t, pressed, "there is no button %q", button)
	p.Until(t, `document.readyState === "complete" && !document.documentElement.dataset.old`)
}

// write fills a field.
func (p *place) write(t *testing.T, selector, text string) {
	t.Helper()
	p.Do(t, chromedp.SetValue(selector, text))
}

// untilPage loads a page again until an expression is true in it.
func (p *place) untilPage(t *testing.T, path, expression string) {
	t.Helper()
	p.Page(t, path)
	for range 100 {
		if consoletest.Eval[bool](t, p.Browser, expression) {
			return
		}
		p.Do(t, chromedp.Evaluate[chromedp.Void]("new Promise((done) => setTimeout(done, 200)).then(() => 0)", chromedp.EvalAwaitPromise))
		p.Page(t, path)
	}
	t.Fatalf("%s never showed %s:\n%s", path, expression, p.Text(t, "body"))
}

const has = `document.body.innerText.includes(`

// TestPeopleUseTheConsole goes through what people come for.
func TestPeopleUseTheConsole(t *testing.T) {
	p := start(t)
	p.fill(t)
	p.Look(t, 1200, 850, false)

	t.Run("find an item", func(t *testing.T) {
		p.untilPage(t, "/item?id=LAMP-01", has+`"up to date on Meta") && !`+has+`"waiting for Meta")`)
		p.Page(t, "/")
		p.write(t, "#find", "LAMP-01")
		p.submit(t, "Search")
		require.Equal(t, "LAMP-01", p.Text(t, "h1"))
		require.Contains(t, p.Text(t, "main"), "up to date on Meta")
		require.Contains(t, p.Text(t, "#timeline"), "confirmed by Meta")
		p.Do(t, chromedp.Evaluate[chromedp.Void](`document.querySelector("section.card details").open = true; 0`))
		shown := p.Text(t, "section.card details")
		require.Contains(t, shown, `"method"`, "the request")
		require.Contains(t, shown, "LAMP-01")
		require.Contains(t, shown, "Answer")
		require.Contains(t, shown, "the platform's batch id")
		require.Contains(t, shown, "The platform's last answer")
		require.Contains(t, shown, `"status": "finished"`)
		p.picture(t, "item")
	})
	t.Run("what shops write is text", func(t *testing.T) {
		evil := `<img src=x onerror="document.title='hit'">`
		p.untilPage(t, "/dead-letters", `document.querySelectorAll("tbody tr").length >= 4`)
		p.untilPage(t, "/issues", `document.querySelectorAll("tbody tr").length >= 3`)
		require.Contains(t, p.Text(t, "main"), "The price is not valid")
		require.Contains(t, p.Text(t, "main"), evil)
		for _, path := range []string{"/item?id=" + url.QueryEscape(evil), "/dead-letters?item=" + url.QueryEscape(evil), "/items?q=" + url.QueryEscape(evil+"?")} {
			p.Page(t, path)
			require.Contains(t, consoletest.Eval[string](t, p.Browser, "document.title"), "Catalog Courier")
		}
	})
	t.Run("look at every page", p.everyPage)
	t.Run("edit a dead letter", func(t *testing.T) {
		p.untilPage(t, "/item?id=SHIRT-77", `Boolean(document.querySelector("section.card a[href^='/dead-letters/']"))`)
		p.Do(t, chromedp.Evaluate[chromedp.Void](`document.querySelector("section.card a[href^='/dead-letters/']").click(); 0`))
		p.Until(t, `location.pathname.match(/dead-letters\/\d+$/) && document.querySelector("#body")`)
		require.Contains(t, p.Text(t, "main"), "What to do")
		p.picture(t, "dead-letter")
		body := consoletest.Eval[string](t, p.Browser, `document.querySelector("#body").value`)
		p.write(t, "#body", strings.Replace(body, `"operation": "UPSERT"`, `"operation": "PUT"`, 1))
		p.write(t, "input[name=why]", "the price was text")
		p.Heard()
		p.submit(t, "Publish the edited message")
		require.Contains(t, p.Text(t, "[role=alert]"), "cannot be published")
		require.Contains(t, consoletest.Eval[string](t, p.Browser, `document.querySelector("#body").value`), "PUT", "what was typed stays")
		p.Axe(t, "a message with a problem")
		p.Heard() // the browser tells of the answer's code, 422
		// A check goes by the platform's rules too, says what Publish would say, publishes
		// nothing and keeps what was typed.
		for _, one := range []struct{ body, selector, says string }{
			{body, "[role=alert]", "othing is changed"},
			{strings.Replace(body, `"ten"`, `"10,00"`, 1), "#warnings", "price"},
			{strings.Replace(body, `SHIRT-77`, `SHIRT-78`, 1), "[role=alert]", "SHIRT-77"},
			{strings.Replace(body, `"ten"`, `"10.00 USD"`, 1), "[role=status]", "Nothing is published yet."},
		} {
			p.write(t, "#body", one.body)
			p.write(t, "input[name=why]", "the price was text")
			p.submit(t, "Check only")
			require.Contains(t, p.Text(t, one.selector), one.says)
			require.Equal(t, "the price was text", consoletest.Eval[string](t, p.Browser, `document.querySelector("input[name=why]").value`))
			require.Equal(t, one.body, consoletest.Eval[string](t, p.Browser, `document.querySelector("#body").value`))
			p.Heard()
		}
		p.write(t, "#body", strings.Replace(body, `"ten"`, `"10.00 USD"`, 1))
		p.write(t, "input[name=why]", "the price was text")
		p.submit(t, "Publish the edited message")
		require.Contains(t, p.Text(t, "[role=status]"), "is published as change")
		require.Contains(t, p.Text(t, "main"), "\nedited\n")
		p.untilPage(t, "/item?id=SHIRT-77", has+`"up to date on Pinterest")`)
	})
	t.Run("replay by filter, then dismiss", func(t *testing.T) {
		p.Page(t, "/dead-letters?account=demo-meta")
		p.Do(t, chromedp.Click("input[name=scope][value=all]"))
		p.submit(t, "Replay …")
		require.Contains(t, p.Text(t, "main"), "published again as they are")
		p.Axe(t, "a confirmation")
		p.picture(t, "confirm")
		p.write(t, "input[name=why]", "to see whether it helps")
		p.submit(t, "Replay 1")
		require.Contains(t, p.Text(t, "[role=status]"), "1 dead letter published again")
		// It fails again, as it was announced, and is then dismissed.
		p.untilPage(t, "/dead-letters?account=demo-meta", `document.querySelectorAll("tbody tr").length === 1`)
		p.Do(t, chromedp.Click("tbody input[name=id]"))
		p.submit(t, "Dismiss …")
		p.write(t, "input[name=why]", "the lamp is not sold any more")
		p.submit(t, "Dismiss 1")
		require.Contains(t, p.Text(t, "[role=status]"), "1 dead letter dismissed.")
		p.Page(t, "/dead-letters?account=demo-meta")
		require.Contains(t, p.Text(t, "main"), "No dead letter matches.")
	})
	t.Run("pause and resume", func(t *testing.T) {
		p.Page(t, "/accounts/demo-meta")
		p.write(t, "input[name=why]", "the shop moves")
		p.write(t, "input[name=for]", "90m")
		p.submit(t, "Pause demo-meta")
		require.Contains(t, p.Text(t, "main"), "demo-meta is paused for 1 hour 30 minutes.")
		require.Contains(t, p.Text(t, "main"), "the shop moves")
		p.Page(t, "/")
		require.Contains(t, p.Text(t, "main"), "paused")
		p.Page(t, "/accounts/demo-meta")
		p.write(t, "input[name=why]", "it has moved")
		p.submit(t, "Resume demo-meta")
		require.Contains(t, p.Text(t, "main"), "active")
	})
	t.Run("approve withheld deletes", func(t *testing.T) {
		p.Page(t, "/")
		require.Contains(t, p.Text(t, "main"), "withholds deletes")
		p.submit(t, "Look at the run")
		require.Contains(t, p.Text(t, "main"), "90 deletes are withheld")
		p.Axe(t, "a run that withholds")
		p.picture(t, "run")
		p.write(t, "input[name=why]", "the mugs are sold out")
		p.submit(t, "Delete up to 90 items")
		require.Contains(t, p.Text(t, "[role=status]"), "The feed of mugs was read again: 180 changes sent, 0 deletes withheld.")
		p.untilPage(t, "/item?id=MUG-100", has+`"deleted on Meta") && `+has+`"deleted on Pinterest")`)
	})
	t.Run("everything is in the audit log", func(t *testing.T) {
		p.Page(t, "/audit")
		log := p.Text(t, "tbody")
		for _, part := range []string{
			"edit dead letter", "the price was text", "replay dead letters", "dismiss dead letters", "the lamp is not sold any more",
			"pause account", "the shop moves", "resume account", "approve deletes", "the mugs are sold out",
		} {
			require.Contains(t, log, part)
		}
		require.Equal(t, 7, strings.Count(log, "done"), "with the run of the feed by hand")
		p.Axe(t, "the audit log")
		p.picture(t, "audit")
	})
	t.Run("updates come, and can be paused", func(t *testing.T) {
		p.Page(t, "/workers")
		count := func(path string) string {
			return `performance.getEntriesByType("resource").filter((e) => e.initiatorType === "xmlhttprequest" && e.name.endsWith("` + path + `")).length`
		}
		p.Until(t, count("/workers")+" >= 1")
		p.Do(t, chromedp.Click("[data-pause]"))
		before := consoletest.Eval[int](t, p.Browser, count("/workers"))
		p.Do(t, chromedp.Evaluate[chromedp.Void](`window.dispatchEvent(new Event("focus")); document.dispatchEvent(new Event("visibilitychange")); new Promise((done) => setTimeout(done, 6000)).then(() => 0)`, chromedp.EvalAwaitPromise))
		require.Equal(t, before, consoletest.Eval[int](t, p.Browser, count("/workers")))
		require.Equal(t, "true", consoletest.Eval[string](t, p.Browser, `document.querySelector("[data-pause]").getAttribute("aria-pressed")`))
		p.Do(t, chromedp.Click("[data-pause]"))
		p.Until(t, count("/workers")+" > "+string(rune('0'+before)))
		require.Empty(t, p.Heard())
	})
}

// everyPage looks at each page in light and dark, wide and narrow.
func (p *place) everyPage(t *testing.T) {
	letter := func() string {
		p.Page(t, "/dead-letters")
		return consoletest.Eval[string](t, p.Browser, `new URL(document.querySelector("tbody th a").href).pathname`)
	}()
	p.Page(t, "/batches")
	batch := consoletest.Eval[string](t, p.Browser, `new URL(document.querySelector("tbody th a").href).pathname`)
	pages := []struct{ name, path string }{
		{"overview", "/"},
		{"issues", "/issues"},
		{"", "/issues/items?account=demo-pinterest"},
		{"", "/dead-letters/groups"},
		{"search", "/items"},
		{"", "/items?q=NOTHING"},
		{"", "/item?id=LAMP-01"},
		{"", "/mutation?id=demo-0002"},
		{"dead-letters", "/dead-letters?state=all"},
		{"", letter},
		{"batches", "/batches"},
		{"batch", batch},
		{"", "/accounts"},
		{"account", "/accounts/demo-pinterest"},
		{"sources", "/sources"},
		{"", "/runs/1"},
		{"", "/webhooks"},
		{"workers", "/workers"},
		{"", "/audit"},
	}
	// Each size is looked at once by all rules (whole), and then for its other colours.
	looks := []struct {
		name          string
		width, height int64
		dark, whole   bool
	}{{"", 1200, 850, false, true}, {"-dark", 1200, 850, true, false}, {"-phone-dark", 390, 844, true, true}, {"-phone", 390, 844, false, false}}
	for i, page := range pages {
		p.Page(t, page.path)
		for j, look := range looks {
			// The short form looks at each page once, each time otherwise than at the last one.
			if testing.Short() && i%len(looks) != j {
				continue
			}
			p.Look(t, look.width, look.height, look.dark)
			if page.name != "" && *pictures {
				p.Page(t, page.path) // as it is drawn at once
				p.picture(t, page.name+look.name)
			}
			if look.whole || testing.Short() {
				p.Axe(t, page.path+look.name)
			} else {
				p.AxeColours(t, page.path+look.name)
			}
		}
		require.Empty(t, p.Heard(), page.path)
	}
	p.Look(t, 1200, 850, false)
}
