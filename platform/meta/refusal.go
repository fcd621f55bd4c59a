package meta

import (
	"time"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

// refusal is the error of an answer that is not 2xx, or that has an error all the
// same; own is the quota scope of the call. lost says, of a poll, that Meta does not
// know the handle.
func (e *endpoint) refusal(answer *rest.Answer, call rest.Call, said said, own string) (refused *platform.Error, lost bool) {
	row := failureOf(call.Method, answer.Status, said)
	refused = answer.Refusal(call, []rest.Rule{row.alone()}, said.Said)
	now := time.Now()
	refused.Quotas = quotas(answer.Header, e.scopes, own, now)
	refused.RetryAfter = rest.RetryAfter(answer.Header, now)
	if row.Scope == platform.ScopeQuota {
		refused.BlockedScope = e.scopes.of(row.blocks, own)
		refused.Quotas, refused.RetryAfter = e.scopes.usedUp(refused.Quotas, refused.BlockedScope, refused.RetryAfter)
	}
	return refused, row.lost
}

// of is the scope whose quota is used up; own is that of the call.
func (s scopes) of(which blocked, own string) string {
	switch which {
	case batchQuota:
		return s.batch
	case managementQuota:
		return s.management
	case appQuota:
		return s.app
	default:
		return own
	}
}

// said is what Meta's error object says.
type said struct {
	rest.Said

	isError   bool   // the answer has one
	kind      string // "type"
	transient bool
}

// saidBy reads {"error":{…}}. Other bodies say nothing.
func saidBy(body []byte) said {
	value, _ := rest.Parse(body)
	return saidIn(value)
}

// saidIn reads the member error of an answer: an object, or a text in its place.
func saidIn(answer gjson.Result) (found said) {
	if !answer.IsObject() {
		return said{}
	}
	object := answer.Get("error")
	if !rest.Says(object) {
		return said{}
	}
	found.isError = true
	if !object.IsObject() {
		found.Message = rest.Words(object)
		if more := answer.Get("error_description").String(); more != "" {
			found.Message += " (" + more + ")"
		}
		return found
	}
	found.Code, found.Subcode = int(object.Get("code").Int()), int(object.Get("error_subcode").Int())
	found.kind, found.transient = object.Get("type").String(), object.Get("is_transient").Bool()
	found.Message = object.Get("message").String()
	if more := object.Get("error_user_msg").String(); more != "" && more != found.Message {
		found.Message += " (" + more + ")"
	}
	if found.Message == "" {
		found.Message = object.Raw
	}
	return found
}
