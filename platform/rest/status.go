package rest

import (
	"net/http"

	"github.com/catalog-courier/catalog-courier/platform"
)

// MethodRule is a rule for the answers to one method, or to each where Method is "".
type MethodRule struct {
	Method string
	Rule
}

// StatusRules end a table of failures: what an answer means by its status alone, where the
// platform says nothing of its own. The last one fits every answer.
func StatusRules() []MethodRule {
	return []MethodRule{
		{Method: http.MethodPost, Rule: Rule{Status: http.StatusPaymentRequired, Scope: platform.ScopeAccount, Source: "RFC 9110, 15.5.3"}},
		{Method: http.MethodPost, Rule: Rule{Status: http.StatusMethodNotAllowed, Scope: platform.ScopeAccount, Source: "RFC 9110, 15.5.6; the address is wrong"}},
		{Rule: Rule{Status: http.StatusProxyAuthRequired, Scope: platform.ScopeAccount, Source: "RFC 9110, 15.5.8; a proxy asks for a log-in"}},
		{Method: http.MethodPost, Rule: Rule{Status: http.StatusRequestEntityTooLarge, Scope: platform.ScopeBatch, TooLarge: true, Source: "RFC 9110, 15.5.14"}},
		{Rule: Rule{Status: http.StatusRequestTimeout, Scope: platform.ScopePlatform, Ambiguous: true, Source: "RFC 9110, 15.5.9"}},
		{Rule: Rule{Status: http.StatusTooEarly, Scope: platform.ScopePlatform, Source: "RFC 8470, 5.2"}},
		{Method: http.MethodPost, Rule: Rule{Status: 200, StatusTo: 299, Scope: platform.ScopeBatch, Source: "ours: any other error in an answer of good status"}},
		{Method: http.MethodPost, Rule: Rule{Status: 400, StatusTo: 499, Scope: platform.ScopeBatch, Source: "ours: any other client error"}},
		{Method: http.MethodGet, Rule: Rule{Status: 200, StatusTo: 299, Scope: platform.ScopeBatch, Source: "ours: any other error in an answer of good status"}},
		{Method: http.MethodGet, Rule: Rule{Status: 400, StatusTo: 499, Scope: platform.ScopeBatch, Source: "ours: any other client error"}},
		{Rule: Rule{Status: http.StatusNetworkAuthenticationRequired, Scope: platform.ScopeAccount, Source: "RFC 6585, 6; a proxy asks for a log-in"}},
		{Rule: Rule{Status: 500, StatusTo: 599, Scope: platform.ScopePlatform, Ambiguous: true, Source: "RFC 9110, 15.6"}},
		// It may have been worked at: the answer is elsewhere.
		{Rule: Rule{Status: http.StatusSeeOther, Scope: platform.ScopeAccount, Ambiguous: true, Source: "RFC 9110, 15.4.4; the base_url is wrong, or a proxy asks for a log-in"}},
		{Rule: Rule{Status: 300, StatusTo: 399, Scope: platform.ScopeAccount, Source: "RFC 9110, 15.4; the base_url is wrong, or a proxy asks for a log-in"}},
		// What is left is no answer of this API, and nothing was processed.
		{Rule: Rule{Scope: platform.ScopeAccount, Source: "ours: no answer of this API; the base_url is wrong"}},
	}
}
