package meta_test

import (
	"fmt"
	"slices"

	"github.com/catalog-courier/catalog-courier/platform/platformtest"
)

// refused is a Graph error with status 400.
func refused(code, subcode int, kind, message string) string {
	return fmt.Sprintf(`{"error":{"message":%q,"type":%q,"code":%d,"error_subcode":%d,"fbtrace_id":"A"}}`, message, kind, code, subcode)
}

// refusedAnswers are refusals of the account, of the catalog, of a quota and of
// records, to a POST and to a poll.
func refusedAnswers() []platformtest.Answer {
	const oauth, graph = "OAuthException", "GraphMethodException"
	const handle = "batch" // said of the handle alone
	rows := []platformtest.Answer{
		{Name: "190", Source: "errors", Body: refused(190, 463, oauth, "Session has expired"), Post: "account token", Poll: "account token"},
		{Name: "102", Source: "errors", Body: refused(102, 0, oauth, "Session key invalid"), Post: "account token", Poll: "account token"},
		{Name: "450", Source: "arsduo/koala", Body: refused(450, 0, oauth, "Session key expired"), Post: "account token", Poll: "account token"},
		{Name: "452", Source: "arsduo/koala", Body: refused(452, 0, oauth, "Session key invalid"), Post: "account token", Poll: "account token"},
		{Name: "OAuthException without a code", Source: "errors", Body: `{"error":{"message":"x","type":"OAuthException"}}`, Post: "account token", Poll: "account token"},
		{Name: "10", Source: "errors", Body: refused(10, 0, oauth, "(#10) no permission"), Post: "account", Poll: handle},
		{Name: "3", Source: "errors", Body: refused(3, 0, oauth, "(#3) no capability"), Post: "account", Poll: handle},
		{Name: "200", Source: "errors", Body: refused(200, 0, oauth, "API access blocked."), Post: "account", Poll: handle},
		{Name: "270", Source: "errors", Body: refused(270, 0, oauth, "development access"), Post: "account", Poll: handle},
		{Name: "415", Source: "edges of businesses", Body: refused(415, 0, oauth, "Two factor authentication required"), Post: "account", Poll: handle},
		{Name: "457", Source: "edges of businesses", Body: refused(457, 0, oauth, "The session has an invalid origin"), Post: "account", Poll: handle},
		{Name: "104", Source: "errors", Body: refused(104, 0, oauth, "Incorrect signature"), Post: "account", Poll: handle},
		{Name: "101", Source: "errors", Body: refused(101, 0, oauth, "Error validating application"), Post: "account", Poll: handle},
		{Name: "5", Source: "seen: an app's list of addresses", Body: refused(5, 0, oauth, "Unauthorized source IP address"), Post: "account", Poll: handle},
		{Name: "12", Source: "seen", Body: refused(12, 0, oauth, "(#12) batch API is deprecated for versions v26.0 and higher"), Post: "account", Poll: handle},
		{Name: "33", Source: "facebookarchive/facebook-for-magento2 #28", Body: refused(33, 0, oauth, "(#33) An FBE installation or associated Catalog does not exist for the business"), Post: "account", Poll: handle},
		{Name: "100 subcode 33", Source: "facebook-for-woocommerce #1689", Body: refused(100, 33, graph, "Unsupported post request. Object with ID '1' does not exist"), Post: "account", Poll: handle},
		{Name: "100 of another node", Source: "seen", Body: refused(100, 0, oauth, "(#100) Tried accessing nonexisting field (items_batch) on node type (Page)"), Post: "account", Poll: handle},
		{Name: "100 of the proof", Source: "facebook-python-business-sdk #528", Body: refused(100, 0, graph, "Invalid appsecret_proof provided in the API argument"), Post: "account", Poll: "account"},
		{Name: "100 of the method", Source: "facebook-python-business-sdk #528", Body: refused(100, 0, graph, "Unsupported request - method type: post"), Post: "account", Poll: handle},
		{Name: "803", Source: "mobolic/facebook-sdk #315", Body: refused(803, 0, oauth, "Some of the aliases you requested do not exist"), Post: "account", Poll: handle},
		{Name: "2500", Source: "arsduo/koala #611", Body: refused(2500, 0, oauth, "Unknown path components"), Post: "account", Poll: handle},
		{Name: "2635", Source: "facebook-nodejs-business-sdk #222", Body: refused(2635, 0, oauth, "deprecated version"), Post: "account", Poll: handle},
		{Name: "a code of tomorrow", Source: odd, Body: refused(4711, 0, oauth, "(#4711) hm"), Post: "batch", Poll: handle},
		{Name: "a code of tomorrow of another type", Source: odd, Body: refused(4711, 0, "FacebookApiException", "hm"), Post: "batch", Poll: handle},
		{Name: "an error that is no object", Source: odd, Body: `{"error":"invalid_request","error_description":"hm"}`, Post: "batch", Poll: handle, Says: "invalid_request (hm)"},
		{Name: "100", Source: "errors", Body: refused(100, 0, oauth, "Invalid parameter"), Post: "batch", Poll: "lost"},
		{Name: "100 of a setting", Source: "seen", Body: refused(100, 0, oauth, "(#100) The parameter item_type is required"), Post: "batch"},
		{Name: "100 of a record", Source: "errors: the message names the parameter", Body: refused(100, 0, oauth, "(#100) requests[3][method] must be one of CREATE, UPDATE, DELETE"), Post: "batch of records"},
		{Name: "100 of an id", Source: "errors: the message names the parameter", Body: refused(100, 0, oauth, "(#100) Duplicate retailer_id in batch api call"), Post: "batch of records"},
		{Name: "10800", Source: "edges of catalogs", Body: refused(10800, 0, oauth, "(#10800) Duplicate retailer_id when attempting to create a product"), Post: "batch of records", Poll: handle},
		{Name: "1 for the size", Source: "localized_items_batch", Body: refused(1, 0, oauth, "Please reduce the amount of data you're asking for, then retry your request"), Post: "batch halve", Poll: "platform"},
		{Name: "1", Source: "facebook-for-woocommerce #2627", Body: refused(1, 99, oauth, "An unknown error occurred"), Post: "platform ambiguous", Poll: "platform"},
		{Name: "2", Source: "errors", Body: refused(2, 1504018, oauth, "Service temporarily unavailable"), Post: "platform ambiguous", Poll: "platform"},
		{Name: "368", Source: "errors", Body: refused(368, 0, oauth, "deemed abusive"), Post: "platform", Poll: "platform"},
		{Name: "80014", Source: "limits", Body: refused(80014, 0, oauth, "too many calls"), Post: "quota batch", Poll: "quota batch"},
		{Name: "80009", Source: "limits", Body: refused(80009, 0, oauth, "too many calls"), Post: "quota management", Poll: "quota management"},
		{Name: "4", Source: "limits", Body: refused(4, 0, oauth, "(#4) Application request limit reached"), Post: "quota app", Poll: "quota app"},
		{Name: "a code as a string", Source: odd, Body: `{"error":{"code":"190","message":"expired","type":"OAuthException"}}`, Post: "account token", Poll: "account token"},
		{Name: "is_transient", Source: "codes", Body: `{"error":{"code":9,"message":"x","type":"OAuthException","is_transient":true}}`, Post: "platform", Poll: "platform"},
	}
	for i := range rows {
		rows[i].Status = 400
	}
	// The code counts, whatever the status.
	for _, row := range slices.Clip(rows) {
		row.Name, row.Source, row.Status = row.Name+" with 200", "the code of the error decides, not the status", 200
		rows = append(rows, row)
	}
	return append(rows, statuses()...)
}

