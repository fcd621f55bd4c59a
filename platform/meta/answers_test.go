package meta_test

import (
	"strings"
	"testing"

	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/platform/meta"
	"github.com/catalog-courier/catalog-courier/platform/platformtest"
)

// TestAnswers gives the real client answers that were seen, are documented, or are
// odd in one member, and wants of each that no part takes the rest with it and that
// nothing is made a success that is none.
func TestAnswers(t *testing.T) {
	t.Parallel()
	rows := append(postedAnswers(), polledAnswers()...)
	rows = append(append(rows, refusedAnswers()...), answersOfGoodStatus()...)
	platformtest.Answers(t, rows, "PRODUCT_ITEM", setting.Values{"catalog_id": catalogID}, meta.New)
}

// Where the answers are from.
const (
	reference = "reference of items_batch"
	status    = "reference of check_batch_request_status"
	seen      = "answers that others have published"
	odd       = "no source: one member in another form"
)

var one = []string{"A"}

func postedAnswers() []platformtest.Answer {
	const no = `{"message":"no"}`
	return []platformtest.Answer{
		{Name: "a handle", Source: reference, Body: `{"handles":["h1"]}`, Post: "taken h1"},
		{Name: "a handle and nothing wrong", Source: reference, Body: `{"handles":["h1"],"validation_status":[]}`, Post: "taken h1"},
		{Name: "a handle and null", Source: odd, Body: `{"handles":["h1"],"validation_status":null}`, Post: "taken h1"},
		{Name: "a warning of an item", Source: reference, Body: `{"handles":["h1"],"validation_status":[{"retailer_id":"A","warnings":[{"message":"hm"}]}]}`, Post: "taken h1 A unknown warned", Says: "hm"},
		{Name: "a warning of nobody", Source: reference, Body: `{"handles":["h1"],"validation_status":[{"warnings":[{"message":"Unrecognised field: foo"}]}]}`, Post: "taken h1 noted", Says: "Unrecognised field: foo"},
		{Name: "a warning of the only item", Source: reference, Items: one, Body: `{"handles":["h1"],"validation_status":[{"warnings":[{"message":"Unrecognised field: foo"}]}]}`, Post: "taken h1 A unknown warned", Says: "Unrecognised field: foo"},
		{Name: "an error and a handle", Source: "magento/meta-for-magento2 #17", Body: `{"handles":["h1"],"validation_status":[{"retailer_id":"A","errors":[{"message":"Duplicate retailer_id in batch api call - A."}]}]}`, Post: "taken h1 A failed", Says: "Duplicate retailer_id"},
		{Name: "an error of nobody and a handle", Source: seen, Body: `{"handles":["h1"],"validation_status":[{"errors":[` + no + `]}]}`, Post: "taken h1 A unknown B unknown"},
		{Name: "an error of nobody and a named one", Source: odd, Body: `{"handles":["h1"],"validation_status":[{"errors":[` + no + `]},{"retailer_id":"B","errors":[` + no + `]}]}`, Post: "taken h1 A unknown B failed"},
		{Name: "rows that say nothing", Source: odd, Body: `{"handles":["h1"],"validation_status":[null,{},{"retailer_id":"A"},"",{"retailer_id":"B","errors":[],"warnings":null}]}`, Post: "taken h1"},
		{Name: "an id in id", Source: odd, Body: `{"handles":["h1"],"validation_status":[{"id":"B","errors":[` + no + `]}]}`, Post: "taken h1 B failed"},
		{Name: "a null retailer_id beside id", Source: odd, Body: `{"handles":["h1"],"validation_status":[{"retailer_id":null,"id":"B","errors":[` + no + `]}]}`, Post: "taken h1 B failed"},
		{Name: "an error as a string", Source: odd, Body: `{"handles":["h1"],"validation_status":[{"retailer_id":"A","errors":"bad price"}]}`, Post: "taken h1 A failed", Says: "bad price"},
		{Name: "an error as an object", Source: odd, Body: `{"handles":["h1"],"validation_status":[{"retailer_id":"A","errors":{"message":"bad price"}}]}`, Post: "taken h1 A failed", Says: "bad price"},
		{Name: "errors as strings", Source: odd, Body: `{"handles":["h1"],"validation_status":[{"retailer_id":"A","errors":["bad price",null]}]}`, Post: "taken h1 A failed", Says: "bad price"},
		{Name: "an error without a message", Source: odd, Body: `{"handles":["h1"],"validation_status":[{"retailer_id":"A","errors":[{"field":"price"}]}]}`, Post: "taken h1 A failed", Says: `{"field":"price"}`},
		{Name: "an error without a word", Source: odd, Body: `{"handles":["h1"],"validation_status":[{"retailer_id":"A","errors":[{}]}]}`, Post: "taken h1 A failed", Says: "Meta gives no reason"},
		{Name: "errors twice in a row", Source: odd, Body: `{"handles":["h1"],"validation_status":[{"retailer_id":"A","errors":[],"errors":["bad"]}]}`, Post: "taken h1 A failed"},
		{Name: "an object of rows", Source: odd, Body: `{"handles":["h1"],"validation_status":{"A":{"errors":[` + no + `]},"B":{"warnings":["hm"]}}}`, Post: "taken h1 A failed B unknown warned"},
		{Name: "an object of messages", Source: odd, Body: `{"handles":["h1"],"validation_status":{"A":["bad"],"B":"worse"}}`, Post: "taken h1 A failed B failed", Says: "worse"},
		{Name: "one row and no list", Source: odd, Body: `{"handles":["h1"],"validation_status":{"retailer_id":"A","errors":[` + no + `]}}`, Post: "taken h1 A failed"},
		{Name: "members of tomorrow", Source: odd, Body: `{"handles":["h1"],"validation_status":[{"retailer_id":"A","hints":[1]}],"took":{"ms":3}}`, Post: "taken h1"},
		{Name: "validation_status twice", Source: odd, Body: `{"handles":["h1"],"validation_status":[{"retailer_id":"A","errors":[` + no + `]}],"validation_status":[]}`, Post: "taken h1 A failed"},

		{Name: "one string of a handle", Source: odd, Body: `{"handles":"h1"}`, Post: "taken h1"},
		{Name: "a number of a handle", Source: odd, Body: `{"handles":1234567890123456789}`, Post: "taken 1234567890123456789"},
		{Name: "an object of a handle", Source: odd, Body: `{"handles":[{"handle":"h1"}]}`, Post: "taken h1"},
		{Name: "handle and not handles", Source: odd, Body: `{"handle":"h1"}`, Post: "taken h1"},
		{Name: "odd entries beside a handle", Source: odd, Body: `{"handles":[null,"", "  ",{},[],false,"h1","h1",true,7]}`, Post: "taken h1,7"},
		{Name: "two handles", Source: "older reference: one or more", Body: `{"handles":["h1","h2"]}`, Post: "taken h1,h2"},
		{Name: "handles twice", Source: odd, Body: `{"handles":[],"handles":["h1"]}`, Post: "taken h1"},

		{Name: "nothing ingested, named", Source: "facebookarchive/facebook-for-magento2 #86", Body: `{"validation_status":[{"retailer_id":"A","errors":[{"message":"The price information under A is invalid. Review for more details"}]},{"retailer_id":"B","errors":[{"message":"worse"}]}]}`, Post: "batch of records A failed B failed", Says: "The price information under A"},
		{Name: "nothing ingested, one named", Source: seen, Body: `{"validation_status":[{"retailer_id":"B","errors":[` + no + `]}]}`, Post: "batch of records B failed"},
		{Name: "nothing ingested, nobody named", Source: seen, Body: `{"validation_status":[{"errors":[{"message":"Can not find required field id"}]}]}`, Post: "batch of records", Says: "Can not find required field id"},
		{Name: "nothing ingested of one", Source: seen, Items: one, Body: `{"validation_status":[{"errors":[{"message":"Can not find required field id"}]}]}`, Post: "batch of records A failed", Says: "Can not find required field id"},
		{Name: "a blank id twice", Source: seen, Body: `{"validation_status":[{"errors":[{"message":"Duplicate retailer_id in batch api call - ."}]}]}`, Post: "batch of records"},
		{Name: "an empty list of handles", Source: reference, Body: `{"handles":[],"validation_status":[{"retailer_id":"A","errors":[` + no + `]}]}`, Post: "batch of records A failed"},
		{Name: "an empty list alone", Source: reference, Body: `{"handles":[]}`, Post: "batch", Says: "Meta took nothing"},
		{Name: "an empty list alone, of one", Source: reference, Items: one, Body: `{"handles":[],"hint":"none"}`, Post: "batch A retryable", Says: `hint "none"`},
		{Name: "null handles", Source: odd, Body: `{"handles":null,"validation_status":[{"retailer_id":"A","errors":[` + no + `]}]}`, Post: "batch of records A failed"},
		{Name: "blank handles", Source: odd, Body: `{"handles":[""," ",null],"validation_status":[{"retailer_id":"A","errors":[` + no + `]}]}`, Post: "batch of records A failed"},
		{Name: "a row and no list, no handles", Source: odd, Body: `{"validation_status":{"errors":[` + no + `]}}`, Post: "batch of records"},
		{Name: "a message and no handles", Source: odd, Body: `{"validation_status":"Can not find required field id"}`, Post: "batch of records", Says: "Can not find"},
		{Name: "only warnings and no handles", Source: odd, Body: `{"validation_status":[{"retailer_id":"A","warnings":[` + no + `]}]}`, Post: "batch", Says: "Meta took nothing"},
		{Name: "a handle that cannot be followed", Source: odd, Body: `{"handles":{"x":[1]},"validation_status":[{"retailer_id":"A","errors":[` + no + `]}]}`, Post: "platform ambiguous unclear", Says: `no handle that can be followed but handles {"x":[1]}`},
		{Name: "neither", Source: odd, Body: `{"validation_status":null,"id":"7"}`, Post: "platform ambiguous unclear", Says: `the answer has no handles but validation_status null, id "7"`},

		{Name: "an error beside a handle", Source: odd, Body: `{"handles":["h1"],"error":{"code":80014,"message":"too many"}}`, Post: "taken h1 noted", Says: "too many"},
		{Name: "a mark before", Source: odd, Body: "\ufeff \n{\"handles\":[\"h1\"]}", Post: "taken h1"},
		{Name: "text after", Source: odd, Body: "{\"handles\":[\"h1\"]}\n<!-- proxy 3 -->", Post: "taken h1"},
		{Name: "a number that JSON has not", Source: odd, Body: `{"took":NaN,"handles":["h1"]}`, Post: "taken h1"},
		{Name: "a list of answers", Source: odd, Body: `[{"handles":["h1"]}]`, Post: "platform ambiguous unclear", Says: `but a list: [{"handles":["h1"]}]`},
		{Name: "created", Source: "RFC 9110, 15.3.2", Status: 201, Body: `{"handles":["h1"]}`, Post: "taken h1"},
		{Name: "accepted", Source: "RFC 9110, 15.3.3", Status: 202, Body: `{"validation_status":[{"retailer_id":"A","errors":[` + no + `]}]}`, Post: "batch of records A failed"},
	}
}

