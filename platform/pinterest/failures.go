package pinterest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

// failure is one row of the table of answers that are not 2xx. Fields that are
// zero match anything.
type failure struct {
	method string // http.MethodPost or http.MethodGet
	path   string // is in the address
	word   string // is in the message, in lower case
	coded  bool   // the answer is Pinterest's own Error, with a code
	// lost means, of a poll, that Pinterest does not know the batch and will not.
	lost bool
	rest.Rule
}

// failures is what an answer with an error means, or one that is not 2xx; the first
// match counts. "openapi" is Pinterest API v5, OpenAPI 5.23.0; "openapi 5.28" its
// change log to that version; "seen" is an answer that others have published; "ours"
// is a choice where nobody says anything.
//
// A POST is refused for its records only where somebody says so. A poll is never
// reason enough to pause an account, unless it speaks of the token or of a permission:
// it is about one batch.
func failures() []failure {
	return slices.Concat(quotaFailures(), accountFailures(), requestFailures(), byStatus())
}

const post, get = http.MethodPost, http.MethodGet

// quotaFailures are those about quotas.
func quotaFailures() []failure {
	return []failure{
		{word: "spam", Rule: rest.Rule{Status: http.StatusTooManyRequests, Scope: platform.ScopeAccount, Source: "seen: pinterest/api-quickstart, SpamException"}},
		{Rule: rest.Rule{Code: 8, Scope: platform.ScopeQuota, Source: "openapi: code 8, rate limit"}},
		{Rule: rest.Rule{Status: http.StatusTooManyRequests, Code: 30, Scope: platform.ScopeQuota, Source: "openapi: code 30, rate limit of one endpoint"}},
		{Rule: rest.Rule{Status: http.StatusTooManyRequests, Scope: platform.ScopeQuota, Source: "openapi 5.28: 429"}},
	}
}

// accountFailures are those about the token and the account. What a poll is refused for
// is said of its handle: if the account lost a permission, its POSTs are refused as well.
func accountFailures() []failure {
	return []failure{
		{Rule: rest.Rule{Code: 2, Scope: platform.ScopeAccount, Token: true, Source: "openapi: code 2, authentication failed"}},
		{Rule: rest.Rule{Status: http.StatusUnauthorized, Code: 3, Scope: platform.ScopeAccount, Token: true, Source: "seen: pinterest/ios-pdk #98, authorization failed"}},
		{Rule: rest.Rule{Status: http.StatusUnauthorized, Scope: platform.ScopeAccount, Token: true, Source: "openapi: 401"}},
		{method: post, Rule: rest.Rule{Code: 3, Scope: platform.ScopeAccount, Source: "seen: pinterest/ios-pdk #98, authorization failed"}},
		{method: post, Rule: rest.Rule{Code: 29, Scope: platform.ScopeAccount, Source: "seen: gitroomhq/postiz-app #1084, trial access used in production"}},
		{method: post, Rule: rest.Rule{Code: 2625, Scope: platform.ScopeAccount, Source: "seen: pinterest/api-quickstart #81, account disapproved"}},
		{method: post, Rule: rest.Rule{Code: 2626, Scope: platform.ScopeAccount, Source: "seen: woocommerce/pinterest-for-woocommerce #944, account disapproved"}},
		{method: post, Rule: rest.Rule{Code: 650, Scope: platform.ScopeAccount, Source: "seen: woocommerce/pinterest-for-woocommerce, could not find that merchant"}},
		{method: post, Rule: rest.Rule{Code: 652, Scope: platform.ScopeAccount, Source: "seen: woocommerce/pinterest-for-woocommerce #338, not a product pin merchant"}},
		{method: post, word: "already connected", Rule: rest.Rule{Status: 400, StatusTo: 499, Scope: platform.ScopeAccount, Source: "seen: woocommerce/pinterest-for-woocommerce #943, the merchant is connected elsewhere"}},
		// A pause would never end: the same batch would be refused again.
		{method: post, word: "feed", Rule: rest.Rule{Status: http.StatusForbidden, Scope: platform.ScopeBatch, Source: "ours: CREATE or UPSERT where a feed fills the catalog"}},
		{method: post, path: localInventoryPath, Rule: rest.Rule{Status: http.StatusForbidden, Scope: platform.ScopeBatch, Source: "ours: it may be the endpoint alone that the account has no access to"}},
		{method: post, Rule: rest.Rule{Status: http.StatusForbidden, Scope: platform.ScopeAccount, Source: "openapi: 403"}},
	}
}

