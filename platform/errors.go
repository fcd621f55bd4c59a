package platform

import (
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// FailureScope says whom a failure concerns, and so what happens next. Only
// ScopeItem uses up an item's attempts.
type FailureScope uint8

// The five scopes of failure, and the caller's own end.
const (
	ScopePlatform FailureScope = iota // 5xx, time-outs, connection: back off, breaker
	ScopeItem                         // the named records are bad
	ScopeBatch                        // refused as a whole; of a poll: said of this handle alone
	ScopeAccount                      // token or permission: pause the account
	ScopeQuota                        // a limit is reached: block the quota scope
	ScopeCaller                       // the caller ended it: cancelled, lease lost; see Ambiguous for whether it was written
)

func (s FailureScope) String() string {
	return [...]string{"platform", "item", "batch", "account", "quota", "caller"}[s]
}

// Error is a failed call. It never holds a secret: messages are redacted and
// bounded before they get here.
type Error struct {
	Scope FailureScope
	// Ambiguous reports that the platform may have taken the request all the same.
	Ambiguous bool
	// Unclear reports that the platform answered, and not what became of the request:
	// the answer makes no sense, or names nothing to follow. It is not an outage, so that
	// asking again without an end would not help.
	Unclear bool
	// TooLarge reports that the request as a whole was too big: halve it.
	TooLarge bool
	// Named, with ScopeBatch, are the records that the platform named as the cause,
	// by index, with what it said; the others are innocent.
	Named map[int]Verdict
	// OfRecords, with ScopeBatch, reports that the answer is known to be about what the
	// records say: a code that the platform documents for a bad value. Without it the
	// account, the app or the catalog may as well be the reason, so that a record which
	// is refused alone is given up only where others of its lane are taken.
	OfRecords bool
	// RetryAfter is the platform's own wish; 0 when it said none.
	RetryAfter time.Duration
	// BlockedScope, with ScopeQuota, names the quota scope whose limit is reached.
	BlockedScope string
	// Quotas are what the answer told, also for a refused call.
	Quotas []Quota

	Operation  string // such as "POST items_batch"
	HTTPStatus int    // 0 when there was no answer
	Code       int    // the platform's own, 0 when none
	Subcode    int
	Message    string
	Brief      string // Message without what it quotes of the answer; "" where it quotes nothing
	Err        error  // the cause, may be nil
}

func (e *Error) Error() string { return e.text(e.Message) }

// Outline is the error as logs and spans tell it. What a platform says of a request
// it refuses may quote the items in it: those words are for the database alone.
func (e *Error) Outline() string {
	if e.Scope == ScopeBatch || e.Scope == ScopeItem {
		return e.text("")
	}
	if e.Brief != "" {
		return e.text(e.Brief)
	}
	return e.Error()
}

// LogValue implements slog.LogValuer.
func (e *Error) LogValue() slog.Value { return slog.StringValue(e.Outline()) }

func (e *Error) text(message string) string {
	text := e.Operation
	if e.HTTPStatus != 0 {
		text += fmt.Sprintf(": HTTP %d", e.HTTPStatus)
		if e.Code != 0 {
			text += fmt.Sprintf(", code %d", e.Code)
		}
		if e.Subcode != 0 {
			text += fmt.Sprintf(", subcode %d", e.Subcode)
		}
	}
	if message != "" {
		text += ": " + message
	}
	if e.Ambiguous {
		text += " (may have been taken)"
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Issue is the error as it stands in the errors column of a record.
func (e *Error) Issue() ledger.Issue {
	issue := ledger.Issue{Message: e.Message}
	if e.Code != 0 {
		issue.Code = strconv.Itoa(e.Code)
	}
	return issue
}
