package notice

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// Kinds of subjects. An event is named by the kind and the state, such as account.failing.
const (
	Account     = "account"
	Source      = "source"
	DeadLetters = "dead_letters"
	Outcomes    = "outcomes"
)

// recovered ends the event that says that a subject is well again.
const recovered = "recovered"

// condition is what a look finds of one subject.
type condition struct {
	// Subject names it, such as account/acme.
	Subject string
	Kind    string
	// Name is its name for people, such as acme or feed to acme/us/RETAIL.
	Name string
	// State is "" when the subject is well.
	State string
	// Reason is why, in words; "" when nobody knows.
	Reason string
	// Accounts are those that it concerns.
	Accounts []string
	// After is how long the state must last before it is told.
	After time.Duration
	// Unclear says that the subject is between two states: what was told of it holds.
	Unclear bool
	// Once says that it is an occurrence and not a state: it is told at once, at most once
	// a day, and has no end.
	Once bool
}

// lagging is how old an outcome may be that a consumer has not done.
const lagging = 5 * time.Minute

// maxReason bounds what a notice repeats of a reason, in bytes.
const maxReason = 500

// conditions makes one list of what was looked at.
func conditions(view persistence.NoticeView, after, throttledAfter time.Duration) []condition {
	found := make([]condition, 0, len(view.Accounts)+2*len(view.Sources)+len(view.Consumers)+len(view.Letters))
	for _, a := range view.Accounts {
		one := condition{
			Subject: Account + "/" + a.Account, Kind: Account, Name: a.Account, State: word(a.State), Reason: clipped(a.Reason),
			Accounts: []string{a.Account}, After: after,
		}
		switch one.State {
		case "active":
			one.State, one.Reason = "", ""
		case "throttled":
			one.After = throttledAfter
		}
		found = append(found, one)
	}
	found = append(found, ofSources(view.Sources, after)...)
	for _, c := range view.Consumers {
		one := condition{Subject: Outcomes + "/" + c.Name, Kind: Outcomes, Name: clipped(c.Name), After: after}
		if c.Behind > lagging {
			one.State, one.Reason = "lagging", "the oldest one waits for "+c.Behind.Round(time.Second).String()
		}
		found = append(found, one)
	}
	for _, l := range view.Letters {
		name := l.Reason
		if l.Field != "" {
			name += ", attribute " + l.Field
		}
		found = append(found, condition{
			Subject: key(DeadLetters + "/" + l.Account + "/" + l.Reason + "/" + l.Field), Kind: DeadLetters,
			Name: clipped(l.Account + ": " + name), State: "new", Reason: clipped(l.Example), Accounts: []string{l.Account}, Once: true,
		})
	}
	return found
}

// ofSources makes a condition of each source, for what concerns all of it, and one of each
// of its routes.
func ofSources(rows []persistence.NoticeSource, after time.Duration) []condition {
	routes := make([]condition, 0, len(rows))
	whole := map[string]*condition{}
	var order []string
	for _, r := range rows {
		all := whole[r.Source]
		if all == nil {
			all = &condition{Subject: Source + "/" + r.Source, Kind: Source, Name: r.Source, After: after}
			whole[r.Source] = all
			order = append(order, r.Source)
		}
		all.Accounts = append(all.Accounts, r.Account)
		place := r.Account + "/" + r.Catalog + "/" + r.CatalogType
		route := condition{
			Subject: Source + "/" + r.Source + "/" + place, Kind: Source, Name: r.Source + " to " + place,
			Accounts: []string{r.Account}, After: after,
		}
		switch state := word(r.State); state {
		case "reading", "publishing": // a run that is under way says nothing yet
			all.Unclear, route.Unclear = true, true
		case "", "done", "unchanged", "planned":
		case "withheld", "invalid", "stopped": // of those routes that have a reason
			if r.Reason != "" {
				route.State, route.Reason = state, clipped(r.Reason)
			}
		default: // failed, abandoned and what later versions know
			all.State, all.Reason = state, clipped(r.Reason)
		}
		if r.Silent && all.State == "" {
			all.State, all.Reason, all.Unclear = "silent", "no run read the feed and no webhook came", false
		}
		routes = append(routes, route)
	}
	var found []condition
	for _, name := range order {
		found = append(found, *whole[name])
	}
	return append(found, routes...)
}

// word is a state in the form of an event's name: unknown ones of a later version, too.
func word(state string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, strings.ToLower(legible.Cut(state, 64)))
}

// maxKey is how long a subject may be, in bytes. An entry of Postgres' index has at most
// some 2700.
const maxKey = 1000

// key bounds a subject with what a platform said in it. What is cut off stays told apart.
func key(subject string) string {
	if len(subject) <= maxKey {
		return subject
	}
	sum := sha256.Sum256([]byte(subject))
	return legible.Cut(subject, maxKey) + hex.EncodeToString(sum[:8])
}

// clipped makes a text fit to be shown: what a platform says may hold anything.
func clipped(text string) string { return legible.Cut(legible.Text(text), maxReason) }
