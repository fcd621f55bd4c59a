package rest

import (
	"net/http"

	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/platform"
)

// Rule is one line of a platform's table of failures. Zero fields match anything.
type Rule struct {
	// Status is the HTTP status, or the lowest of a range up to StatusTo.
	Status, StatusTo int
	// Code is the platform's own code, or the lowest of a range up to CodeTo.
	Code, CodeTo int
	Subcode      int

	Scope     platform.FailureScope
	Token     bool // the access token itself is refused: another may work
	Ambiguous bool // a POST may have been taken all the same
	TooLarge  bool
	OfRecords bool   // see platform.Error.OfRecords
	Source    string // where the rule comes from
}

func (r Rule) matches(status, code, subcode int) bool {
	return within(status, r.Status, r.StatusTo) && within(code, r.Code, r.CodeTo) && within(subcode, r.Subcode, 0)
}

func within(value, low, high int) bool {
	return low == 0 || value == low || (high != 0 && value >= low && value <= high)
}

// Said is what a refusing answer says about itself.
type Said struct {
	Code, Subcode int
	Message       string // as it came
}

// Refusal makes the error of an answer that is not a good one, by the first rule
// that matches; a table ends with a rule for everything else.
func (a *Answer) Refusal(call Call, rules []Rule, said Said) *platform.Error {
	failure := &platform.Error{
		Operation: call.Operation, HTTPStatus: a.Status, Code: said.Code, Subcode: said.Subcode,
		Message: a.Redact(said.Message),
	}
	switch where := a.pointsTo(call); {
	case where != "" && failure.Message != "":
		failure.Message = legible.Cut(where+": "+failure.Message, maxMessage)
	case where != "":
		failure.Message = where
	case failure.Message == "":
		failure.Message = http.StatusText(a.Status)
	}
	if failure.Message == "" {
		failure.Message = "an answer with a status that HTTP does not have"
	}
	for _, rule := range rules {
		if rule.matches(a.Status, said.Code, said.Subcode) {
			failure.Scope = rule.Scope
			failure.Ambiguous = rule.Ambiguous && call.changes()
			failure.TooLarge, failure.OfRecords = rule.TooLarge, rule.OfRecords
			if rule.Token && a.refused != nil {
				a.refused(a.key.token)
			}
			break
		}
	}
	return failure
}

// Unreadable is the error of a good status with an answer that makes no sense:
// nobody knows what it was meant to say. why is a sentence about the answer, such as
// "the answer has no handles"; the message goes on with what it has.
func (a *Answer) Unreadable(call Call, why string) *platform.Error {
	return &platform.Error{
		Scope: platform.ScopePlatform, Ambiguous: call.changes(), Unclear: true, Operation: call.Operation,
		HTTPStatus: a.Status, Message: a.Explain(why), Brief: a.Redact(why),
	}
}

// Explain is a sentence about the answer that goes on with what the answer has, both
// shortened and without secrets. It may quote items.
func (a *Answer) Explain(why string) string {
	return legible.Cut(a.Redact(why)+" but "+a.what(), maxMessage)
}