// requestFailures are those about what was asked.
func requestFailures() []failure {
	return []failure{
		{method: get, Rule: rest.Rule{Code: 3, Scope: platform.ScopeBatch, Source: "ours: a permission; POSTs tell whether the account has it"}},
		{method: get, Rule: rest.Rule{Code: 29, Scope: platform.ScopeBatch, Source: "ours: a permission; POSTs tell whether the account has it"}},
		{method: get, Rule: rest.Rule{Code: 2625, Scope: platform.ScopeBatch, Source: "ours: the account's state; POSTs tell of it"}},
		{method: get, Rule: rest.Rule{Code: 2626, Scope: platform.ScopeBatch, Source: "ours: the account's state; POSTs tell of it"}},
		{method: get, lost: true, Rule: rest.Rule{Code: 4331, Source: "openapi: code 4331, could not find your batch id"}},
		{method: get, coded: true, lost: true, Rule: rest.Rule{Status: http.StatusNotFound, Source: "openapi 5.28: 404; the batch is all that the address names"}},
		{method: get, coded: true, lost: true, Rule: rest.Rule{Status: http.StatusBadRequest, Source: "openapi 5.28: 400; the batch id is all that can be invalid"}},
		{method: get, lost: true, Rule: rest.Rule{Status: http.StatusGone, Source: "RFC 9110, 15.5.11"}},
		{method: post, word: "is not of type", Rule: rest.Rule{Code: 1, Scope: platform.ScopeBatch, OfRecords: true, Source: "openapi: code 1, a value of another type; those of the settings have the right one"}},
		{method: post, word: "items/", Rule: rest.Rule{Code: 1, Scope: platform.ScopeBatch, OfRecords: true, Source: "openapi: code 1; the message names a record"}},
		{method: post, word: "items[", Rule: rest.Rule{Code: 1, Scope: platform.ScopeBatch, OfRecords: true, Source: "openapi: code 1; the message names a record"}},
		{method: post, Rule: rest.Rule{Status: http.StatusBadRequest, Code: 1, Scope: platform.ScopeBatch, Source: "openapi: code 1, invalid request; it may be one of the settings"}},
		{method: post, path: localInventoryPath, Rule: rest.Rule{Status: http.StatusNotFound, Scope: platform.ScopeBatch, Source: "ours: the address names the catalog, which may be the wrong one"}},
		{method: post, path: localInventoryPath, Rule: rest.Rule{Status: http.StatusMethodNotAllowed, Scope: platform.ScopeBatch, Source: "ours: it may be this address alone"}},
		{method: post, Rule: rest.Rule{Status: http.StatusNotFound, Scope: platform.ScopeAccount, Source: "openapi 5.28: 404; the address or the ad account is wrong"}},
		{method: post, Rule: rest.Rule{Status: http.StatusMethodNotAllowed, Code: 5, Scope: platform.ScopeAccount, Source: "openapi: 405, code 5; the address is wrong"}},
		{method: post, Rule: rest.Rule{Status: http.StatusUnprocessableEntity, Scope: platform.ScopeBatch, Source: "seen: pinterest-for-woocommerce #954, 422 of another endpoint"}},
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
func (f *failure) matches(method, address string, status int, said said) bool {
	statusTo := max(f.Status, f.StatusTo)
	return (f.method == "" || f.method == method) && strings.Contains(address, f.path) &&
		(f.Status == 0 || (status >= f.Status && status <= statusTo)) &&
		(f.Code == 0 || said.Code == f.Code) &&
		(!f.coded || said.Code != 0) &&
		(f.word == "" || strings.Contains(said.reason, f.word))
}

// failureOf finds what an answer that is not 2xx means.
func failureOf(method, address string, status int, said said) failure {
	for _, row := range failures() {
		if row.matches(method, address, status, said) {
			return row
		}
	}
	return failure{}
}

// alone is the rule without its conditions, for an answer that met them.
func (f *failure) alone() rest.Rule {
	rule := f.Rule
	rule.Status, rule.StatusTo, rule.Code = 0, 0, 0
	return rule
}
