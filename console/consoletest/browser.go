// Package consoletest looks at the console's pages as people do: in a real browser, and with
// axe-core, which finds what keeps people with disabilities out.
package consoletest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// Browser is a tab of a Chromium of its own.
type Browser struct {
	ctx  context.Context //nolint:containedctx // chromedp keeps the tab in it
	base string
	axe  string

	mu       sync.Mutex
	messages []string // of the console, since the last Page
}

// patience bounds each step.
const patience = 30 * time.Second

// Find names a Chromium; "" where there is none.
func Find() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// Open starts a browser for the pages below base. folder is that of the package console,
// with axe-core in its testdata. Without a Chromium the test fails in CI (where CI is set)
// and is left out elsewhere.
func Open(t *testing.T, base, folder string) *Browser {
	t.Helper()
	path := Find()
	if path == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("CI is set and there is no Chromium: install it (Debian: apt-get install chromium)")
		}
		t.Skip("there is no Chromium on this machine: pages are not looked at in a browser")
	}
	axe, err := os.ReadFile(filepath.Join(folder, "testdata", "axe-core", "axe.min.js")) //nolint:gosec // of this project
	require.NoError(t, err)
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("lang", "en-GB"), chromedp.Env("TZ=Europe/Warsaw"))
	allocator, cancelAllocator := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		cancel()
		cancelAllocator()
	})
	b := &Browser{ctx: ctx, base: strings.TrimSuffix(base, "/"), axe: string(axe)}
	require.NoError(t, chromedp.Do(ctx))
	messages := chromedp.Console(ctx)
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		for message, err := range messages {
			if err != nil {
				return
			}
			if message.Type == "error" || message.Type == "warning" || message.IsException() {
				b.mu.Lock()
				b.messages = append(b.messages, message.String()+" "+message.URL)
				b.mu.Unlock()
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-heard
	})
	return b
}

// Do runs steps one after the other.
func (b *Browser) Do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	require.NoError(t, chromedp.Do(ctx, steps...))
}

// Page opens a page and requires that the browser has nothing to say against it.
func (b *Browser) Page(t *testing.T, path string) {
	t.Helper()
	b.Heard()
	b.Do(t, chromedp.Navigate(b.base+path), chromedp.WaitVisible("h1"))
	require.Empty(t, b.Heard(), path)
}

// Heard is what the browser's console said since the last call: among it each thing that
// the Content-Security-Policy refused.
func (b *Browser) Heard() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	heard := b.messages
	b.messages = nil
	return heard
}

// Look sets the size of the window and whether it is dark.
func (b *Browser) Look(t *testing.T, width, height int64, dark bool) {
	t.Helper()
	scheme := map[bool]string{false: "light", true: "dark"}[dark]
	b.Do(t, chromedp.EmulateViewport(width, height), func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
		})
		return chromedp.Void{}, err
	})
}

// Eval is the value of an expression.
func Eval[T any](t *testing.T, b *Browser, expression string) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(t, err, expression)
	return value
}

// Until waits for an expression to be true, also over the change to another page.
func (b *Browser) Until(t *testing.T, expression string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		// While one page goes and the next one comes there is nothing to ask.
		if met, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")")); err == nil && met {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("location.href + '\\n' + document.body.innerText"))
			t.Fatalf("it was never true that %s\nthe page:\n%s", expression, text)
		}
	}
}

// Text is what people read in the first element.
func (b *Browser) Text(t *testing.T, selector string) string {
	t.Helper()
	return Eval[string](t, b, fmt.Sprintf("document.querySelector(%q).innerText", selector))
}

// finding is a rule of axe-core that a page breaks.
type finding struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

// everyRule are the rules of WCAG 2.2, levels A and AA, and axe-core's own advice; colourRules
// are those of them whose answer depends on colours.
const (
	everyRule   = `{type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}`
	colourRules = `{type: "rule", values: ["color-contrast", "link-in-text-block"]}`
)

// Axe requires that axe-core finds nothing against WCAG 2.2, levels A and AA, on the page,
// and that nothing is wider than the window.
func (b *Browser) Axe(t *testing.T, what string) {
	t.Helper()
	b.axeRules(t, what, everyRule)
}

// AxeColours is Axe for a page that was looked at in the same size and in other colours: it
// asks only what colours change.
func (b *Browser) AxeColours(t *testing.T, what string) {
	t.Helper()
	b.axeRules(t, what, colourRules)
}

func (b *Browser) axeRules(t *testing.T, what, rules string) {
	t.Helper()
	if !Eval[bool](t, b, `"axe" in window`) {
		b.Do(t, chromedp.Evaluate[chromedp.Void](b.axe+";0"))
	}
	raw := Eval[string](t, b, `axe.run(document, {runOnly: `+rules+`, resultTypes: ["violations"]}).then((found) => JSON.stringify(found.violations))`)
	var findings []finding
	require.NoError(t, json.Unmarshal([]byte(raw), &findings))
	for _, found := range findings {
		for _, node := range found.Nodes {
			t.Errorf("%s: %s: %s\n%s\n%s", what, found.ID, found.Help, node.HTML, node.Summary)
		}
	}
	if wide := Eval[float64](t, b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); wide > 0 {
		widest := Eval[string](t, b, `[...document.querySelectorAll("main *, header *")].filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1).slice(0, 5).map((e) => e.outerHTML.slice(0, 160)).join("\n")`)
		t.Errorf("%s: %v pixels wider than the window:\n%s", what, wide, widest)
	}
}

// Picture writes what the window shows, or the whole page, as a PNG file.
func (b *Browser) Picture(t *testing.T, file string, whole bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	take := chromedp.CaptureScreenshot()
	if whole {
		take = chromedp.FullScreenshot(100)
	}
	picture, err := chromedp.Run(ctx, take)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, picture, 0o644)) //nolint:gosec // a picture for the documentation
}
