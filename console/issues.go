package console

import (
	"net/http"

	"github.com/catalog-courier/catalog-courier/status"
)

// issueList is what items fail of.
type issueList struct {
	Issues   []shownIssue
	More     bool
	Accounts []string
	Counts   status.ItemCounts
}

// shownIssue is a group of items with the same error.
type shownIssue struct {
	status.IssueGroup
	Path    string // of its items
	Letters string // of its dead letters
}

const issuesShown = 200

func issueFilter(r *http.Request) status.IssueFilter {
	filter := status.IssueFilter{Filter: filterOf(r), Code: filled(r, "code"), Status: filled(r, "status"), Message: filled(r, "message")}
	if query := r.URL.Query(); query.Has("attribute") {
		attribute := filled(r, "attribute")
		filter.Attribute = &attribute
	}
	return filter
}

// issues shows what is to be resolved: what items fail of, and what to do.
func (c *Console) issues(w http.ResponseWriter, r *http.Request) error {
	filter := issueFilter(r)
	if wantsCSV(r) {
		return c.exportIssues(w, r, filter)
	}
	groups, more, err := c.Reader.Issues(r.Context(), filter, issuesShown)
	if err != nil {
		return err
	}
	list := issueList{More: more}
	if list.Accounts, err = c.accountNames(r.Context()); err != nil {
		return err
	}
	if list.Counts, err = c.Reader.Counts(r.Context(), filter.Account); err != nil {
		return err
	}
	for i := range groups {
		g := &groups[i]
		path := c.link("/issues/items", "account", g.Account, "code", g.Code, "attribute", g.Attribute, "message", g.MessageKey)
		if g.Attribute == "" {
			path += "&attribute="
		}
		list.Issues = append(list.Issues, shownIssue{*g, path, c.link("/dead-letters", "account", g.Account, "attribute", g.Attribute)})
	}
	return c.showPage(w, "issues", c.page(r, "Issues to resolve", "issues").live(), list)
}

// exportIssues sends all failing items as CSV. What goes wrong on the way cuts the
// connection, so that nobody takes a part for the whole.
func (c *Console) exportIssues(w http.ResponseWriter, r *http.Request, filter status.IssueFilter) error {
	table := newCSV(w, "issues")
	if err := c.Reader.ExportIssues(r.Context(), filter, table.body()); err != nil {
		return table.end(err)
	}
	return nil
}

// issueItems lists the items of an issue.
func (c *Console) issueItems(w http.ResponseWriter, r *http.Request) error {
	filter := issueFilter(r)
	if wantsCSV(r) {
		return c.exportIssues(w, r, filter)
	}
	before := status.Cursor(filled(r, "before"))
	items, next, err := c.Reader.IssueItems(r.Context(), filter, searchPage, before)
	if err != nil {
		return err
	}
	p := c.page(r, "Items with an issue", "issues")
	shown := found{Items: items}
	if next != "" {
		shown.NextPage = p.With("before", next)
	}
	if before == "" {
		p.live()
	}
	return c.showPage(w, "issueitems", p, shown)
}
