package pinterest

import (
	"net/http"

	"github.com/catalog-courier/catalog-courier/internal/reason"
)

const (
	newToken   = "Nothing, where Courier renews the token. Otherwise put a valid token in place of the old one, with the scopes catalogs:read and catalogs:write."
	permission = "Check in Pinterest's business manager that the app's user may manage the catalogs of this ad account. Then resume the account."
	passes     = "Nothing: the account goes on automatically."
)

// reasons are Pinterest's own codes. Those of items are not listed by Pinterest, but for
// one; those of the simulation are its own, so that whoever tries Courier out finds them
// explained. For the sources see failures.
func reasons() []reason.PlatformCode {
	return []reason.PlatformCode{
		// Of items.
		{
			Code: 106, Item: true, Who: reason.Shop, Replay: reason.Fails, Source: "openapi: the example of ItemValidationEvent",
			Meaning: "An attribute that Pinterest requires of an item is missing.",
			Action:  "Fill the attribute in the shop's data and publish the whole item again with UPSERT.",
		},
		{
			Code: 190, Item: true, Who: reason.Shop, Replay: reason.Fails, Source: "simulated: Courier's own simulation",
			Meaning: "The change updates or deletes an item that is not in the catalog.",
			Action:  "Publish the whole item with UPSERT. Nothing is to be done where the item was to be deleted.",
		},
		{
			Code: 191, Item: true, Who: reason.Shop, Replay: reason.Fails, Source: "simulated: Courier's own simulation",
			Meaning: "The change creates an item that is in the catalog already.",
			Action:  "Use UPSERT in place of CREATE.",
		},
		{
			Code: 192, Item: true, Who: reason.Shop, Replay: reason.Fails, Source: "simulated: Courier's own simulation",
			Meaning: "The value of an attribute is not valid, such as a price that is not an amount with a currency.",
			Action:  "Correct the attribute in the shop's data and publish the item again.",
		},
		{
			Code: 193, Item: true, Who: reason.Operator, Replay: reason.Fails, Source: "simulated: Courier's own simulation",
			Meaning: "A feed fills the catalog, which takes UPDATE and DELETE only.",
			Action:  "Set feed_owned for the catalog and publish changes with UPDATE, or remove the feed's data source at Pinterest.",
		},
		// Of the token and the account.
		{
			Code: 2, Who: reason.Operator, Replay: reason.AfterFix, Source: "openapi: authentication failed",
			Meaning: "Pinterest does not accept the access token.", Action: newToken,
		},
		{
			Code: 3, Who: reason.Operator, Replay: reason.AfterFix, Source: "seen: pinterest/ios-pdk #98",
			Meaning: "The access token is not accepted, or lacks a scope.", Action: newToken,
		},
		{
			Code: 29, Who: reason.Operator, Replay: reason.AfterFix, Source: "seen: gitroomhq/postiz-app #1084",
			Meaning: "The app has trial access, which may not write.",
			Action:  "Ask for standard access in the developer pages of Pinterest, then resume the account.",
		},
		{
			Code: 650, Who: reason.Operator, Replay: reason.AfterFix, Source: "seen: woocommerce/pinterest-for-woocommerce",
			Meaning: "Pinterest does not find a merchant for the account.",
			Action:  "Create the catalog once in Pinterest's business pages and claim the shop's website there. Then resume the account.",
		},
		{
			Code: 652, Who: reason.Operator, Replay: reason.AfterFix, Source: "seen: woocommerce/pinterest-for-woocommerce #338",
			Meaning: "The account is not a merchant with products.",
			Action:  "Create the catalog once in Pinterest's business pages, then resume the account.",
		},
		{
			Code: 2625, CodeTo: 2626, Who: reason.Support, Replay: reason.AfterFix, Source: "seen: pinterest/api-quickstart #81, woocommerce/pinterest-for-woocommerce #944",
			Meaning: "Pinterest has disapproved the merchant.",
			Action:  "Appeal in Pinterest's business pages: no change of the data or of the token helps. Changes wait meanwhile.",
		},
		// Of quotas.
		{
			Code: 8, Who: reason.Nobody, Source: "openapi: rate limit",
			Meaning: "A rate limit is reached.", Action: passes,
		},
		{
			Code: 30, Who: reason.Nobody, Source: "openapi: rate limit of one endpoint",
			Meaning: "The rate limit of one endpoint is reached.", Action: passes,
		},
		// Of requests.
		{
			Code: 1, Who: reason.Shop, Replay: reason.Fails, Source: "openapi: invalid request",
			Meaning: "Pinterest does not accept the form of the request: usually a value of the wrong type.",
			Action:  "Correct the attribute that the message names. If it names none, compare country, language and catalog_id of the catalog with Pinterest's business pages.",
		},
		{
			Code: 5, Who: reason.Operator, Replay: reason.AfterFix, Source: "openapi: method not allowed",
			Meaning: "The address is not that of Pinterest's API.", Action: "Correct base_url, then resume the account.",
		},
		{
			Code: 4331, Who: reason.Nobody, Source: "openapi: could not find your batch id",
			Meaning: "Pinterest no longer knows the batch.", Action: "Nothing: its records are sent again.",
		},
		{
			Status: http.StatusUnauthorized, Who: reason.Operator, Replay: reason.AfterFix, Source: "openapi: 401",
			Meaning: "Pinterest does not accept the access token.", Action: newToken,
		},
		{
			Status: http.StatusForbidden, Who: reason.Operator, Replay: reason.AfterFix, Source: "openapi: 403",
			Meaning: "The user of the token may not write to the catalogs of this account.", Action: permission,
		},
		{
			Status: http.StatusNotFound, Who: reason.Operator, Replay: reason.AfterFix, Source: "openapi 5.28: 404",
			Meaning: "The address, the ad account or the catalog does not exist.",
			Action:  "Compare base_url, ad_account_id and catalog_id with Pinterest's business pages, then resume the account.",
		},
		{
			Status: http.StatusTooManyRequests, Who: reason.Nobody, Source: "openapi 5.28: 429",
			Meaning: "A rate limit is reached.", Action: passes,
		},
	}
}
