package pinterest_test

import (
	"fmt"
	"testing"

	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/platform/pinterest"
	"github.com/catalog-courier/catalog-courier/platform/platformtest"
)

// TestAnswers gives the real client answers that were seen, are documented, or are
// odd in one member, and wants of each that no part takes the rest with it and that
// nothing is made a success that is none.
func TestAnswers(t *testing.T) {
	t.Parallel()
	rows := append(postedAnswers(), polledAnswers()...)
	rows = append(append(rows, refusedAnswers()...), answersWithoutSense()...)
	platformtest.Answers(t, rows, "RETAIL", setting.Values{"country": "US", "language": "en-US"}, pinterest.New)
}

// Where the answers are from.
const (
	openapi = "OpenAPI 5.23.0"
	odd     = "no source: one member in another form"
)

func postedAnswers() []platformtest.Answer {
	return []platformtest.Answer{
		{Name: "processing", Source: openapi, Body: `{"catalog_type":"RETAIL","batch_id":"59-66","created_time":"2024-01-01T20:10:40","completed_time":null,"status":"PROCESSING","items":[]}`, Post: "taken 59-66"},
		{Name: "only a name", Source: openapi, Body: `{"batch_id":"59-66"}`, Post: "taken 59-66"},
		{Name: "a name of blanks around", Source: odd, Body: `{"batch_id":" 59 "}`, Post: "taken 59"},
		{Name: "a number of a name", Source: "OpenAPI 5.28: an integer", Body: `{"batch_id":595953100599279259,"status":"PROCESSING"}`, Post: "taken 595953100599279259"},
		{Name: "a fraction of a name", Source: odd, Body: `{"batch_id":5.5,"status":"PROCESSING"}`, Post: "platform ambiguous unclear", Says: `no batch_id but batch_id 5.5, status "PROCESSING"`},
		{Name: "completed at once", Source: "schema", Body: `{"batch_id":"1","created_time":"x","status":"COMPLETED","items":[{"item_id":"A","status":"SUCCESS"}]}`, Post: "taken 1"},
		{Name: "failed at once", Source: "schema", Body: `{"batch_id":"1","created_time":"x","status":"FAILED","items":null}`, Post: "taken 1"},
		{Name: "a word of tomorrow posted", Source: odd, Body: `{"batch_id":"1","created_time":"x","status":"QUEUED"}`, Post: "taken 1"},
		{Name: "skipped", Source: openapi + ", created_time", Body: `{"batch_id":"1","created_time":null,"status":"PROCESSING"}`, Post: "taken 1 A skipped B skipped"},
		{Name: "skipped without a name", Source: openapi + ", created_time", Body: `{"batch_id":null,"created_time":null}`, Post: "platform unclear", Says: "skipped"},
		{Name: "no created_time", Source: openapi, Body: `{"batch_id":"1","status":"PROCESSING"}`, Post: "taken 1"},
		{Name: "created_time twice", Source: odd, Body: `{"batch_id":"1","created_time":null,"created_time":"x","status":"PROCESSING"}`, Post: "taken 1"},
		{Name: "batch_id twice", Source: odd, Body: `{"batch_id":"","batch_id":"1","batch_id":null}`, Post: "taken 1"},
		{Name: "a blank name", Source: odd, Body: `{"batch_id":" ","created_time":"x","status":"PROCESSING","items":[]}`, Post: "platform ambiguous unclear", Says: "no batch_id but"},
		{Name: "a list of a name", Source: odd, Body: `{"batch_id":["1"],"created_time":"x","status":"PROCESSING"}`, Post: "platform ambiguous unclear", Says: `batch_id ["1"]`},
		{Name: "no name", Source: odd, Body: `{"created_time":"x","status":"PROCESSING"}`, Post: "platform ambiguous unclear", Says: `created_time "x", status "PROCESSING"`},
		{Name: "no name and a refused item", Source: odd, Body: `{"status":"COMPLETED","items":[{"item_id":"A","status":"FAILURE","errors":[{"code":106,"message":"Title is missing"}]},{"item_id":"B","status":"SUCCESS"}]}`, Post: "batch A failed", Says: "Title is missing"},
		{Name: "no name and a refusal without a reason", Source: odd, Body: `{"status":"COMPLETED","items":[{"item_id":"A","status":"FAILURE"}]}`, Post: "platform ambiguous unclear"},
		{Name: "no name and successes", Source: odd, Body: `{"status":"COMPLETED","items":[{"item_id":"A","status":"SUCCESS"},{"item_id":"B","status":"SUCCESS"}]}`, Post: "platform ambiguous unclear"},
		{Name: "no name while it works", Source: odd, Body: `{"status":"PROCESSING","items":[{"item_id":"A","status":"FAILURE","errors":[{"message":"x"}]}]}`, Post: "platform ambiguous unclear"},
		{Name: "an error beside a name", Source: odd, Body: `{"batch_id":"1","created_time":"x","code":8,"message":"slow down"}`, Post: "taken 1 noted", Says: "slow down"},
		{Name: "a mark before", Source: odd, Body: "\ufeff\r\n{\"batch_id\":\"1\"}", Post: "taken 1"},
		{Name: "text after", Source: odd, Body: "{\"batch_id\":\"1\"} OK", Post: "taken 1"},
		{Name: "a number that JSON has not", Source: odd, Body: `{"took":Infinity,"batch_id":"1"}`, Post: "taken 1"},
		{Name: "created", Source: "RFC 9110, 15.3.2", Status: 201, Body: `{"batch_id":"1"}`, Post: "taken 1"},
	}
}

