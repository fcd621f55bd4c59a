package pinterest

import (
	"net/http"

	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

// codeNoSuchBatch: "Sorry! We could not find your batch ID."
const codeNoSuchBatch = 4331

// failures is what an answer that is not 2xx means; the first match counts.
// "openapi" is Pinterest API v5, OpenAPI 5.23.0 with its change log to 5.28.
func failures() []rest.Rule {
	return []rest.Rule{
		{Status: http.StatusTooManyRequests, Scope: platform.ScopeQuota, Source: "openapi: code 8, rate limit"},
		{Code: 2, Scope: platform.ScopeAccount, Token: true, Source: "openapi: code 2, authentication failed"},
		{Code: 29, Scope: platform.ScopeAccount, Source: "seen: trial access used in production"},
		{Code: 2625, Scope: platform.ScopeAccount, Source: "seen: account disapproved"},
		{Status: http.StatusUnauthorized, Scope: platform.ScopeAccount, Token: true, Source: "openapi: 401"},
		{Status: http.StatusForbidden, Scope: platform.ScopeAccount, Source: "openapi: 403"},
		{Status: http.StatusNotFound, Scope: platform.ScopeAccount, Source: "openapi 5.28: 404; the address or the ad account is wrong"},
		{Status: http.StatusMethodNotAllowed, Scope: platform.ScopeAccount, Source: "openapi: 405, code 5; the address is wrong"},
		{Status: http.StatusRequestEntityTooLarge, Scope: platform.ScopeBatch, TooLarge: true, Source: "RFC 9110, 15.5.14"},
		{Status: http.StatusRequestTimeout, Scope: platform.ScopePlatform, Ambiguous: true, Source: "RFC 9110, 15.5.9"},
		{Status: 400, StatusTo: 499, Scope: platform.ScopeBatch, Source: "openapi: 400, code 1, invalid request; and other client errors"},
		{Status: 500, StatusTo: 599, Scope: platform.ScopePlatform, Ambiguous: true, Source: "RFC 9110, 15.6"},
		// The rest is 1xx and 3xx: no answer of this API, and nothing was processed.
		{Scope: platform.ScopePlatform, Source: "default"},
	}
}