func polledAnswers() []platformtest.Answer {
	const done = `{"handle":"h","status":"finished","errors":[],"errors_total_count":0,"warnings":[],"ids_of_invalid_requests":[]}`
	return []platformtest.Answer{
		{Name: "finished", Source: status, Body: `{"data":[` + done + `]}`, Poll: "finished A succeeded B succeeded"},
		{Name: "not known yet", Source: status, Body: `{"data":[]}`, Poll: "pending noted"},
		{Name: "started", Source: status, Body: `{"data":[{"handle":"h","status":"started"}]}`, Poll: "pending"},
		{Name: "in progress", Source: seen, Body: `{"data":[{"handle":"h","status":"in progress"}]}`, Poll: "pending"},
		{Name: "a word of tomorrow", Source: odd, Body: `{"data":[{"handle":"h","status":"reticulating"}]}`, Poll: "pending noted", Says: "reticulating"},
		{Name: "no status", Source: odd, Body: `{"data":[{"handle":"h","errors":[],"errors_total_count":0}]}`, Poll: "pending noted"},
		{Name: "two words", Source: odd, Body: `{"data":[{"handle":"h","status":"started","status":"finished","errors_total_count":0}]}`, Poll: "pending noted"},
		{Name: "beside data", Source: "reference: __www_request_id__", Body: `{"data":[` + done + `],"__www_request_id__":"x"}`, Poll: "finished A succeeded B succeeded"},
		{Name: "an error", Source: status, Body: `{"data":[{"handle":"h","status":"finished","errors":[{"line":0,"id":"A","message":"bad"}],"errors_total_count":1}]}`, Poll: "finished A failed B succeeded", Says: "bad"},
		{Name: "an error by retailer_id", Source: "seen in a client: e.retailer_id ?? e.id", Body: `{"data":[{"handle":"h","status":"finished","errors":[{"retailer_id":"A","message":"bad"}],"errors_total_count":1}]}`, Poll: "finished A failed B succeeded", Says: "bad"},
		{Name: "an error by two ids", Source: odd, Body: `{"data":[{"handle":"h","status":"finished","errors":[{"retailer_id":"A","id":"B","message":"bad"}],"errors_total_count":1}]}`, Poll: "finished incomplete"},
		{Name: "an error without a message", Source: odd, Body: `{"data":[{"handle":"h","status":"finished","errors":[{"id":"A"}],"errors_total_count":1}]}`, Poll: "finished A failed B succeeded", Says: "Meta gives no reason"},
		{Name: "a sample", Source: status, Body: `{"data":[{"handle":"h","status":"finished","errors":[{"id":"A","message":"bad"}],"errors_total_count":2}]}`, Poll: "finished incomplete A failed"},
		{Name: "errors and no ids", Source: "partner guide", Body: `{"data":[{"handle":"h","status":"finished","errors":[{"id":"A","message":"x"},{"id":"B","message":"y"}],"errors_total_count":2,"ids_of_invalid_requests":[]}]}`, Poll: "finished A failed B failed"},
		{Name: "one id many times", Source: status, Body: `{"data":[{"handle":"h","status":"finished","errors":[],"errors_total_count":3,"ids_of_invalid_requests":["A","A","A"]}]}`, Poll: "finished A failed B succeeded"},
		{Name: "an error of nobody", Source: odd, Body: `{"data":[{"handle":"h","status":"finished","errors":[{"message":"bad"}],"errors_total_count":1}]}`, Poll: "finished incomplete"},
		{Name: "an error of the only one", Source: odd, Items: one, Body: `{"data":[{"handle":"h","status":"finished","errors":["bad"],"errors_total_count":1}]}`, Poll: "finished A failed", Says: "bad"},
		{Name: "errors as a string", Source: odd, Body: `{"data":[{"handle":"h","status":"finished","errors":"bad","errors_total_count":0}]}`, Poll: "finished incomplete"},
		{Name: "errors as an object", Source: odd, Body: `{"data":[{"handle":"h","status":"finished","errors":{"id":"B","message":"bad"},"errors_total_count":1}]}`, Poll: "finished A succeeded B failed", Says: "bad"},
		{Name: "errors with null", Source: odd, Body: `{"data":[{"handle":"h","status":"finished","errors":[null],"errors_total_count":0}]}`, Poll: "finished incomplete"},
		{Name: "errors null", Source: odd, Body: `{"data":[{"handle":"h","status":"finished","errors":null,"errors_total_count":0,"ids_of_invalid_requests":null}]}`, Poll: "finished A succeeded B succeeded"},
		{Name: "ids as a string", Source: odd, Body: `{"data":[{"handle":"h","status":"finished","errors_total_count":1,"ids_of_invalid_requests":"B"}]}`, Poll: "finished A succeeded B failed"},
		{Name: "a count as a string", Source: odd, Body: `{"data":[{"handle":"h","status":"finished","errors":[],"errors_total_count":"0"}]}`, Poll: "finished A succeeded B succeeded"},
		{Name: "no count", Source: odd, Body: `{"data":[{"handle":"h","status":"finished","errors":[]}]}`, Poll: "finished incomplete"},
		{Name: "no count of the only one", Source: odd, Items: one, Body: `{"data":[{"handle":"h","status":"finished","errors":[]}]}`, Poll: "finished A unknown", Says: "errors_total_count is missing"},
		{Name: "an odd count of the only one", Source: odd, Items: one, Body: `{"data":[{"handle":"h","status":"finished","errors":[],"errors_total_count":"none"}]}`, Poll: "finished A unknown", Says: `errors_total_count is "none"`},
		{Name: "two counts", Source: odd, Body: `{"data":[{"handle":"h","status":"finished","errors":[],"errors_total_count":0,"errors_total_count":1}]}`, Poll: "finished incomplete"},
		{Name: "only warnings", Source: "sample of the reference", Body: `{"data":[{"handle":"h","status":"finished","errors":[],"errors_total_count":0,"warnings":[{"id":"B","message":"hm"}],"warnings_total_count":1}]}`, Poll: "finished A succeeded B succeeded warned", Says: "hm"},
		{Name: "warnings by retailer_id", Source: odd, Body: `{"data":[{"handle":"h","status":"finished","errors_total_count":0,"warnings":[{"retailer_id":"B","message":"hm"}]}]}`, Poll: "finished A succeeded B succeeded warned"},
		{Name: "warnings of nobody", Source: odd, Body: `{"data":[{"handle":"h","status":"finished","errors_total_count":0,"warnings":[{"message":"hm"}]}]}`, Poll: "finished A succeeded B succeeded noted", Says: "hm"},
		{Name: "a broken end", Source: "guide Get batch request status", Body: `{"data":[{"handle":"h","status":"error","errors":[{"id":"A","message":"bad"}],"errors_total_count":1}]}`, Poll: "finished A failed B unknown", Says: "Meta reports the batch as error"},
		{Name: "an element and no list", Source: odd, Body: `{"data":` + done + `}`, Poll: "finished A succeeded B succeeded"},
		{Name: "an element alone", Source: "seen in a client", Body: done, Poll: "finished A succeeded B succeeded"},
		{Name: "an element of nobody alone", Source: odd, Body: `{"status":"finished","errors":[],"errors_total_count":0}`, Poll: "platform unclear", Says: `the answer has no data but status "finished"`},
		{Name: "a list alone", Source: odd, Body: `[` + done + `]`, Poll: "finished A succeeded B succeeded"},
		{Name: "an element without its handle", Source: status, Body: `{"data":[{"status":"finished","errors":[],"errors_total_count":0}]}`, Poll: "finished A succeeded B succeeded"},
		{Name: "two elements without a handle", Source: odd, Body: `{"data":[{"status":"finished","errors_total_count":0},{"status":"started"}]}`, Poll: "platform unclear"},
		{Name: "another handle", Source: odd, Body: `{"data":[{"handle":"x","status":"finished","errors":[],"errors_total_count":0}]}`, Poll: "platform unclear", Says: "another handle"},
		{Name: "another handle before ours", Source: odd, Body: `{"data":[{"handle":"x","status":"finished","errors":[{"id":"A"}],"errors_total_count":1},` + done + `]}`, Poll: "finished A succeeded B succeeded"},
		{Name: "another handle and one without", Source: odd, Body: `{"data":[{"handle":"x","status":"started"},{"status":"finished","errors":[],"errors_total_count":0}]}`, Poll: "platform unclear"},
		{Name: "ours twice", Source: odd, Body: `{"data":[` + done + `,` + done + `]}`, Poll: "finished A succeeded B succeeded"},
		{Name: "ours twice with an error", Source: odd, Body: `{"data":[` + done + `,{"handle":"h","status":"finished","errors":[{"id":"A","message":"bad"}],"errors_total_count":1}]}`, Poll: "finished incomplete A failed"},
		{Name: "ours twice, once finished", Source: odd, Body: `{"data":[` + done + `,{"handle":"h","status":"started"}]}`, Poll: "pending noted"},
		{Name: "no data", Source: odd, Body: `{"took":1}`, Poll: "platform unclear", Says: "no data but took 1"},
		{Name: "null data", Source: odd, Body: `{"data":null}`, Poll: "platform unclear", Says: "no data but data null"},
		{Name: "data of words", Source: odd, Body: `{"data":["finished"]}`, Poll: "platform unclear", Says: `data ["finished"]`},
		{Name: "an error beside a status", Source: odd, Body: `{"data":[` + done + `],"error":{"code":80009,"message":"too many"}}`, Poll: "finished A succeeded B succeeded noted", Says: "too many"},
		{Name: "an error and empty data", Source: odd, Body: `{"data":[],"error":{"code":190,"message":"expired"}}`, Poll: "account token"},
		{Name: "a deep id", Source: odd, Body: `{"data":[{"handle":"h","status":"finished","errors":[{"id":"{\"a\":` + strings.Repeat("[", 12<<20) + `","message":"bad"}],"errors_total_count":1}]}`, Poll: "finished incomplete"},
		{Name: "a deep header", Source: odd, Header: map[string]string{"X-Business-Use-Case-Usage": strings.Repeat("[", 9<<20), "X-App-Usage": "{"}, Body: `{"data":[]}`, Poll: "pending noted"},
		{Name: "a marked status", Source: odd, Body: "\ufeff{\"data\":[" + done + "]} --", Poll: "finished A succeeded B succeeded"},
	}
}