func polledAnswers() []platformtest.Answer {
	batch := func(status, items string) string {
		return fmt.Sprintf(`{"batch_id":"h","created_time":"x","status":%s,"items":%s}`, status, items)
	}
	const a, b = `{"item_id":"A","status":"SUCCESS"}`, `{"item_id":"B","status":"SUCCESS"}`
	with := func(name, source, items, poll, says string) platformtest.Answer {
		return platformtest.Answer{Name: name, Source: source, Body: batch(`"COMPLETED"`, items), Poll: poll, Says: says}
	}
	return []platformtest.Answer{
		{Name: "still processing", Source: openapi, Body: batch(`"PROCESSING"`, `[]`), Poll: "pending"},
		{Name: "a word of tomorrow", Source: odd, Body: batch(`"ON_HOLIDAY"`, `[]`), Poll: "pending noted", Says: "ON_HOLIDAY"},
		{Name: "a number of a status", Source: odd, Body: batch(`7`, `[`+a+`,`+b+`]`), Poll: "pending noted"},
		{Name: "a null status", Source: odd, Body: batch(`null`, `[`+a+`,`+b+`]`), Poll: "platform unclear", Says: "no status but"},
		{Name: "two statuses", Source: odd, Body: `{"batch_id":"h","status":"PROCESSING","status":"COMPLETED","items":[` + a + `]}`, Poll: "pending noted"},
		{Name: "no status", Source: odd, Body: `{"batch_id":"h","items":[` + a + `]}`, Poll: "platform unclear", Says: `no status but batch_id "h"`},
		with("completed", openapi, `[`+a+`,`+b+`]`, "finished A succeeded B succeeded", ""),
		with("a refused one", openapi, `[`+a+`,{"item_id":"B","status":"FAILURE","errors":[{"attribute":"title","code":106,"message":"Title is missing"}]}]`, "finished A succeeded B failed", "Title is missing"),
		with("a refused one without errors", openapi, `[`+a+`,{"item_id":"B","status":"FAILURE","errors":[]}]`, "finished A succeeded B failed", "gives no reason"),
		with("errors beside success", openapi+": a non empty list of errors fails the item", `[{"item_id":"A","status":"SUCCESS","errors":[{"code":106}]},`+b+`]`, "finished A failed B succeeded", ""),
		with("warnings", openapi, `[{"item_id":"A","status":"SUCCESS","warnings":[{"message":"hm"}]},`+b+`]`, "finished A succeeded warned B succeeded", "hm"),
		with("null lists", odd, `[{"item_id":"A","status":"SUCCESS","errors":null,"warnings":null},`+b+`]`, "finished A succeeded B succeeded", ""),
		with("errors as a string", odd, `[{"item_id":"A","status":"FAILURE","errors":"bad"},`+b+`]`, "finished A failed B succeeded", "bad"),
		with("errors as a string beside success", odd, `[{"item_id":"A","status":"SUCCESS","errors":"bad"},`+b+`]`, "finished A failed B succeeded", "bad"),
		with("errors as an object", odd, `[{"item_id":"A","status":"FAILURE","errors":{"code":1,"message":"bad"}},`+b+`]`, "finished A failed B succeeded", "bad"),
		with("errors as strings", odd, `[{"item_id":"A","status":"FAILURE","errors":["bad"]},`+b+`]`, "finished A failed B succeeded", "bad"),
		with("empty errors beside success", odd, `[{"item_id":"A","status":"SUCCESS","errors":[null]},{"item_id":"B","status":"SUCCESS","errors":""}]`, "finished A unknown B succeeded", ""),
		with("warnings as a string", odd, `[{"item_id":"A","status":"SUCCESS","warnings":"hm"},`+b+`]`, "finished A succeeded warned B succeeded", "hm"),
		with("an item that is missing", "schema", `[`+a+`]`, "finished A succeeded B unknown", "does not name the item"),
		with("an item without a status", odd, `[{"item_id":"A"},`+b+`]`, "finished A unknown B succeeded", "status missing"),
		with("an item with a status of tomorrow", odd, `[{"item_id":"A","status":"HELD"},`+b+`]`, "finished A unknown B succeeded", "HELD"),
		with("an item with a number of a status", odd, `[{"item_id":"A","status":1},`+b+`]`, "finished A unknown B succeeded", ""),
		with("an item with two statuses", odd, `[{"item_id":"A","status":"FAILURE","status":"SUCCESS"},`+b+`]`, "finished A unknown B succeeded", "FAILURE and SUCCESS"),
		with("an item that is processed", "schema", `[{"item_id":"A","status":"PROCESSING"},`+b+`]`, "finished A unknown B succeeded", "PROCESSING"),
		with("items of others", odd, `[{"item_id":"Z","status":"SUCCESS"},{"item_id":"a","status":"SUCCESS"},`+b+`]`, "finished A unknown B succeeded", `it names "Z", "a"`),
		with("items of others, and one alike behind them", odd, `[{"item_id":"X"},{"item_id":"Y"},{"item_id":"Z"},{"item_id":" a ","status":"SUCCESS"},`+b+`]`,
			"finished A unknown B succeeded", `does not name the item; it names " a "`),
		with("rows that are none", odd, `[null,7,"A",[],{},`+a+`,`+b+`]`, "finished A succeeded B succeeded", ""),
		with("an item twice", odd, `[`+a+`,`+a+`,`+b+`]`, "finished A unknown B succeeded", "twice"),
		with("null items", "schema", `null`, "finished A unknown B unknown", ""),
		with("an object of items", odd, `{"A":"SUCCESS"}`, "finished A unknown B unknown", ""),
		with("one item and no list", odd, a, "finished A succeeded B unknown", ""),
		with("items as a string", odd, `"A,B"`, "finished A unknown B unknown", ""),
		{Name: "no items", Source: "schema", Body: `{"batch_id":"h","created_time":"x","status":"COMPLETED"}`, Poll: "finished A unknown B unknown"},
		{Name: "items twice", Source: odd, Body: `{"batch_id":"h","status":"COMPLETED","items":[` + a + `],"items":[` + b + `]}`, Poll: "finished A succeeded B succeeded"},
		{Name: "a number of an id", Source: odd, Items: []string{"12", "B"}, Body: batch(`"COMPLETED"`, `[{"item_id":12,"status":"SUCCESS"}]`), Poll: "finished 12 succeeded B unknown"},
		{Name: "the batch failed", Source: openapi, Body: batch(`"FAILED"`, `[`+a+`,{"item_id":"B","status":"FAILURE"}]`), Poll: "finished A succeeded B retryable"},
		{Name: "the batch failed for an item", Source: openapi, Body: batch(`"FAILED"`, `[{"item_id":"A","status":"FAILURE","errors":["bad"]}]`), Poll: "finished A failed B retryable"},
		{Name: "the batch was skipped", Source: openapi + ", created_time", Body: `{"batch_id":"h","created_time":null,"status":"COMPLETED","items":[` + a + `]}`, Poll: "finished A skipped B skipped"},
		{Name: "another batch", Source: odd, Body: `{"batch_id":"x","status":"COMPLETED","items":[` + a + `,` + b + `]}`, Poll: "platform unclear", Says: "another batch"},
		{Name: "a nameless batch", Source: openapi + ": batch_id is not required", Body: `{"status":"COMPLETED","items":[` + a + `,` + b + `]}`, Poll: "finished A succeeded B succeeded"},
		{Name: "an error beside a batch", Source: odd, Body: `{"batch_id":"h","status":"COMPLETED","items":[` + a + `,` + b + `],"code":8,"message":"slow down"}`, Poll: "finished A succeeded B succeeded noted", Says: "slow down"},
		{Name: "a marked batch", Source: odd, Body: "\ufeff" + batch(`"COMPLETED"`, `[`+a+`,`+b+`]`) + ";", Poll: "finished A succeeded B succeeded"},
	}
}

