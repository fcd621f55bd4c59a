package meta

import (
	"net/http"
	"slices"
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

// failures is what an answer with an error means, or one that is not 2xx; the first
// match counts. "errors" is Meta's page Handle errors (graph-api), "limits" Rate
// limits, "codes" Marketing API error codes, "localized" the reference of
// localized_items_batch, "edges" the tables of errors of other edges of catalogs and
// businesses, all of 2026; "seen" is an answer that others have published; "ours" is a
// choice where nobody says anything. Subcodes of 190 and 102 change nothing: each means
// that this token is not taken.
//
// A POST is refused for its records only where somebody says so. What is refused for
// the account, the app or the catalog is not the fault of the records, and a poll is
// never reason enough to pause an account, unless it speaks of the token or of a
// permission: it is about one handle.
func failures() []failure {
	return slices.Concat(quotaFailures(), accountFailures(), passingFailures(), requestFailures(), statusFailures(), byStatus())
}

const post, get = http.MethodPost, http.MethodGet

// quotaFailures are those about size and quotas.
func quotaFailures() []failure {
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
	}
}

// accountFailures are those about the token, the app, the account and the catalog. What a
// poll is refused for is said of its handle: if the account lost a permission, its POSTs
// are refused as well. A code that is not here is nobody's in particular, whatever its
// type: Meta gives nearly all its errors the type OAuthException.
func accountFailures() []failure {
	return []failure{
		{Rule: rest.Rule{Code: 190, Scope: platform.ScopeAccount, Token: true, Source: "errors: access token expired, revoked or invalid"}},
		{Rule: rest.Rule{Code: 102, Scope: platform.ScopeAccount, Token: true, Source: "errors: session expired or invalid"}},
		{Rule: rest.Rule{Code: 450, Scope: platform.ScopeAccount, Token: true, Source: "seen: arsduo/koala, session expired"}},
		{Rule: rest.Rule{Code: 452, Scope: platform.ScopeAccount, Token: true, Source: "seen: arsduo/koala, session key invalid"}},
		{kind: "OAuthException", uncoded: true, Rule: rest.Rule{Scope: platform.ScopeAccount, Token: true, Source: "errors: OAuthException without a code, as 190"}},
		{method: post, Rule: rest.Rule{Code: 10, Scope: platform.ScopeAccount, Source: "errors: permission denied"}},
		{method: post, Rule: rest.Rule{Code: 3, Scope: platform.ScopeAccount, Source: "errors: capability or permission"}},
		{method: post, Rule: rest.Rule{Code: 294, Scope: platform.ScopeAccount, Source: "codes: managing ads needs a permission"}},
		{method: post, Rule: rest.Rule{Code: 200, CodeTo: 299, Scope: platform.ScopeAccount, Source: "errors: permission"}},
		// A wrong app secret: no record is to blame, and no handle.
		{word: "appsecret_proof", Rule: rest.Rule{Code: codeBadParameter, Scope: platform.ScopeAccount, Source: "seen: facebook-python-business-sdk #528, appsecret_proof invalid"}},

		{method: post, Rule: rest.Rule{Code: codeBadParameter, Subcode: 33, Scope: platform.ScopeAccount, Source: "codes: object missing or no permission"}},
		{method: post, kind: "GraphMethodException", Rule: rest.Rule{Code: codeBadParameter, Scope: platform.ScopeAccount, Source: "seen: facebook-python-business-sdk #528, about the call and not its parameters"}},
		{method: post, word: "nonexisting field", Rule: rest.Rule{Code: codeBadParameter, Scope: platform.ScopeAccount, Source: "seen: the node is of another type: the catalog_id is wrong"}},
		{method: post, Rule: rest.Rule{Code: 5, Scope: platform.ScopeAccount, Source: "errors: unauthorized source IP address"}},
		{method: post, Rule: rest.Rule{Code: 12, Scope: platform.ScopeAccount, Source: "seen: deprecated for this version and higher"}},
		{method: post, Rule: rest.Rule{Code: 33, Scope: platform.ScopeAccount, Source: "seen: facebook-for-magento2 #28, the catalog does not exist or there is no permission"}},
		{method: post, Rule: rest.Rule{Code: 101, Scope: platform.ScopeAccount, Source: "errors: the application is not valid"}},
		{method: post, Rule: rest.Rule{Code: 104, Scope: platform.ScopeAccount, Source: "errors: incorrect signature"}},
		{method: post, Rule: rest.Rule{Code: 415, Scope: platform.ScopeAccount, Source: "edges: two factor authentication required"}},
		{method: post, Rule: rest.Rule{Code: 457, Scope: platform.ScopeAccount, Source: "edges: the session has an invalid origin"}},
		{method: post, Rule: rest.Rule{Code: 803, Scope: platform.ScopeAccount, Source: "seen: mobolic/facebook-sdk #315, the object does not exist: the catalog_id is wrong"}},
		{method: post, Rule: rest.Rule{Code: 2500, Scope: platform.ScopeAccount, Source: "seen: arsduo/koala #611, unknown path: the address is wrong"}},
		{method: post, Rule: rest.Rule{Code: 2635, Scope: platform.ScopeAccount, Source: "seen: facebook-nodejs-business-sdk #222, deprecated version: the base_url is out of date"}},
	}
}

