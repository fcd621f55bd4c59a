package console

import "net/http"

// routes are the addresses behind the login.
func (c *Console) routes() map[string]serve {
	routes := map[string]serve{
		"GET /{$}":                     c.overview,
		"GET /items":                   c.search,
		"GET /item":                    c.item,
		"GET /mutation":                c.mutation,
		"GET /batches":                 c.batches,
		"GET /batches/{id}":            c.batch,
		"GET /batches/{id}/request":    c.request,
		"GET /accounts":                c.accounts,
		"GET /accounts/{name}":         c.account,
		"POST /accounts/{name}/pause":  c.pause,
		"POST /accounts/{name}/resume": c.resume,
		"GET /issues":                  c.issues,
		"GET /issues/items":            c.issueItems,
		"GET /dead-letters/groups":     c.letterGroups,
		"GET /dead-letters":            c.letters,
		"GET /dead-letters/{id}":       c.letter,
		"POST /dead-letters/confirm":   c.confirm,
		"POST /dead-letters/replay":    c.replayLetters,
		"POST /dead-letters/dismiss":   c.dismissLetters,
		"POST /dead-letters/{id}/edit": c.editLetter,
		"GET /sources":                 c.sources,
		"GET /runs/{id}":               c.run,
		"POST /runs/{id}/approve":      c.approve,
		"GET /webhooks":                c.webhooks,
		"GET /workers":                 c.workers,
		"GET /audit":                   c.audit,
		"GET /":                        func(http.ResponseWriter, *http.Request) error { return errNowhere },
	}
	c.routeAPI(routes)
	return routes
}

// entry is a page in the navigation.
type entry struct {
	Title, Path string
	Here        bool
}

// Navigation lists the pages, in the order in which people need them.
func (p *page) Navigation() []entry {
	pages := []struct{ title, path, nav string }{
		{"Overview", "/", "overview"},
		{"Issues", "/issues", "issues"},
		{"Items", "/items", "items"},
		{"Dead letters", "/dead-letters", "letters"},
		{"Batches", "/batches", "batches"},
		{"Accounts", "/accounts", "accounts"},
		{"Sources", "/sources", "sources"},
		{"Webhooks", "/webhooks", "webhooks"},
		{"Workers", "/workers", "workers"},
		{"Audit log", "/audit", "audit"},
	}
	entries := make([]entry, 0, len(pages))
	for _, each := range pages {
		entries = append(entries, entry{each.title, p.Link(each.path), each.nav == p.Nav})
	}
	return entries
}

// showPage renders the page of a request that could be answered.
func (c *Console) showPage(w http.ResponseWriter, name string, p *page, data any) error {
	p.Data = data
	c.render(w, http.StatusOK, name, p)
	return nil
}

// filled trims a value of the address, and bounds it.
func filled(r *http.Request, key string) string {
	value := r.URL.Query().Get(key)
	return value[:min(len(value), longestValue)]
}