// statuses are answers of which the status says most.
func statuses() []platformtest.Answer {
	const page, handle = "<html>no</html>", "batch"
	moved := map[string]string{"Location": "https://login.example/sso?x=1"}
	return []platformtest.Answer{
		{Name: "400 of a proxy", Source: "proxies", Status: 400, Body: page, Post: "batch", Poll: handle},
		{Name: "400 without a word", Source: "proxies", Status: 400, Post: "batch", Poll: handle},
		{Name: "401 alone", Source: "RFC 9110", Status: 401, Post: "account token", Poll: "account token"},
		{Name: "402", Source: "RFC 9110", Status: 402, Post: "account", Poll: handle},
		{Name: "403 of a proxy", Source: "proxies", Status: 403, Body: page, Post: "account", Poll: handle},
		{Name: "404 of a proxy", Source: "proxies", Status: 404, Body: page, Post: "account", Poll: handle},
		{Name: "405", Source: "RFC 9110", Status: 405, Post: "account", Poll: handle},
		{Name: "407", Source: "RFC 9110", Status: 407, Body: page, Post: "account", Poll: "account"},
		{Name: "408", Source: "RFC 9110", Status: 408, Post: "platform ambiguous", Poll: "platform"},
		{Name: "413", Source: "RFC 9110", Status: 413, Post: "batch halve", Poll: handle},
		{Name: "418", Source: "RFC 2324", Status: 418, Post: "batch", Poll: handle},
		{Name: "425", Source: "RFC 8470", Status: 425, Post: "platform", Poll: "platform"},
		{Name: "429 alone", Source: "RFC 6585", Status: 429, Post: "quota batch", Poll: "quota management"},
		{Name: "502 of a proxy", Source: "proxies", Status: 502, Body: page, Post: "platform ambiguous", Poll: "platform"},
		{Name: "511", Source: "RFC 6585", Status: 511, Body: page, Post: "account", Poll: "account"},
		{Name: "301", Source: "RFC 9110", Status: 301, Header: moved, Post: "account", Poll: "account", Says: "a redirect to login.example:"},
		{Name: "302", Source: "RFC 9110", Status: 302, Header: moved, Body: page, Post: "account", Poll: "account", Says: "a redirect to login.example:"},
		{Name: "303", Source: "RFC 9110", Status: 303, Header: moved, Post: "account ambiguous", Poll: "account", Says: "a redirect to login.example:"},
		{Name: "307", Source: "RFC 9110", Status: 307, Header: moved, Post: "account", Poll: "account"},
		{Name: "308 to nowhere", Source: "RFC 9110", Status: 308, Post: "account", Poll: "account", Says: "a redirect to nowhere"},
		{Name: "308 to an odd address", Source: odd, Status: 308, Header: map[string]string{"Location": "http://[::1"}, Post: "account", Poll: "account", Says: "cannot be read"},
		{Name: "302 with 190", Source: odd, Status: 302, Header: moved, Body: refused(190, 0, "OAuthException", "expired"), Post: "account token", Poll: "account token"},
		{Name: "switching protocols", Source: "RFC 9110, 15.2.2", Raw: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", Post: "account", Poll: "account"},
		{Name: "early hints", Source: "RFC 8297", Raw: "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", Post: "batch", Poll: handle},
		{Name: "no such status", Source: odd, Status: 999, Body: page, Post: "account", Poll: "account"},
		{Name: "no HTTP", Source: odd, Raw: "SSH-2.0-OpenSSH\r\n", Post: "platform ambiguous", Poll: "platform"},
	}
}

// answersOfGoodStatus are those that say nothing of the batch.
func answersOfGoodStatus() []platformtest.Answer {
	const post, poll = "platform ambiguous unclear", "platform unclear"
	return []platformtest.Answer{
		{Name: "nothing", Source: odd, Post: post, Poll: poll, Says: "the answer is not JSON but nothing"},
		{Name: "204", Source: "RFC 9110", Status: 204, Post: post, Poll: poll, Says: "but nothing"},
		{Name: "205", Source: "RFC 9110", Status: 205, Post: post, Poll: poll, Says: "but nothing"},
		{Name: "a page", Source: "proxies", Body: "<!DOCTYPE html><h1>Sign in</h1>", Post: post, Poll: poll, Says: "text: <!DOCTYPE html><h1>Sign in</h1>"},
		{Name: "half an answer", Source: odd, Body: `{"handles":["h1"],"data":[{"handle":"h","sta`, Post: post, Poll: poll},
		{Name: "a body that breaks off", Source: odd, Raw: "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"handles\":[\"h1\"]}", Post: post, Poll: poll, Says: "breaks off"},
		{Name: "two answers", Source: odd, Body: `{"handles":["h1"],"data":[]}{"error":{"code":190}}`, Post: post, Poll: poll},
		{Name: "an empty error", Source: odd, Body: `{"error":{}}`, Post: post, Poll: poll, Says: "error {}"},
		{Name: "no error", Source: odd, Body: `{"error":null,"success":true}`, Post: post, Poll: poll, Says: "success true"},
		{Name: "an empty list alone of JSON", Source: odd, Body: `[]`, Post: post, Poll: poll, Says: "a list: []"},
	}
}
