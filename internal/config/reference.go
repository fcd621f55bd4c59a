package config

import (
	"fmt"
	"strings"

	"github.com/catalog-courier/catalog-courier/internal/setting"
)

// Reference describes every key as Markdown tables, from the same declarations
// that read the file. docs/configuration.md carries it, held to it by a test.
func Reference(platforms []Platform) string {
	l := newDeclarations(platforms)
	r := &reference{}
	for _, s := range l.settings() {
		r.heading(s.Name, s.Doc)
		r.rows(s.children, s.Name, "", true)
	}
	account := &Account{Keys: setting.Values{}}
	r.heading("accounts.<name>", "One connection to a platform. The name is the token of the subject.")
	r.rows(l.accountFields(account), "", "delivery", false)
	r.heading("accounts.<name>.catalogs.<name>", "One place to write to. The name is the token of the subject.")
	r.rows(l.fields(l.catalogKeys, account, setting.Values{}), "", "", false)
	r.delivery(platforms)
	if webhook, err := l.outcomeWebhook("name"); err == nil {
		r.heading("outcomes.webhooks.<name>", "An address that outcomes are posted to: docs/events.md explains it.")
		r.rows(webhook, "", "", false)
	}
	notices := l.noticeFields()
	r.heading("notices", "Who gets a notice of a change of state. `worker run` and `worker notices` read this section: docs/notices.md explains it.")
	r.defaults(notices)
	r.elements(notices, "notices")
	r.sources(l)
	return r.out.String()
}

type reference struct {
	out strings.Builder
}

func (r *reference) heading(key, doc string) {
	fmt.Fprintf(&r.out, "\n### `%s`\n\n%s\n\n", key, doc)
}

// rows prints one table; skip names the kind of settings that have their own.
func (r *reference) rows(settings []field, at, skip string, variables bool) {
	if variables {
		r.out.WriteString("| key | default | allowed | variable | meaning |\n|---|---|---|---|---|\n")
	} else {
		r.out.WriteString("| key | allowed | meaning |\n|---|---|---|\n")
	}
	r.table(settings, at, skip, variables)
}

func (r *reference) table(settings []field, at, skip string, variables bool) {
	shared := map[string]bool{}
	if skip != "" {
		for _, s := range deliverySettings(&Delivery{}, 1, 1) {
			shared[s.Name] = true
		}
	}
	for _, s := range settings {
		key := joinKey(at, s.Name)
		switch {
		case shared[s.Name] || s.entries != nil || s.elements != nil:
		case s.children != nil:
			r.table(s.children, key, skip, variables)
		case variables:
			names := variableNames(s, key)
			fmt.Fprintf(&r.out, "| `%s` | %s | %s | `%s` | %s |\n", key, defaultOf(s), s.Allowed, strings.Join(names, "`, `"), s.Doc)
		default:
			fmt.Fprintf(&r.out, "| `%s` | %s | %s |\n", key, s.Allowed, s.Doc)
		}
	}
}

// sources prints the two sections that only enqueue reads.
func (r *reference) sources(l *loader) {
	source := &Source{Deletes: Deletes{Missing: MissingDelete, MissingRuns: 1, HoldOverItems: 50, HoldOverPercent: 10}}
	fields := l.sourceFields(source)
	r.heading("sources.<name>", "A shop or another system whose items are kept true on platforms. Only `enqueue` reads this section: docs/feeds.md and docs/webhooks.md explain it.")
	r.defaults(fields)
	r.elements(fields, "sources.<name>")
	fields = l.serveFields()
	r.heading("serve", "The HTTP interface of `enqueue serve`. Only `enqueue` reads this section: docs/http.md explains it.")
	r.rows(fields, "serve", "", true)
	r.elements(fields, "serve")
}

// elements prints a table for each list of sections.
func (r *reference) elements(fields []field, at string) {
	for _, s := range fields {
		if s.elements != nil {
			r.heading(at+"."+s.Name, s.Doc)
			r.defaults(s.elements())
		}
	}
}

// defaults prints a table with the defaults and without variables.
func (r *reference) defaults(settings []field) {
	r.out.WriteString("| key | default | allowed | meaning |\n|---|---|---|---|\n")
	var table func(settings []field, at string)
	table = func(settings []field, at string) {
		for _, s := range settings {
			key := joinKey(at, s.Name)
			switch {
			case s.elements != nil || s.entries != nil:
			case s.children != nil:
				table(s.children, key)
			default:
				usual := defaultOf(s)
				if usual == "`0s`" || usual == "`0`" {
					usual = "" // the feature is off
				}
				fmt.Fprintf(&r.out, "| `%s` | %s | %s | %s |\n", key, usual, s.Allowed, s.Doc)
			}
		}
	}
	table(settings, "")
}

// delivery prints the settings that defaults and accounts share, with each
// platform's default.
func (r *reference) delivery(platforms []Platform) {
	r.heading("accounts.<name> and defaults", "These stand in an account, or in `defaults:` for all accounts.")
	columns := make([]column, len(platforms))
	r.out.WriteString("| key |")
	for i := range platforms {
		defaults := deliveryDefaults(&platforms[i])
		columns[i] = column{platforms[i].Title, deliverySettings(&defaults, platforms[i].MaxItems, platforms[i].MaxBytes)}
		r.out.WriteString(" " + platforms[i].Title + " |")
	}
	r.out.WriteString(" allowed | meaning |\n|---|" + strings.Repeat("---|", len(platforms)+2) + "\n")
	r.columns(columns, "")
}

// column is what one platform makes of the shared settings.
type column struct {
	title  string
	fields []field
}

func (r *reference) columns(columns []column, at string) {
	if len(columns) == 0 {
		return
	}
	for i, s := range columns[0].fields {
		key := joinKey(at, s.Name)
		inner := make([]column, len(columns))
		defaults, allowed := make([]string, len(columns)), make([]string, len(columns))
		for n, c := range columns {
			inner[n] = column{c.title, c.fields[i].children}
			defaults[n], allowed[n] = defaultOf(c.fields[i]), c.fields[i].Allowed
		}
		if s.children != nil {
			r.columns(inner, key)
			continue
		}
		one := allowed[0]
		if !isSame(allowed) {
			for n := range allowed {
				allowed[n] = columns[n].title + ": " + allowed[n]
			}
			one = strings.Join(allowed, "; ")
		}
		fmt.Fprintf(&r.out, "| `%s` | %s | %s | %s |\n", key, strings.Join(defaults, " | "), one, s.Doc)
	}
}

func defaultOf(s field) string {
	if s.shown == nil || s.shown() == "" {
		return ""
	}
	return "`" + s.shown() + "`"
}
