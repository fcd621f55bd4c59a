// Package platform is the seam between Courier and an ad platform: what an
// endpoint must be able to do, and the kinds of outcome and error it may answer.
package platform

import (
	"context"
	"net/http"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/setting"
)

// Endpoint is the way out for one catalog type of one catalog: which changes it
// can carry, how they become a request, and what the platform's answers mean.
// The pure methods are safe for concurrent use and never block.
type Endpoint interface {
	// Validate checks one decoded mutation before any merging: operation, key,
	// what cannot be cleared or updated, the values. The problem, with Others for
	// all further ones, makes the mutation invalid; warnings go with it. Both are
	// nil for an ordinary mutation. Validate must not keep m.
	Validate(m *catalog.Mutation) (problem *catalog.Problem, warnings []catalog.Problem)
	// Rules says how this platform reads two changes of one item.
	Rules() catalog.MergeRules
	// Group names what else than the lane a request fixes, "" if nothing: two
	// operations share a request only if their groups are equal.
	Group(op catalog.Operation) string
	// Limits are the platform's hard caps for one request.
	Limits() Limits
	// Split cuts a change that one record cannot carry into the first record and
	// the rest, to be sent in order; rest is nil when the change fits one record.
	// Splitting the rest again gives (rest, nil).
	Split(change catalog.Change) (first catalog.Change, rest *catalog.Change)
	// RecordSize is an upper bound of the bytes the record adds to a body.
	RecordSize(key catalog.ItemKey, change catalog.Change) int
	// Overhead is an upper bound of the bytes of a body without records.
	Overhead() int
	// Encode appends the request body for the records. Bodies of different
	// variants mean the same and differ in bytes, so that a platform that skips
	// recent duplicates reads them; variant 0 is the ordinary one.
	Encode(dst []byte, group string, records []catalog.Record, variant int) ([]byte, error)
	// Submit makes one POST with a body made by Encode. A nil error means that the
	// platform took the batch: it is polled by the handles, or is processed already where
	// the submission is Final. An answer that may come before the batch is processed is
	// never Final. Errors are *Error; one about single records of a batch of which others
	// were processed is not an error but their verdict in a Final submission.
	Submit(ctx context.Context, body []byte, group string, records []catalog.Record) (Submission, error)
	// Poll asks once what became of one handle. Errors are *Error and say nothing
	// about the batch. It is not called for a platform all of whose submissions are Final.
	Poll(ctx context.Context, handle string, group string, records []catalog.Record) (Report, error)
	// Base names the catalog of the same account whose items of the same id these
	// records only localize, so that a record must wait for its base item; "" for
	// items of their own.
	Base() string
	// SubmitScopes and PollScopes name the quota scopes a call draws on, most
	// specific first. Equal names are equal quotas, across accounts and workers.
	// A name never holds a secret.
	SubmitScopes() []string
	// PollScopes are empty where nothing is ever polled.
	PollScopes() []string
}

// Localizable is an Endpoint that may know that another catalog of the account
// localizes its items: see Endpoint.Base.
type Localizable interface {
	Localized() bool
}

// Limits are hard caps of one request.
type Limits struct {
	MaxItems int // records
	MaxBytes int // of the encoded body
}

// Account is one connection to a platform.
type Account interface {
	// Endpoint finds the way out for a catalog type; the problem says why there
	// is none (unknown_catalog, unknown_catalog_type).
	Endpoint(catalogName string, catalogType catalog.Type) (Endpoint, *catalog.Problem)
	// Scopes names every quota scope that the account's calls can draw on.
	Scopes() []string
}

// Settings are what every platform needs to make an Account.
type Settings struct {
	Name string
	// BaseURL is up to and with the version, such as https://api.pinterest.com/v5.
	BaseURL string
	// Token gives the current access token; it is called for each request.
	Token func(ctx context.Context) (string, error)
	// TokenRefused is told of a token that the platform does not accept, so that
	// Token can give another. It does not block. Nil where there is no other.
	TokenRefused func(token string)
	// HTTP makes the calls; its transport guards every write by the lease. Nil is
	// fine for an account that only validates and encodes.
	HTTP *http.Client
	// Credentials names the credentials without revealing them (CredentialsHash):
	// accounts with equal ones share quotas. "" means that no other account has them.
	Credentials string
	// App names the app that the credentials are of without revealing it
	// (CredentialsHash): accounts of one app share its quotas, whatever their tokens.
	// "" means that no account does whose Credentials are others.
	App string
	// Userless reports that the access tokens are the app's own (client credentials): no
	// user stands behind them.
	Userless bool
	// Timeout bounds one call, from the first byte out to the last byte in. Zero
	// means 60 s.
	Timeout time.Duration
	// Rules says what a broken rule about a value does. The zero value warns.
	Rules RuleLevel
	// Keys are the values of the platform's account keys, Catalogs those of its catalog
	// keys, by the name of the catalog.
	Keys     setting.Values
	Catalogs map[string]setting.Values
}