// refusedAnswers are refusals of the account, of a quota and of records.
func refusedAnswers() []platformtest.Answer {
	said := func(code int, message string) string {
		return fmt.Sprintf(`{"code":%d,"message":%q,"status":"failure","data":null}`, code, message)
	}
	const page, handle = "<html>no</html>", "batch"
	const echo = `Invalid request: {'country': 'US', 'language': 'EN', 'operation': 'CREATE', 'items': [{'item_id': 'RAY_01_', 'attributes': {'image_link': 'https://www.example.com/', 'title': 'My Product of a feed'}}]} `
	moved := map[string]string{"Location": "https://login.example/sso?x=1"}
	return []platformtest.Answer{
		{Name: "a value of another type", Source: openapi + ", example of the POST", Status: 400, Body: said(1, echo+`('https://www.example.com/ is not of type array)`), Post: "batch of records", Says: "{…} ('https://www.example.com/ is not of type array)"},
		{Name: "a path inside of items", Source: "a validator of JSON schemas", Status: 400, Body: said(1, "Invalid request: items[3].attributes.price is a required property"), Post: "batch of records"},
		{Name: "a value of a setting", Source: "a validator of JSON schemas", Status: 400, Body: said(1, echo+`('en_US' is not one of ['EN'])`), Post: "batch", Says: "'en_US'"},
		{Name: "an invalid request", Source: openapi, Status: 400, Body: said(1, "Invalid request"), Post: "batch", Poll: "lost"},
		{Name: "another code", Source: odd, Status: 400, Body: said(4711, "no"), Post: "batch", Poll: "lost"},
		{Name: "another code with 200", Source: odd, Body: said(4711, "no"), Post: "batch", Poll: handle},
		{Name: "400 of a proxy", Source: "proxies", Status: 400, Body: page, Post: "batch", Poll: handle},
		{Name: "code 2", Source: openapi, Status: 401, Body: said(2, "Authentication failed."), Post: "account token", Poll: "account token"},
		{Name: "code 2 with 200", Source: "the code of the error decides, not the status", Body: said(2, "Authentication failed."), Post: "account token", Poll: "account token"},
		{Name: "code 3", Source: "pinterest/ios-pdk #98", Status: 401, Body: said(3, "Authorization failed."), Post: "account token", Poll: "account token"},
		{Name: "code 3 with 400", Source: "pinterest/ios-pdk #98", Status: 400, Body: said(3, "Authorization failed."), Post: "account", Poll: handle},
		{Name: "401 alone", Source: "RFC 9110", Status: 401, Post: "account token", Poll: "account token"},
		{Name: "code 7", Source: "permission", Status: 403, Body: said(7, "You are not permitted"), Post: "account", Poll: handle},
		{Name: "code 29", Source: "gitroomhq/postiz-app #1084", Status: 403, Body: said(29, "trial"), Post: "account", Poll: handle},
		{Name: "code 2625", Source: "pinterest/api-quickstart #81", Status: 403, Body: said(2625, "disapproved"), Post: "account", Poll: handle},
		{Name: "code 2626", Source: "woocommerce/pinterest-for-woocommerce #944", Status: 400, Body: said(2626, "disapproved"), Post: "account", Poll: handle},
		{Name: "code 650", Source: "PinterestApiException.php of woocommerce", Status: 404, Body: said(650, "Sorry, we couldn't find that merchant."), Post: "account", Poll: "lost"},
		{Name: "code 652", Source: "woocommerce/pinterest-for-woocommerce #338", Status: 422, Body: `{"error":{"message":"None"},"code":652,"data":null,"message":"Sorry! That merchant is not a product pin merchant.","status":"failure"}`, Post: "account", Poll: handle},
		{Name: "connected elsewhere", Source: "woocommerce/pinterest-for-woocommerce #943", Status: 409, Body: said(4000, "Merchant has already connected to a platform"), Post: "account", Poll: handle},
		{Name: "409 of another kind", Source: odd, Status: 409, Body: said(4000, "conflict"), Post: "batch", Poll: handle},
		{Name: "a feed", Source: "POST catalogs/items/batch: restricted to users without a feed", Status: 403, Body: said(7, "UPSERT is restricted to users without a feed data source"), Post: "batch", Poll: handle},
		{Name: "403 of a proxy", Source: "proxies", Status: 403, Body: page, Post: "account", Poll: handle},
		{Name: "no such batch", Source: openapi, Status: 404, Body: said(4331, "Sorry! We could not find your batch ID."), Poll: "lost"},
		{Name: "no such batch with 200", Source: odd, Body: said(4331, "Sorry! We could not find your batch ID."), Poll: "lost"},
		{Name: "404 of a proxy", Source: "proxies", Status: 404, Body: page, Post: "account", Poll: handle},
		{Name: "405", Source: openapi, Status: 405, Body: said(5, "Method not allowed."), Post: "account", Poll: handle},
		{Name: "407", Source: "RFC 9110", Status: 407, Post: "account", Poll: "account"},
		{Name: "408", Source: "RFC 9110", Status: 408, Post: "platform ambiguous", Poll: "platform"},
		{Name: "410", Source: "RFC 9110", Status: 410, Post: "batch", Poll: "lost"},
		{Name: "413", Source: "RFC 9110", Status: 413, Post: "batch halve", Poll: handle},
		{Name: "422", Source: "woocommerce/pinterest-for-woocommerce #954", Status: 422, Body: said(1, "no"), Post: "batch", Poll: handle},
		{Name: "rate limit", Source: openapi, Status: 429, Body: said(8, "This request exceeded a rate limit."), Post: "quota catalogs_write", Poll: "quota catalogs_read"},
		{Name: "rate limit with 200", Source: odd, Body: said(8, "This request exceeded a rate limit."), Post: "quota catalogs_write", Poll: "quota catalogs_read"},
		{Name: "rate limit of a day", Source: "airbyte #16161", Status: 429, Body: said(8, "limit"), Header: map[string]string{"X-Ratelimit-Limit": "1000, 1000;w=86400", "X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "67150"}, Post: "quota app", Poll: "quota app"},
		{Name: "429 alone", Source: "airbyte #8814", Status: 429, Post: "quota catalogs_write", Poll: "quota catalogs_read"},
		{Name: "spam", Source: "pinterest/api-quickstart", Status: 429, Body: said(9, "blocked for spam"), Post: "account", Poll: "account"},
		{Name: "500", Source: "RFC 9110", Status: 500, Body: said(11, "API function not found"), Post: "platform ambiguous", Poll: "platform"},
		{Name: "504 of a proxy", Source: "proxies", Status: 504, Body: page, Post: "platform ambiguous", Poll: "platform"},
		{Name: "511", Source: "RFC 6585", Status: 511, Body: page, Post: "account", Poll: "account"},
		{Name: "302", Source: "RFC 9110", Status: 302, Header: moved, Body: page, Post: "account", Poll: "account", Says: "a redirect to login.example:"},
		{Name: "303", Source: "RFC 9110", Status: 303, Header: moved, Post: "account ambiguous", Poll: "account", Says: "a redirect to login.example:"},
		{Name: "304", Source: "RFC 9110", Status: 304, Post: "account", Poll: "account"},
		{Name: "switching protocols", Source: "RFC 9110, 15.2.2", Raw: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", Post: "account", Poll: "account"},
	}
}

// answersWithoutSense are those of good status that say nothing of the batch.
func answersWithoutSense() []platformtest.Answer {
	const post, poll = "platform ambiguous unclear", "platform unclear"
	return []platformtest.Answer{
		{Name: "nothing", Source: odd, Post: post, Poll: poll, Says: "the answer is not JSON but nothing"},
		{Name: "204", Source: "RFC 9110", Status: 204, Post: post, Poll: poll},
		{Name: "a page", Source: "proxies", Body: "<!DOCTYPE html><h1>Sign in</h1>", Post: post, Poll: poll, Says: "text: <!DOCTYPE html><h1>Sign in</h1>"},
		{Name: "half an answer", Source: odd, Body: `{"batch_id":"h","status":"COMPLETED","items":[{"item_id":"A","status":"SUCCESS"}`, Post: post, Poll: poll},
		{Name: "a list", Source: odd, Body: `[{"batch_id":"h","status":"COMPLETED","items":[{"item_id":"A","status":"SUCCESS"}]}]`, Post: post, Poll: poll, Says: "a list: "},
		{Name: "another object", Source: odd, Body: `{"ok":true}`, Post: post, Poll: poll, Says: "ok true"},
		{Name: "a message and no code", Source: odd, Body: `{"message":"Welcome"}`, Post: post, Poll: poll, Says: `message "Welcome"`},
		{Name: "two answers", Source: odd, Body: `{"batch_id":"h","status":"PROCESSING"}{"code":2}`, Post: post, Poll: poll},
	}
}
