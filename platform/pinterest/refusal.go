package pinterest

import (
	"net/http"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

// refusal is the error of an answer that is not 2xx, or that has an error all the
// same. lost says, of a poll, that Pinterest does not know the batch.
func refusal(answer *rest.Answer, call rest.Call, said said, names scopes) (refused *platform.Error, lost bool) {
	row := failureOf(call.Method, call.URL, answer.Status, said)
	refused = answer.Refusal(call, []rest.Rule{row.alone()}, said.Said)
	now := time.Now()
	refused.Quotas = quotas(answer, names, now)
	refused.RetryAfter = rest.RetryAfter(answer.Header, now)
	if row.Scope != platform.ScopeQuota {
		return refused, row.lost
	}
	refused.Quotas = blocked(refused.Quotas, names, refused.RetryAfter)
	binding := refused.Quotas[len(refused.Quotas)-1]
	refused.BlockedScope = binding.Scope
	if refused.RetryAfter == 0 {
		refused.RetryAfter = binding.Block
	}
	return refused, false
}

// said is what Pinterest's error says.
type said struct {
	rest.Said

	isError bool   // the answer has one
	reason  string // the message without what it repeats of the request, in lower case
}

// saidIn reads the schema Error: code and message; message_detail is seen beside
// them, and so is an object error. All is zero in a body that is none.
func saidIn(answer gjson.Result) (found said) {
	if !answer.IsObject() {
		return said{}
	}
	found.Code = int(answer.Get("code").Int())
	found.Message = answer.Get("message").String()
	if detail := answer.Get("message_detail").String(); detail != "" {
		found.Message += " (" + detail + ")"
	}
	object := answer.Get("error")
	if found.Code == 0 && object.IsObject() {
		found.Code = int(object.Get("code").Int())
	}
	if found.Message == "" && rest.Says(object) {
		found.Message = rest.Words(object)
	}
	found.isError = found.Code != 0 || rest.Says(object)
	found.Message, found.reason = withoutRequest(found.Message)
	return found
}

// withoutRequest takes from a message the request that it repeats: in the OpenAPI
// file's example, Invalid request: {…} ('…' is not of type array), the reason comes
// last, behind up to a thousand items.
func withoutRequest(message string) (short, reason string) {
	begin := strings.Index(message, ": {")
	end := strings.LastIndex(message, "} (")
	if begin < 0 || end < begin {
		return message, strings.ToLower(message)
	}
	reason = message[end+len("} "):]
	return message[:begin] + ": {…} " + reason, strings.ToLower(reason)
}

func isGood(answer *rest.Answer) bool {
	return answer.Status >= http.StatusOK && answer.Status < http.StatusMultipleChoices
}