// RuleLevel says what becomes of a mutation that breaks a rule about values which
// the platform's own pages may not agree on. Rules without which no correct
// request can be made hold on every level.
type RuleLevel uint8

// The levels.
const (
	RulesWarn   RuleLevel = iota // send it, and note a warning
	RulesStrict                  // invalid
	RulesOff                     // do not look
)

// Outcome is what the platform said of one record.
type Outcome uint8

// The outcomes. Unknown is the zero value on purpose: what nobody said is unknown.
const (
	Unknown   Outcome = iota
	Succeeded         // the platform confirmed this very item
	Failed            // rejected permanently
	Retryable         // refused, but may work later
	Skipped           // not processed because it looked like a recent duplicate: send again with changed bytes
)

// Verdict is the outcome of one record with what the platform said about it.
type Verdict struct {
	Outcome  Outcome
	Errors   []ledger.Issue
	Warnings []ledger.Issue
}

// Submission is the answer to a POST that was taken.
type Submission struct {
	// Handles name what is to be polled: at least one, none where Final.
	Handles []string
	// Final reports that the platform processed the batch before it answered, so that
	// there is nothing to poll: Verdicts are all that will ever be known. A record that
	// the answer does not name is Unknown: it is sent again as one that may have been
	// applied, and ends unconfirmed once its attempts are used up.
	Final bool
	// Verdicts, when not nil, has one entry per record: what the answer to the POST
	// already says of them (Unknown where it says nothing). They stand: a later
	// report that does not name the record does not overrule them. Never nil where Final.
	Verdicts []Verdict
	// Note is worth a log line: a part of the answer that belongs to no record.
	Note   string
	Quotas []Quota
}

// Broken says which promise of the seam the submission of so many records breaks, for
// people; "" when it keeps all. A broken one counts as an answer that makes no sense.
func (s *Submission) Broken(records int) string {
	switch {
	case !s.Final && len(s.Handles) == 0:
		return "the platform took the batch and named no handle"
	case s.Final && len(s.Handles) > 0:
		return "the answer is final and names a handle"
	case len(s.Verdicts) != records && (s.Final || s.Verdicts != nil):
		return wrongNumber
	default:
		return brokenVerdicts(s.Verdicts)
	}
}

const wrongNumber = "the answer was read into a wrong number of verdicts"

func brokenVerdicts(verdicts []Verdict) string {
	for i := range verdicts {
		if verdicts[i].Outcome > Skipped {
			return "the answer was read into an outcome that there is not"
		}
	}
	return ""
}

// Progress is how far a handle is.
type Progress uint8

// The states of a handle.
const (
	Pending  Progress = iota // not finished, or not known yet
	Finished                 // Verdicts are final
	NotFound                 // the platform says it does not know the handle
)

// Report is the answer to one poll.
type Report struct {
	Progress Progress
	// Verdicts, when Finished, has one entry per record.
	Verdicts []Verdict
	// Incomplete reports that some Unknown verdicts come from a sample too short to
	// tell, so that sending the records again in halves would tell more.
	Incomplete bool
	// CompletedAt is the platform's own time of finishing; zero when not told.
	CompletedAt time.Time
	// Error is what the platform said of the batch as a whole, for people.
	Error string
	// Note is worth a log line: an answer that was understood only in part.
	Note   string
	Quotas []Quota
}

// Broken says which promise of the seam the report about so many records breaks, as that
// of Submission does.
func (r *Report) Broken(records int) string {
	switch {
	case r.Progress != Finished:
		return ""
	case len(r.Verdicts) != records:
		return wrongNumber
	default:
		return brokenVerdicts(r.Verdicts)
	}
}

// Quota is what an answer told about a scope. Several of one scope are several
// limits on the same calls; the one that binds now comes last.
type Quota struct {
	Scope string
	// Limit and Remaining are calls within Window; -1 when not told.
	Limit     int
	Remaining int
	Window    time.Duration // 0 when not told
	Reset     time.Duration // until Remaining is Limit again; 0 when not told
	// UsedPercent of the quota, 0 to 100 and above; -1 when not told.
	UsedPercent float64
	// Block is how long to make no call at all; 0 when free.
	Block time.Duration
}
