package meta

import (
	"net/http"
	"strings"

	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

// Codes that more than the table needs.
const codeBadParameter = 100

// blocked says whose quota is used up.
type blocked uint8

const (
	ownQuota        blocked = iota // of the edge that was called
	batchQuota                     // POSTs to the catalog
	managementQuota                // its other calls
	appQuota                       // all calls of the app, or of its user
)

// failure is one row of the table of answers that are not 2xx. Fields that are
// zero match anything.
type failure struct {
	method    string // http.MethodPost or http.MethodGet
	kind      string // the error's type
	word      string // stands in the message, in either case
	uncoded   bool   // the error has no code
	transient bool   // the error says so (is_transient)
	// lost means, of a poll, that Meta does not know the handle.
	lost   bool
	blocks blocked // with platform.ScopeQuota
	rest.Rule
}

// failures is what an answer that is not 2xx means; the first match counts.
// "errors" is Meta's page Handle errors (graph-api), "limits" Rate limits, "codes"
// Marketing API error codes, "localized" the reference of localized_items_batch,
// all of 2026; "seen" is an answer that others have published; "ours" is a choice
// where nobody says anything. Subcodes of 190 and 102 change nothing: each means
// that this token is not taken.
func failures() []failure {
	const post, get = http.MethodPost, http.MethodGet
	return []failure{
		// The message alone tells a body that is too big from any other unknown error.
		{method: post, word: "reduce the amount of data", Rule: rest.Rule{Code: 1, Scope: platform.ScopeBatch, TooLarge: true, Source: "localized: code 1, the size of the data is too large"}},

		{blocks: batchQuota, Rule: rest.Rule{Code: 80014, Scope: platform.ScopeQuota, Source: "limits: catalog batch"}},
		{blocks: managementQuota, Rule: rest.Rule{Code: 80009, Scope: platform.ScopeQuota, Source: "limits: catalog management"}},
		{Rule: rest.Rule{Code: 80000, CodeTo: 80013, Scope: platform.ScopeQuota, Source: "limits: other business use cases"}},
		{blocks: appQuota, Rule: rest.Rule{Code: 4, Scope: platform.ScopeQuota, Source: "limits: app"}},
		{blocks: appQuota, Rule: rest.Rule{Code: 17, Scope: platform.ScopeQuota, Source: "limits: user"}},
		{blocks: appQuota, Rule: rest.Rule{Code: 32, Scope: platform.ScopeQuota, Source: "limits: page"}},
		{blocks: appQuota, Rule: rest.Rule{Code: 341, Scope: platform.ScopeQuota, Source: "errors: application limit reached"}},
		{blocks: appQuota, Rule: rest.Rule{Code: 613, Scope: platform.ScopeQuota, Source: "limits: custom"}},

		{Rule: rest.Rule{Code: 190, Scope: platform.ScopeAccount, Token: true, Source: "errors: access token expired, revoked or invalid"}},
		{Rule: rest.Rule{Code: 102, Scope: platform.ScopeAccount, Token: true, Source: "errors: session expired or invalid"}},
		{kind: "OAuthException", uncoded: true, Rule: rest.Rule{Scope: platform.ScopeAccount, Token: true, Source: "errors: OAuthException without a code, as 190"}},
		{Rule: rest.Rule{Code: 10, Scope: platform.ScopeAccount, Source: "errors: permission denied"}},
		{Rule: rest.Rule{Code: 3, Scope: platform.ScopeAccount, Source: "errors: capability or permission"}},
		{Rule: rest.Rule{Code: 294, Scope: platform.ScopeAccount, Source: "codes: managing ads needs a permission"}},
		{Rule: rest.Rule{Code: 200, CodeTo: 299, Scope: platform.ScopeAccount, Source: "errors: permission"}},
		{Rule: rest.Rule{Code: codeBadParameter, Subcode: 33, Scope: platform.ScopeAccount, Source: "codes: object missing or no permission"}},
		// A wrong app secret: no record is to blame.
		{kind: "GraphMethodException", Rule: rest.Rule{Code: codeBadParameter, Scope: platform.ScopeAccount, Source: "seen: facebook-python-business-sdk #528, appsecret_proof invalid"}},
		{Rule: rest.Rule{Code: 803, Scope: platform.ScopeAccount, Source: "seen: mobolic/facebook-sdk #315, the object does not exist: the catalog_id is wrong"}},
		{Rule: rest.Rule{Code: 2500, Scope: platform.ScopeAccount, Source: "seen: arsduo/koala #611, unknown path: the address is wrong"}},
		{Rule: rest.Rule{Code: 2635, Scope: platform.ScopeAccount, Source: "seen: facebook-nodejs-business-sdk #222, deprecated version: the base_url is out of date"}},

		{Rule: rest.Rule{Code: 1, Scope: platform.ScopePlatform, Ambiguous: true, Source: "errors: unknown, wait and retry"}},
		{Rule: rest.Rule{Code: 2, Scope: platform.ScopePlatform, Ambiguous: true, Source: "errors: service, wait and retry"}},
		{Rule: rest.Rule{Code: 368, Scope: platform.ScopePlatform, Source: "errors: temporarily blocked, wait and retry"}},
		{Rule: rest.Rule{Code: -1 << 31, CodeTo: -1, Scope: platform.ScopePlatform, Ambiguous: true, Source: "codes: internal"}},
		{transient: true, Rule: rest.Rule{Status: 400, StatusTo: 499, Scope: platform.ScopePlatform, Source: "codes: is_transient, wait and retry"}},

		// The catalog is there (that would be subcode 33), so it is the handle.
		{method: get, lost: true, Rule: rest.Rule{Code: codeBadParameter, Source: "ours: the handle is the only parameter of a poll"}},
		{method: post, Rule: rest.Rule{Code: codeBadParameter, Scope: platform.ScopeBatch, Source: "errors: invalid parameter"}},

		{Rule: rest.Rule{Status: http.StatusTooManyRequests, Scope: platform.ScopeQuota, Source: "RFC 6585, 4"}},
		{Rule: rest.Rule{Status: http.StatusUnauthorized, Scope: platform.ScopeAccount, Token: true, Source: "RFC 9110, 15.5.2"}},
		{Rule: rest.Rule{Status: http.StatusForbidden, Scope: platform.ScopeAccount, Source: "RFC 9110, 15.5.4"}},
		{Rule: rest.Rule{Status: http.StatusNotFound, Scope: platform.ScopeAccount, Source: "RFC 9110, 15.5.5; the address is wrong"}},
		{Rule: rest.Rule{Status: http.StatusMethodNotAllowed, Scope: platform.ScopeAccount, Source: "RFC 9110, 15.5.6; the address is wrong"}},
		{method: post, Rule: rest.Rule{Status: http.StatusRequestEntityTooLarge, Scope: platform.ScopeBatch, TooLarge: true, Source: "RFC 9110, 15.5.14"}},
		{Rule: rest.Rule{Status: http.StatusRequestTimeout, Scope: platform.ScopePlatform, Ambiguous: true, Source: "RFC 9110, 15.5.9"}},
		{method: post, Rule: rest.Rule{Status: 400, StatusTo: 499, Scope: platform.ScopeBatch, Source: "ours: any other client error, with a code or without"}},
		{Rule: rest.Rule{Status: 500, StatusTo: 599, Scope: platform.ScopePlatform, Ambiguous: true, Source: "RFC 9110, 15.6"}},
		// What is left is no answer of this API, and nothing was processed.
		{Rule: rest.Rule{Scope: platform.ScopePlatform, Source: "ours: everything else, such as a proxy's page"}},
	}
}

// matches reports whether the row is about this answer.
func (f *failure) matches(method string, status int, said said) bool {
	return (f.method == "" || f.method == method) &&
		(f.kind == "" || f.kind == said.kind) &&
		(!f.uncoded || said.Code == 0) &&
		(!f.transient || said.transient) &&
		within(status, f.Status, f.StatusTo) && within(said.Code, f.Code, f.CodeTo) && within(said.Subcode, f.Subcode, 0) &&
		(f.word == "" || strings.Contains(strings.ToLower(said.Message), f.word))
}

func within(value, low, high int) bool {
	return low == 0 || value == low || (high != 0 && value >= low && value <= high)
}

// failureOf finds what an answer that is not 2xx means.
func failureOf(method string, status int, said said) failure {
	for _, row := range failures() {
		if row.matches(method, status, said) {
			return row
		}
	}
	return failure{}
}

// alone is the rule without its conditions, for an answer that met them.
func (f *failure) alone() rest.Rule {
	rule := f.Rule
	rule.Status, rule.StatusTo, rule.Code, rule.CodeTo, rule.Subcode = 0, 0, 0, 0, 0
	return rule
}
