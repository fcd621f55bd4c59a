// Package reason is the registry of all codes that say why something did not go as it
// should: what a code means, what to do about it and who can do it. The pages, the
// commands and docs/errors.md have their words from here.
package reason

import (
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// Kind says of what a code speaks. Two codes of one kind differ; "refused" is a reason of
// dead letters and a state of batches.
type Kind string

// The kinds.
const (
	Mutation Kind = "mutation" // reasons of dead letters and of warnings: catalog.Reason
	Account  Kind = "account"  // states of account_status
	Batch    Kind = "batch"    // states of batch_status
	Finding  Kind = "finding"  // kinds of findings of sources: feeds and webhooks
	Platform Kind = "platform" // a platform's own codes, and statuses of its answers
)

// Who can do what is to be done.
type Who string

// Those who can.
const (
	Shop     Who = "shop data owner"  // whoever publishes the changes, or keeps the shop's data
	Operator Who = "operator"         // whoever runs Courier
	Support  Who = "platform support" // the platform's own people
	Nobody   Who = "nobody"           // nothing is to be done: it passes, or it is a note
)

// Replay says what comes of publishing a dead letter again as it is.
type Replay string

// What comes of a replay.
const (
	// Fails again: the message has to be edited, or published in another form.
	Fails Replay = "no"
	// AfterFix: it works once somebody has done what the action says.
	AfterFix Replay = "after the action"
	// Helps: what was in the way may have passed already.
	Helps Replay = "yes"
	// None: nothing is given up, so that there is nothing to replay.
	None Replay = ""
)

// Entry is what there is to say of a code.
type Entry struct {
	Kind Kind
	Code string
	// Meaning is one sentence, Action one or two: what to do.
	Meaning string
	Action  string
	Who     Who
	Replay  Replay
}

// PlatformCode is a code of a platform, or a status of its answers, with a cure. The
// platform's own folder declares it.
type PlatformCode struct {
	// Code is the platform's own number, or the lowest of a range up to CodeTo.
	Code, CodeTo int
	// Subcode is 0 for any.
	Subcode int
	// Status is the HTTP status of an answer without a code that is known; then Code is 0.
	Status int
	// Item says that the code is of single items: codes of calls are another list, in which
	// the same number may mean something different.
	Item bool
	// Word, in lower case, is in the message; "" for any message.
	Word string

	Meaning string
	Action  string
	Who     Who
	Replay  Replay
	// Source says where the meaning comes from, in the words of the platform's table of
	// failures.
	Source string
}

// Advice is what a person is shown beside an error. Its JSON is part of the contract.
type Advice struct {
	// Code is the code that is explained: one of ours, or the platform's own.
	Code    string `json:"code"`
	Meaning string `json:"meaning"`
	Action  string `json:"action"`
	Who     Who    `json:"who"`
	// Replay is empty where nothing is to be replayed.
	Replay Replay `json:"replay,omitempty"`
	// URL is the entry of docs/errors.md.
	URL string `json:"url"`
}

// page is where the entries are published.
const page = "https://github.com/catalog-courier/catalog-courier/blob/main/docs/errors.md"

// Entries are all codes of Courier itself, in the order of docs/errors.md.
func Entries() []Entry {
	var all []Entry
	for _, list := range [][]Entry{mutationEntries(), accountEntries(), batchEntries(), findingEntries()} {
		all = append(all, list...)
	}
	return all
}

// Find gives the entry of a code of Courier itself.
func Find(kind Kind, code string) (Entry, bool) {
	for _, list := range [][]Entry{mutationEntries(), accountEntries(), batchEntries(), findingEntries()} {
		for i := range list {
			if list[i].Kind == kind && list[i].Code == code {
				return list[i], true
			}
		}
	}
	return Entry{}, false
}

// Of is the advice for a reason of a dead letter or of a warning.
func Of(code catalog.Reason) Advice {
	if entry, found := Find(Mutation, string(code)); found {
		return entry.Advice()
	}
	return Advice{
		Code: string(code), Meaning: "This version does not know the code.",
		Action: "Look it up in the documentation of the version that wrote it.", Who: Operator, URL: page,
	}
}

// Advice is the entry as people are shown it.
func (e *Entry) Advice() Advice {
	return Advice{Code: e.Code, Meaning: e.Meaning, Action: e.Action, Who: e.Who, Replay: e.Replay, URL: page + "#" + e.Anchor()}
}

// Anchor is the name of the entry in docs/errors.md. A reason of mutations is its own
// anchor; the others begin with their kind.
func (e *Entry) Anchor() string {
	code := strings.ReplaceAll(strings.ToLower(e.Code), " ", "-")
	if e.Kind == Mutation {
		return code
	}
	return string(e.Kind) + "-" + code
}
