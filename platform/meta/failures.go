package meta

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

// Codes that more than the table needs.
const (
	codeUnknown           = 1
	codeBadParameter      = 100
	codeCatalogBatch      = 80014
	codeCatalogManagement = 80009
	subcodeNoSuchObject   = 33
)

// failures is what an answer that is not 2xx means; the first match counts.
// "errors" is Meta's page Handle errors (graph-api), "limits" Rate limits, "codes"
// Marketing API error codes, all of 2026-09.
func failures() []rest.Rule {
	return []rest.Rule{
		{Code: codeCatalogBatch, Scope: platform.ScopeQuota, Source: "limits: catalog batch"},
		{Code: codeCatalogManagement, Scope: platform.ScopeQuota, Source: "limits: catalog management"},
		{Code: 80000, CodeTo: 80013, Scope: platform.ScopeQuota, Source: "limits: other business use cases"},
		{Code: 4, Scope: platform.ScopeQuota, Source: "limits: app"},
		{Code: 17, Scope: platform.ScopeQuota, Source: "limits: user"},
		{Code: 32, Scope: platform.ScopeQuota, Source: "limits: page"},
		{Code: 341, Scope: platform.ScopeQuota, Source: "errors: application limit reached"},
		{Code: 613, Scope: platform.ScopeQuota, Source: "limits: custom"},
		{Code: 190, Scope: platform.ScopeAccount, Token: true, Source: "errors: access token expired or invalid"},
		{Code: 102, Scope: platform.ScopeAccount, Token: true, Source: "errors: session"},
		{Code: 10, Scope: platform.ScopeAccount, Source: "errors: permission denied"},
		{Code: 3, Scope: platform.ScopeAccount, Source: "errors: capability or permission"},
		{Code: 200, CodeTo: 299, Scope: platform.ScopeAccount, Source: "errors: permission"},
		{Code: 294, Scope: platform.ScopeAccount, Source: "codes: managing ads needs a permission"},
		{Code: codeBadParameter, Subcode: subcodeNoSuchObject, Scope: platform.ScopeAccount, Source: "codes: object missing or no permission"},
		{Code: codeBadParameter, Scope: platform.ScopeBatch, Source: "errors: invalid parameter"},
		{Code: codeUnknown, Scope: platform.ScopePlatform, Ambiguous: true, Source: "errors: unknown, wait and retry"},
		{Code: 2, Scope: platform.ScopePlatform, Ambiguous: true, Source: "errors: service, wait and retry"},
		{Code: 368, Scope: platform.ScopePlatform, Source: "errors: temporarily blocked, wait and retry"},
		{Code: -1 << 31, CodeTo: -1, Scope: platform.ScopePlatform, Ambiguous: true, Source: "codes: internal"},
		{Status: http.StatusTooManyRequests, Scope: platform.ScopeQuota, Source: "RFC 6585, 4"},
		{Status: http.StatusUnauthorized, Scope: platform.ScopeAccount, Token: true, Source: "RFC 9110, 15.5.2"},
		{Status: http.StatusForbidden, Scope: platform.ScopeAccount, Source: "RFC 9110, 15.5.4"},
		{Status: http.StatusNotFound, Scope: platform.ScopeAccount, Source: "RFC 9110, 15.5.5; the address is wrong"},
		{Status: http.StatusRequestEntityTooLarge, Scope: platform.ScopeBatch, TooLarge: true, Source: "RFC 9110, 15.5.14"},
		{Status: http.StatusRequestTimeout, Scope: platform.ScopePlatform, Ambiguous: true, Source: "RFC 9110, 15.5.9"},
		{Status: 400, StatusTo: 499, Scope: platform.ScopeBatch, Source: "default for client errors: unknown codes say that this request is bad"},
		{Status: 500, StatusTo: 599, Scope: platform.ScopePlatform, Ambiguous: true, Source: "RFC 9110, 15.6"},
		// The rest is 1xx and 3xx: no answer of this API, and nothing was processed.
		{Scope: platform.ScopePlatform, Source: "default"},
	}
}

// appCodes are the limits that count for all calls of the app or its user.
var appCodes = []int{4, 17, 32, 341, 613}

// refusal is the error of an answer that is not 2xx.
func (e *endpoint) refusal(answer *rest.Answer, call rest.Call, scope string) *platform.Error {
	said, transient := decodeError(answer.Body)
	failure := answer.Refusal(call, failures(), said)
	now := time.Now()
	failure.Quotas = quotas(answer.Header, e.scopes, scope, now)
	failure.RetryAfter = rest.RetryAfter(answer.Header, now)
	switch {
	case said.Code == codeUnknown && strings.Contains(strings.ToLower(said.Message), "reduce the amount of data"):
		// The only way Meta says that a body is too big (localized_items_batch).
		failure.Scope, failure.TooLarge, failure.Ambiguous = platform.ScopeBatch, true, false
	case transient && failure.Scope == platform.ScopeBatch:
		failure.Scope = platform.ScopePlatform
	case failure.Scope == platform.ScopeQuota:
		failure.BlockedScope = e.blockedScope(said.Code, scope)
		failure.Quotas, failure.RetryAfter = blocked(failure.Quotas, failure.BlockedScope, failure.RetryAfter)
	}
	return failure
}

// blockedScope is the quota that a code is about; scope is the call's own.
func (e *endpoint) blockedScope(code int, scope string) string {
	switch {
	case code == codeCatalogBatch:
		return e.scopes.batch
	case code == codeCatalogManagement:
		return e.scopes.management
	case slices.Contains(appCodes, code):
		return e.scopes.app
	default:
		return scope
	}
}

// decodeError reads {"error":{...}}. Other bodies say nothing.
func decodeError(body []byte) (said rest.Said, transient bool) {
	if !gjson.ValidBytes(body) {
		return rest.Said{}, false
	}
	failure := gjson.GetBytes(body, "error")
	if !failure.IsObject() {
		return rest.Said{}, false
	}
	said = rest.Said{
		Code: int(failure.Get("code").Int()), Subcode: int(failure.Get("error_subcode").Int()),
		Message: failure.Get("message").String(),
	}
	if more := failure.Get("error_user_msg").String(); more != "" && more != said.Message {
		said.Message += " (" + more + ")"
	}
	return said, failure.Get("is_transient").Bool()
}
