package message

import "github.com/catalog-courier/catalog-courier/catalog"

// OutcomePrefix starts the subjects of outcome events. Four tokens follow: account,
// catalog, catalog type and status.
const OutcomePrefix = "catalog.outcomes."

// noToken stands for an account, catalog or catalog type that no subject can have: that of
// a message whose own subject broke the rule.
const noToken = "_"

// OutcomeSubject is where the outcome of a mutation is published:
// catalog.outcomes.<account>.<catalog>.<catalog_type>.<status>. A token that the contract
// forbids becomes "_"; the event itself has it as it was.
func OutcomeSubject(lane catalog.Lane, status string) string {
	return OutcomePrefix + tokenOr(lane.Account) + "." + tokenOr(lane.Catalog) + "." + tokenOr(string(lane.Type)) + "." + status
}

func tokenOr(token string) string {
	if validToken(token) {
		return token
	}
	return noToken
}
