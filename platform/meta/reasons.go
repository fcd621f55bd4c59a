package meta

import (
	"net/http"

	"github.com/catalog-courier/catalog-courier/internal/reason"
)

const (
	newToken  = "Make a new token of the system user in Meta Business Suite, with the permission catalog_management, and put it in place of the old one. The account goes on automatically."
	grant     = "Give the token's system user the catalog as an asset with full control, and the permission catalog_management to the token. Then resume the account."
	catalogID = "Compare catalog_id with the digits that Commerce Manager shows, and see that the token's system user has this catalog as an asset. Then resume the account."
	passes    = "Nothing: it goes on automatically."
	lower     = "Nothing: it goes on automatically. If changes wait too long, make larger batches with batch.max_age, or give the account an app of its own."
)

// reasons are Meta's own codes, more special ones first. Meta's errors of single items have
// words and no code. For the sources see failures.
func reasons() []reason.PlatformCode {
	operator := func(code, codeTo int, source, meaning, action string) reason.PlatformCode {
		return reason.PlatformCode{
			Code: code, CodeTo: codeTo, Meaning: meaning, Action: action, Who: reason.Operator, Replay: reason.AfterFix, Source: source,
		}
	}
	nobody := func(code, codeTo int, source, meaning, action string) reason.PlatformCode {
		return reason.PlatformCode{Code: code, CodeTo: codeTo, Meaning: meaning, Action: action, Who: reason.Nobody, Source: source}
	}
	withWord := func(c reason.PlatformCode, word string) reason.PlatformCode {
		c.Word = word
		return c
	}
	missing := operator(codeBadParameter, 0, "codes: object missing or no permission",
		"The catalog does not exist, or the token may not see it.", catalogID)
	missing.Subcode = 33
	inRecord := reason.PlatformCode{
		Code: codeBadParameter, Who: reason.Shop, Replay: reason.Fails, Source: "errors: invalid parameter",
		Meaning: "A parameter of the request is not valid: a value of an item, or one of the catalog's settings.",
		Action:  "Correct the attribute that the message names. If it names none, compare the settings of the catalog with Commerce Manager.",
	}
	return []reason.PlatformCode{
		// Of the token.
		operator(190, 0, "errors: access token", "The access token is expired, revoked or not valid.", newToken),
		operator(102, 0, "errors: session", "The session of the access token is over.", newToken),
		operator(450, 0, "seen: arsduo/koala", "The session of the access token is over.", newToken),
		operator(452, 0, "seen: arsduo/koala", "The session of the access token is not valid.", newToken),
		withWord(operator(codeBadParameter, 0, "seen: facebook-python-business-sdk #528", "The app_secret is not the secret of the app that the token is of.",
			"Copy the secret of that app from Meta's developer pages into app_secret. Then resume the account."), "appsecret_proof"),
		// Of permissions and settings.
		operator(10, 0, "errors: permission denied", "The token or the app lacks a permission.", grant),
		operator(3, 0, "errors: capability or permission", "The app lacks a capability or a permission.", grant),
		operator(200, 299, "errors: permission", "The token or the app lacks a permission.", grant),
		missing,
		withWord(operator(codeBadParameter, 0, "codes: object missing or no permission, as in the errors of items",
			"The catalog does not exist, or the token may not see it.", catalogID), "missing permissions"),
		withWord(operator(codeBadParameter, 0, "seen: the node is of another type", "The catalog_id is the id of something that is not a catalog.", catalogID), "nonexisting field"),
		operator(33, 0, "seen: facebook-for-magento2 #28", "The catalog does not exist, or the token may not see it.", catalogID),
		operator(803, 0, "seen: mobolic/facebook-sdk #315", "The catalog does not exist.", catalogID),
		operator(5, 0, "errors: unauthorized source IP address", "The app takes calls from listed addresses only.",
			"Add the addresses of the workers in the app's settings, then resume the account."),
		operator(12, 0, "seen: deprecated", "The version of the API is out of date.", "Set base_url to a version that Meta supports, then resume the account."),
		operator(2635, 0, "seen: facebook-nodejs-business-sdk #222", "The version of the API is out of date.", "Set base_url to a version that Meta supports, then resume the account."),
		operator(101, 0, "errors: the application is not valid", "Meta does not know the app.", "Check that the app is live in Meta's developer pages, then make a new token."),
		operator(104, 0, "errors: incorrect signature", "The proof of the app's secret is not right.", "Copy the app's secret into app_secret, then resume the account."),
		operator(415, 0, "edges: two factor authentication required", "The business requires two-factor authentication of the token's user.", "Use the token of a system user."),
		operator(457, 0, "edges: the session has an invalid origin", "The token is of a session that may not make this call.", "Use the token of a system user."),
		operator(2500, 0, "seen: arsduo/koala #611", "The address is not that of Meta's API.", "Correct base_url, then resume the account."),
		// Of quotas.
		nobody(80014, 0, "limits: catalog batch", "The quota of batches of this catalog is used up.", lower),
		nobody(80000, 80013, "limits: business use cases", "A quota of the business is used up.", lower),
		nobody(4, 0, "limits: app", "The quota of the app is used up.", lower),
		nobody(17, 0, "limits: user", "The quota of the token's user is used up.", lower),
		nobody(32, 0, "limits: page", "A quota is used up.", lower),
		nobody(341, 0, "errors: application limit reached", "A limit of the app is reached.", lower),
		nobody(613, 0, "limits: custom", "A quota is used up.", lower),
		// That pass.
		withWord(nobody(1, 0, "localized: the size of the data is too large", "The request is too large.", "Nothing: it is halved and sent again."), "reduce the amount of data"),
		nobody(1, 0, "errors: unknown, wait and retry", "Meta has a fault that passes.", passes),
		nobody(2, 0, "errors: service, wait and retry", "Meta has a fault that passes.", passes),
		nobody(368, 0, "errors: temporarily blocked", "Meta has blocked the call for a time.", passes+" If it lasts, look at the account's quality page."),
		nobody(-1<<31, -1, "codes: internal", "Meta has an internal fault.", passes),
		// Of what was sent.
		{
			Code: 10800, Who: reason.Shop, Replay: reason.Fails, Source: "edges: duplicate retailer_id",
			Meaning: "Two items have the same id.", Action: "Give each item an id of its own.",
		},
		inRecord,
		{
			Status: http.StatusUnauthorized, Who: reason.Operator, Replay: reason.AfterFix, Source: "RFC 9110, 15.5.2",
			Meaning: "Meta does not accept the access token.", Action: newToken,
		},
		{
			Status: http.StatusForbidden, Who: reason.Operator, Replay: reason.AfterFix, Source: "RFC 9110, 15.5.4",
			Meaning: "The token may not make the call.", Action: grant,
		},
		{
			Status: http.StatusTooManyRequests, Who: reason.Nobody, Source: "RFC 6585, 4",
			Meaning: "A quota is used up.", Action: lower,
		},
	}
}