// passingFailures are those that pass.
func passingFailures() []failure {
	return []failure{
		{Rule: rest.Rule{Code: 1, Scope: platform.ScopePlatform, Ambiguous: true, Source: "errors: unknown, wait and retry"}},
		{Rule: rest.Rule{Code: 2, Scope: platform.ScopePlatform, Ambiguous: true, Source: "errors: service, wait and retry"}},
		{Rule: rest.Rule{Code: 368, Scope: platform.ScopePlatform, Source: "errors: temporarily blocked, wait and retry"}},
		{Rule: rest.Rule{Code: -1 << 31, CodeTo: -1, Scope: platform.ScopePlatform, Ambiguous: true, Source: "codes: internal"}},
		{transient: true, Rule: rest.Rule{Status: 200, StatusTo: 499, Scope: platform.ScopePlatform, Source: "codes: is_transient, wait and retry"}},
	}
}

// requestFailures are those about what was sent.
func requestFailures() []failure {
	return []failure{
		// Seen with a missing catalog and a missing permission: not the handle, but no
		// word of the account either.
		{method: get, Rule: rest.Rule{Code: codeBadParameter, Subcode: 33, Scope: platform.ScopeBatch, Source: "codes: object missing or no permission"}},
		{method: get, kind: "GraphMethodException", Rule: rest.Rule{Code: codeBadParameter, Scope: platform.ScopeBatch, Source: "seen: facebook-python-business-sdk #528, about the call and not its parameters"}},
		{method: get, word: "nonexisting field", Rule: rest.Rule{Code: codeBadParameter, Scope: platform.ScopeBatch, Source: "seen: the node is of another type"}},
		// The catalog is there (that would be subcode 33), so it is the handle.
		{method: get, lost: true, Rule: rest.Rule{Code: codeBadParameter, Source: "ours: the handle is the only parameter of a poll"}},
		{method: post, word: "requests[", Rule: rest.Rule{Code: codeBadParameter, Scope: platform.ScopeBatch, OfRecords: true, Source: "errors: invalid parameter; the message names a record"}},
		{method: post, word: "retailer_id", Rule: rest.Rule{Code: codeBadParameter, Scope: platform.ScopeBatch, OfRecords: true, Source: "errors: invalid parameter; the message names an item's id"}},
		{method: post, Rule: rest.Rule{Code: codeBadParameter, Scope: platform.ScopeBatch, Source: "errors: invalid parameter, which may be one of the settings"}},
		{method: post, Rule: rest.Rule{Code: 10800, Scope: platform.ScopeBatch, OfRecords: true, Source: "edges: duplicate retailer_id"}},
	}
}

// statusFailures are those that have no code that says more.
func statusFailures() []failure {
	return []failure{
		{Rule: rest.Rule{Status: http.StatusTooManyRequests, Scope: platform.ScopeQuota, Source: "RFC 6585, 4"}},
		{Rule: rest.Rule{Status: http.StatusUnauthorized, Scope: platform.ScopeAccount, Token: true, Source: "RFC 9110, 15.5.2"}},
		{method: post, Rule: rest.Rule{Status: http.StatusForbidden, Scope: platform.ScopeAccount, Source: "RFC 9110, 15.5.4"}},
		{method: post, Rule: rest.Rule{Status: http.StatusNotFound, Scope: platform.ScopeAccount, Source: "RFC 9110, 15.5.5; the address is wrong"}},
	}
}

// byStatus are those of any answer that says nothing of its own.
func byStatus() []failure {
	rules := rest.StatusRules()
	all := make([]failure, len(rules))
	for i, rule := range rules {
		all[i] = failure{method: rule.Method, Rule: rule.Rule}
	}
	return all
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
