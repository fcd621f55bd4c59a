package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/reason"
	"github.com/catalog-courier/catalog-courier/internal/span"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// Letters reads dead letters; persistence.Store is one.
type Letters interface {
	NewestDeadLetters(ctx context.Context, filter persistence.DeadLetterFilter, before int64) ([]persistence.DeadLetter, int64, error)
	CountDeadLetters(ctx context.Context, filter persistence.DeadLetterFilter) (int64, error)
	GroupDeadLetters(ctx context.Context, filter persistence.DeadLetterFilter, by persistence.LetterGrouping) ([]persistence.LetterGroup, error)
}

// letterKeys are the values of an address that choose dead letters.
var letterKeys = []string{"account", "catalog", "type", "reason", "attribute", "item", "mutation", "since", "until", "state"}

// letterFilter reads them.
func letterFilter(values url.Values, now time.Time) persistence.DeadLetterFilter {
	filter := persistence.DeadLetterFilter{
		Account: values.Get("account"), Catalog: values.Get("catalog"), Type: catalog.Type(values.Get("type")),
		Reason: catalog.Reason(values.Get("reason")), Attribute: values.Get("attribute"), ItemID: values.Get("item"), MutationID: values.Get("mutation"),
	}
	filter.FailedSince, filter.FailedBefore = pointOf(values.Get("since"), now), pointOf(values.Get("until"), now)
	switch state := persistence.LetterState(values.Get("state")); {
	case state == "all":
		filter.States = persistence.LetterStates()
	case slices.Contains(persistence.LetterStates(), state):
		filter.States = []persistence.LetterState{state}
	}
	return filter
}

// pointOf reads a time, or how long ago it was; the zero time where it is none.
func pointOf(text string, now time.Time) time.Time {
	at, err := span.Since(text, time.UTC, now)
	if err != nil {
		return time.Time{}
	}
	return at
}

// onlyKeys keeps what chooses dead letters.
func onlyKeys(values url.Values) url.Values {
	kept := url.Values{}
	for _, key := range letterKeys {
		if value := values.Get(key); value != "" {
			kept.Set(key, value)
		}
	}
	return kept
}

// letterList is a page of dead letters.
type letterList struct {
	Letters  []persistence.DeadLetter
	Total    string
	Next     int64
	Accounts []string
	States   []persistence.LetterState
	Reasons  []catalog.Reason
	Filter   url.Values
}

const lettersPage = 50

// capped writes a count that ends at MaxCountedLetters.
func capped(n int64) string {
	if n >= persistence.MaxCountedLetters {
		return count(int64(persistence.MaxCountedLetters)) + "+"
	}
	return count(n)
}

func (c *Console) letters(w http.ResponseWriter, r *http.Request) error {
	if wrong := wrongOf(onlyKeys(r.URL.Query()), letterParameters); wrong != nil {
		return refuseFields(wrong...)
	}
	filter := letterFilter(r.URL.Query(), c.now())
	filter.Limit, filter.WithoutMessage = lettersPage, true
	before, _ := strconv.ParseInt(filled(r, "before"), 10, 64) // else the newest
	if wantsCSV(r) {
		return c.lettersCSV(w, r, filter)
	}
	letters, next, err := c.Letters.NewestDeadLetters(r.Context(), filter, before)
	if err != nil {
		return err
	}
	total, err := c.Letters.CountDeadLetters(r.Context(), filter)
	if err != nil {
		return err
	}
	list := letterList{Letters: letters, Total: capped(total), Next: next, States: persistence.LetterStates(), Reasons: catalog.DeadLetterReasons(), Filter: onlyKeys(r.URL.Query())}
	if list.Accounts, err = c.accountNames(r.Context()); err != nil {
		return err
	}
	p := c.page(r, "Dead letters", "letters")
	if before == 0 {
		p.live()
	}
	return c.showPage(w, "letters", p, list)
}

func (c *Console) lettersCSV(w http.ResponseWriter, r *http.Request, filter persistence.DeadLetterFilter) error {
	table := newCSV(w, "dead-letters", "id", "failed_at", "state", "account", "catalog", "catalog_type", "item_id", "operation", "mutation_id", "reason", "attribute", "text", "what_to_do")
	filter.Limit = 1000
	for before := int64(0); ; {
		letters, next, err := c.Letters.NewestDeadLetters(r.Context(), filter, before)
		if err != nil {
			return table.end(err)
		}
		for i := range letters {
			l := &letters[i]
			more := table.row(strconv.FormatInt(l.ID, 10), stamp(l.FailedAt), string(l.State), l.Lane.Account, l.Lane.Catalog, string(l.Lane.Type), l.ItemID,
				l.Operation.String(), l.MutationID, string(l.Reason), l.Field, l.Text, c.advice(l)[0].Action)
			if !more {
				return table.end(nil)
			}
		}
		if before = next; next == 0 {
			return table.end(nil)
		}
	}
}

