// Package sandbox is what simulated platforms share: HTTP handlers that keep the state
// of every item, work asynchronously, and misbehave on request. What a platform makes of
// a request, and how it answers, is in the platform's own folder; where nobody documents
// what the real one does, an option chooses.
package sandbox

import (
	"time"
)

// Options choose how a simulated platform behaves. The zero value is a quick and
// honest one that takes any token.
type Options struct {
	// Seed makes every random choice repeatable, given the same order of requests.
	Seed uint64
	// Tokens are the access tokens taken; none means any.
	Tokens []string
	// OAuth is the token endpoint, of platforms that have one.
	OAuth OAuth

	// Delay is how long an accepted batch waits before it is applied; Jitter is the
	// most that is added to it at random. With Jitter above the time between two
	// batches they may be applied in either order.
	Delay  time.Duration
	Jitter time.Duration
	// LateBy is added for a batch whose POST hangs. Defaults to Delay.
	LateBy time.Duration

	// Existing is what CREATE does to an item that exists already.
	Existing CreateOnExisting
	// SkipValidation trusts every body, for benchmarks. State is kept all the same.
	SkipValidation bool
	// AllowIncomplete lets items be created without the attributes that the platform
	// requires.
	AllowIncomplete bool
	// SkipRepeats is how long Pinterest skips a body that it has just seen, byte for
	// byte (created_time null). 0 never.
	SkipRepeats time.Duration

	// FeedOwned are the Pinterest catalogs (PinterestCatalog) that a feed fills: CREATE
	// and UPSERT are refused there, item by item, or with FeedRefusesBatch the whole
	// batch.
	FeedOwned        []string
	FeedRefusesBatch bool

	// Writes limits POSTs: on Pinterest all of a token, on Meta those of a catalog.
	Writes RateLimit
	// Reads limits polls in the same way.
	Reads RateLimit
	// ErrorSample is how many errors Meta lists of one batch. Defaults to 20; the
	// count and, when asked for, the ids are complete. HideIDs leaves those out too.
	ErrorSample int
	HideIDs     bool
	// IDForm is how Meta writes the id of an item with a composite key.
	IDForm IDForm
	// Verticals are the verticals of Meta's catalogs by id; a catalog that is not here
	// takes every item type.
	Verticals map[string]string
	// Catalogs are the catalogs that the account has, by id, with the vertical (Meta) or
	// type (Pinterest) of each. None means any that is asked for or written to.
	Catalogs map[string]string
	// Declined are the permissions that Meta's token lacks.
	Declined []string
	// DropsBadBodies has Meta ingest nothing of a body that has a record which it
	// refuses: the answer names those and has no handles.
	DropsBadBodies bool
	// LocalizedOnce has Meta take two localizations of one item in one body for
	// duplicates, as it takes two records of one item; whether it does is not documented.
	LocalizedOnce bool

	// Magic has item ids with one of Endings misbehave. Off by default, so that no test
	// meets it by chance.
	Magic bool
	// Rules treat items by their id.
	Rules []ItemRule
	// Plan lets faults happen at random.
	Plan []PlannedFault
}

// CreateOnExisting is a meaning of CREATE on an item that exists; no platform
// documents which it has.
type CreateOnExisting string

// The three meanings.
const (
	Replace CreateOnExisting = ""         // the new attributes are the item
	Refuse  CreateOnExisting = "refuse"   // the item stays and the record fails
	LayOver CreateOnExisting = "lay_over" // the new attributes are overlaid on the old
)

// RateLimit allows a number of calls in each window. 0 calls means no limit.
type RateLimit struct {
	Calls  int
	Window time.Duration
}

// IDForm is a way to write a composite key as one id.
type IDForm string

// The forms. Mixed takes another one for each row.
const (
	FormSlash      IDForm = "" // as in the contract: BOS/JFK
	FormUnderscore IDForm = "underscore"
	FormColon      IDForm = "colon"
	FormTogether   IDForm = "together" // BOSJFK
	FormObject     IDForm = "object"   // {"origin_airport":"BOS",…}
	FormMixed      IDForm = "mixed"
)

// ItemAction is what a rule does to an item.
type ItemAction string

// The actions.
const (
	RefuseItem ItemAction = "refuse" // the platform says the item is bad, and does not apply it
	OmitItem   ItemAction = "omit"   // applied, but the answer does not name it
	WarnItem   ItemAction = "warn"   // applied, with a warning; only of Endings
)

// ItemRule treats the items whose id contains Contains (any id when empty).
type ItemRule struct {
	Contains string
	Action   ItemAction
	// Rate is the share of matching records that it happens to; 0 means all.
	Rate float64
	// Times is how often it happens to one item; 0 means always. Then it recovers.
	Times   int
	Message string

	rejectsUnnamed bool // with OmitItem: not applied either
}

const (
	defaultErrorSample = 20
	// keepBatches bounds the batches whose handles are still known.
	keepBatches = 100_000
	// maxBody is above both platforms' limits, so that those are what answers.
	maxBody = 64 << 20
)

func (o Options) withDefaults() Options {
	if o.ErrorSample == 0 {
		o.ErrorSample = defaultErrorSample
	}
	if o.LateBy == 0 {
		o.LateBy = o.Delay
	}
	return o
}
