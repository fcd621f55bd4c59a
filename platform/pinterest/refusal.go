package pinterest

import (
	"net/http"
	"time"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

// refusal is the error of an answer that is not 2xx. lost says, of a poll, that
// Pinterest does not know the batch.
func refusal(answer *rest.Answer, call rest.Call, names scopes) (refused *platform.Error, lost bool) {
	said := saidBy(answer.Body)
	row := failureOf(call.Method, answer.Status, said)
	refused = answer.Refusal(call, []rest.Rule{row.alone()}, said)
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

// saidBy reads the schema Error: code and message; message_detail is seen beside
// them. All is zero in a body that is none.
func saidBy(body []byte) (said rest.Said) {
	if !gjson.ValidBytes(body) {
		return said
	}
	parsed := gjson.ParseBytes(body)
	if !parsed.IsObject() {
		return said
	}
	said.Code = int(parsed.Get("code").Int())
	said.Message = parsed.Get("message").String()
	if detail := parsed.Get("message_detail").String(); detail != "" {
		said.Message += " (" + detail + ")"
	}
	return said
}

func isGood(answer *rest.Answer) bool {
	return answer.Status >= http.StatusOK && answer.Status < http.StatusMultipleChoices
}
