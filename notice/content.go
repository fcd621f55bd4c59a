package notice

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// Content is what is said of one change, or of several of one event. Its JSON is the data of
// a webhook.
type Content struct {
	// Event is such as account.failing.
	Event string `json:"event"`
	// Text says it in a sentence.
	Text string `json:"text"`
	// Installation names the installation, as the database knows it.
	Installation string `json:"installation,omitempty"`
	// Count is how many subjects it is about; Subjects has the first of them.
	Count    int       `json:"count"`
	Subjects []Subject `json:"subjects"`
	// At is when the worker found it, by the clock of the database.
	At time.Time `json:"at"`
}

// Subject is one of those that a notice is about.
type Subject struct {
	Subject string `json:"subject"`
	Name    string `json:"name"`
	// State is "" for well, and so is Before.
	State    string    `json:"state"`
	Before   string    `json:"before"`
	Reason   string    `json:"reason,omitempty"`
	Accounts []string  `json:"accounts,omitempty"`
	Since    time.Time `json:"since"`
}

const (
	// groupAbove is how many changes of one event are told one by one.
	groupAbove = 5
	// namesIn is how many a grouped text names, subjectsIn how many its content has.
	namesIn    = 5
	subjectsIn = 50
	// accountsIn bounds the accounts of a source.
	accountsIn = 20
)

// wants reports whether a target is told of a change. A recovery goes where the trouble
// went.
func wants(events, accounts []string, change *transition) bool {
	about := []string{change.Event()}
	if change.State == "" {
		about = append(about, change.Kind+"."+change.Before)
	}
	return matches(events, about) && matches(accounts, change.Accounts)
}

func matches(patterns, names []string) bool {
	if len(patterns) == 0 {
		return true
	}
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		return slices.ContainsFunc(names, func(name string) bool {
			found, err := path.Match(pattern, name)
			return err == nil && found
		})
	})
}

// contents are the notices of changes: one for each, or one for many of the same event.
func contents(now time.Time, installation string, changes []transition) (list []Content) {
	byEvent := map[string][]transition{}
	var order []string
	for _, change := range changes {
		event := change.Event()
		if byEvent[event] == nil {
			order = append(order, event)
		}
		byEvent[event] = append(byEvent[event], change)
	}
	for _, event := range order {
		group := byEvent[event]
		if len(group) > groupAbove {
			list = append(list, content(now, installation, event, group))
			continue
		}
		for i := range group {
			list = append(list, content(now, installation, event, group[i:i+1]))
		}
	}
	return list
}

func content(now time.Time, installation, event string, group []transition) Content {
	c := Content{Event: event, Installation: installation, Count: len(group), At: now}
	if len(group) == 1 {
		c.Text = sentence(&group[0])
	} else {
		c.Text = sentences(group)
	}
	for i := range group[:min(len(group), subjectsIn)] {
		one := &group[i]
		c.Subjects = append(c.Subjects, Subject{
			Subject: one.Subject, Name: one.Name, State: one.State, Before: one.Before, Reason: one.Reason,
			Accounts: one.Accounts[:min(len(one.Accounts), accountsIn)], Since: one.Since,
		})
	}
	return c
}

// titles of the kinds, one and several.
var titles = map[string][2]string{
	Account: {"Account", "accounts"}, Source: {"Source", "sources"}, DeadLetters: {"Dead letters of", "kinds of dead letters"},
	Outcomes: {"The outcomes for", "consumers of outcomes"},
}

// predicates say in words what a state means. A state that is not here is shown as it is.
var predicates = map[string]string{
	"account.failing":        "is failing",
	"account.paused":         "is paused",
	"account.throttled":      "has been throttled for long",
	"account.held":           "is held",
	"account.not_configured": "is not configured in any running worker",
	"account.recovered":      "works again",
	"source.failed":          "failed",
	"source.invalid":         "is invalid: nothing was published",
	"source.withheld":        "withholds deletes until somebody approves them",
	"source.stopped":         "was stopped",
	"source.silent":          "is silent",
	"source.abandoned":       "was abandoned by its process",
	"source.recovered":       "works again",
	"dead_letters.new":       "a new kind",
	"outcomes.lagging":       "are late",
	"outcomes.recovered":     "are in time again",
}

func predicate(event string) string {
	if said := predicates[event]; said != "" {
		return said
	}
	_, state, _ := strings.Cut(event, ".")
	return "is in the state " + strings.ReplaceAll(state, "_", " ")
}

func sentence(change *transition) string {
	text := titles[change.Kind][0] + " " + change.Name
	if change.Once {
		text += ": " + predicate(change.Event())
	} else {
		text += " " + predicate(change.Event())
	}
	switch {
	case change.State == "" && change.Before != "":
		text += " (it was " + strings.ReplaceAll(change.Before, "_", " ") + ")"
	case change.Reason != "":
		text += ": " + change.Reason
	}
	return text
}

// sentences is such as "37 accounts: failing: a, b, c, d, e and 32 more".
func sentences(group []transition) string {
	first := &group[0]
	_, state, _ := strings.Cut(first.Event(), ".")
	names := make([]string, 0, namesIn)
	for i := range group[:min(len(group), namesIn)] {
		names = append(names, group[i].Name)
	}
	text := fmt.Sprintf("%d %s %s: %s", len(group), titles[first.Kind][1], strings.ReplaceAll(state, "_", " "), strings.Join(names, ", "))
	if more := len(group) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// kindOf is the kind in a subject's name.
func kindOf(subject string) string {
	kind, _, _ := strings.Cut(subject, "/")
	return kind
}
