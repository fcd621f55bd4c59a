package config

import (
	"fmt"
	"strings"
)

// Reference describes every key as Markdown tables, from the same declarations
// that read the file. docs/configuration.md carries it, held to it by a test.
func Reference() string {
	l := &loader{config: infrastructureDefaults(), catalogs: map[string]*Catalog{}}
	l.lookup = func(string) (string, bool) { return "", false }
	r := &reference{}
	for _, s := range l.settings() {
		r.heading(s.key, s.doc)
		r.rows(s.children, s.key, "", true)
	}
	r.heading("accounts.<name>", "One connection to a platform. The name is the token of the subject.")
	account := &Account{}
	r.rows(l.accountSettings(account), "", "delivery", false)
	r.heading("accounts.<name>.catalogs.<name>", "One place to write to. The name is the token of the subject.")
	r.rows(catalogSettings(&Catalog{}), "", "", false)
	r.delivery()
	return r.out.String()
}

type reference struct {
	out strings.Builder
}

func (r *reference) heading(key, doc string) {
	fmt.Fprintf(&r.out, "\n### `%s`\n\n%s\n\n", key, doc)
}

// rows prints one table; skip names the kind of settings that have their own.
func (r *reference) rows(settings []setting, at, skip string, variables bool) {
	if variables {
		r.out.WriteString("| key | default | allowed | variable | meaning |\n|---|---|---|---|---|\n")
	} else {
		r.out.WriteString("| key | allowed | meaning |\n|---|---|---|\n")
	}
	r.table(settings, at, skip, variables)
}

func (r *reference) table(settings []setting, at, skip string, variables bool) {
	shared := map[string]bool{}
	if skip != "" {
		for _, s := range deliverySettings(&Delivery{}, capsOf("")) {
			shared[s.key] = true
		}
	}
	for _, s := range settings {
		key := joinKey(at, s.key)
		switch {
		case shared[s.key] || s.entries != nil:
		case s.children != nil:
			r.table(s.children, key, skip, variables)
		case variables:
			names := variableNames(s, key)
			fmt.Fprintf(&r.out, "| `%s` | %s | %s | `%s` | %s |\n", key, defaultOf(s), s.allowed, strings.Join(names, "`, `"), s.doc)
		default:
			fmt.Fprintf(&r.out, "| `%s` | %s | %s |\n", key, s.allowed, s.doc)
		}
	}
}

// delivery prints the settings that defaults and accounts share, with each
// platform's default.
func (r *reference) delivery() {
	r.heading("accounts.<name> and defaults", "These stand in an account, or in `defaults:` for all accounts.")
	r.out.WriteString("| key | Pinterest | Meta | allowed | meaning |\n|---|---|---|---|---|\n")
	pinterest, meta := deliveryDefaults(Pinterest), deliveryDefaults(Meta)
	r.pairs(deliverySettings(&pinterest, capsOf(Pinterest)), deliverySettings(&meta, capsOf(Meta)), "")
}

func (r *reference) pairs(pinterest, meta []setting, at string) {
	for i, s := range pinterest {
		key := joinKey(at, s.key)
		if s.children != nil {
			r.pairs(s.children, meta[i].children, key)
			continue
		}
		allowed := s.allowed
		if meta[i].allowed != allowed {
			allowed = "Pinterest: " + allowed + "; Meta: " + meta[i].allowed
		}
		fmt.Fprintf(&r.out, "| `%s` | %s | %s | %s | %s |\n", key, defaultOf(s), defaultOf(meta[i]), allowed, s.doc)
	}
}

func defaultOf(s setting) string {
	if s.show == nil || s.show() == "" {
		return ""
	}
	return "`" + s.show() + "`"
}