// advice is what to do about a dead letter: that of its reason first.
func (c *Console) advice(l *persistence.DeadLetter) []reason.Advice {
	list := c.Reasons.Letter(l.Platform, l.Reason, l.Errors)
	if len(list) > 1 && (l.Reason == catalog.Refused) {
		list = list[1:] // what the platform said of the item is more to the point
	}
	return list
}

// shownLetter is a dead letter with its message, and the form to edit it.
type shownLetter struct {
	persistence.DeadLetter
	Advice  []reason.Advice
	Values  []letterValue
	Body    string // as it is edited
	Problem string // of what was edited
	// Warnings are what a platform may refuse of what was edited.
	Warnings []string
	// Why and Force are what was typed beside it.
	Why   string
	Force bool
	Lost  bool
}

// letterValue is what was sent in an attribute that is wrong.
type letterValue struct{ Attribute, Value string }

func (c *Console) oneLetter(ctx context.Context, text string) (*persistence.DeadLetter, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, errNowhere
	}
	letters, _, err := c.Letters.NewestDeadLetters(ctx, persistence.DeadLetterFilter{
		IDs: []int64{id}, States: persistence.LetterStates(), Limit: 1,
	}, 0)
	if err != nil {
		return nil, err
	}
	if len(letters) == 0 {
		return nil, refuse(http.StatusNotFound, "There is no dead letter with this number. It may be older than what is kept.")
	}
	return &letters[0], nil
}

func (c *Console) shown(l *persistence.DeadLetter) shownLetter {
	shown := shownLetter{DeadLetter: *l, Advice: c.advice(l), Body: pretty(l.Message.Data), Lost: l.Message.Lost > 0}
	told := map[string]bool{}
	for _, issue := range append(slices.Clone(l.Errors), issueOf(l)) {
		if told[issue.Attribute] {
			continue
		}
		told[issue.Attribute] = true
		if value, found := reason.Value(l.Message.Data, issue.Attribute); found {
			shown.Values = append(shown.Values, letterValue{issue.Attribute, value})
		}
	}
	return shown
}

func (c *Console) letter(w http.ResponseWriter, r *http.Request) error {
	letter, err := c.oneLetter(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	return c.showPage(w, "letter", c.page(r, "Dead letter "+r.PathValue("id"), "letters"), c.shown(letter))
}

// letterGroup is dead letters of one reason, with what to do.
type letterGroup struct {
	persistence.LetterGroup
	Platform string
	Advice   reason.Advice
	Path     string // of its dead letters
}

type groupList struct {
	Groups   []letterGroup
	Accounts []string
}

// letterGroups groups what is open by account, reason and attribute.
func (c *Console) letterGroups(w http.ResponseWriter, r *http.Request) error {
	filter := letterFilter(r.URL.Query(), c.now())
	filter.States = nil // what is open
	groups, err := c.Letters.GroupDeadLetters(r.Context(), filter, persistence.LetterGrouping{Account: true, Reason: true, Attribute: true})
	if err != nil {
		return err
	}
	accounts, err := c.Reader.Accounts(r.Context(), "")
	if err != nil {
		return err
	}
	list := groupList{}
	platforms := map[string]string{}
	for i := range accounts {
		list.Accounts = append(list.Accounts, accounts[i].Name)
		platforms[accounts[i].Name] = accounts[i].Platform
	}
	for i := range groups {
		g := groups[i]
		one := letterGroup{LetterGroup: g, Platform: platforms[g.Account], Advice: reason.Of(g.Reason)}
		if g.Code != "" && g.Code != string(g.Reason) {
			one.Advice = c.Reasons.Explain(one.Platform, issueFor(g.Code, g.Attribute))
		}
		one.Path = c.link("/dead-letters", "account", g.Account, "reason", g.Reason, "attribute", g.Attribute)
		list.Groups = append(list.Groups, one)
	}
	if wantsCSV(r) {
		table := newCSV(w, "dead-letter-groups", "account", "reason", "code", "attribute", "changes", "items", "first_seen", "last_seen", "meaning", "what_to_do", "who")
		for i := range list.Groups {
			g := &list.Groups[i]
			table.row(g.Account, string(g.Reason), g.Code, g.Attribute, strconv.FormatInt(g.Letters, 10), strconv.FormatInt(g.Items, 10),
				stamp(g.Oldest), stamp(g.Newest), g.Advice.Meaning, g.Advice.Action, string(g.Advice.Who))
		}
		return table.end(nil)
	}
	return c.showPage(w, "groups", c.page(r, "Dead letters by reason", "letters").live(), list)
}

// reasonNames are reasons in other words than their codes.
var reasonNames = map[catalog.Reason]string{
	catalog.Refused: "rejected by the platform",
}

// reasonName is a reason for people.
func reasonName(code any) string {
	if words, other := reasonNames[toReason(code)]; other {
		return words
	}
	return strings.ReplaceAll(string(toReason(code)), "_", " ")
}

func toReason(code any) catalog.Reason {
	switch code := code.(type) {
	case catalog.Reason:
		return code
	case string:
		return catalog.Reason(code)
	}
	return ""
}
