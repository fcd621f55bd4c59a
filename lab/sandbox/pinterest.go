package sandbox

import (
	"encoding/hex"
	"hash/maphash"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
	"github.com/catalog-courier/catalog-courier/internal/setting"
)

// Pinterest simulates the catalogs items batch of Pinterest's API v5. It answers
// under any base path, such as /v5.
type Pinterest struct {
	*core
	types map[catalog.Type]*pinterestType
}

// NewPinterest makes an empty Pinterest. Close it when done.
func NewPinterest(options Options) *Pinterest {
	types := pinterestTypes()
	return &Pinterest{types: types, core: newCore(options, dialect{meaningOf: func(key tableKey) meaning {
		return pinterestMeaning(options, types[key.itemType])
	}})}
}

// PinterestCatalog names a catalog for Items and Apply. catalogID may be "".
func PinterestCatalog(country, language, catalogID string) string {
	return country + "/" + language + "/" + catalogID
}

// BasePath implements Platform.
func (*Pinterest) BasePath() string { return "/v5" }

// CatalogKey implements Platform.
func (*Pinterest) CatalogKey(keys setting.Values) string {
	return PinterestCatalog(keys.Text("country"), keys.Text("language"), keys.Text("catalog_id"))
}

func pinterestMeaning(options Options, known *pinterestType) meaning {
	if known == nil {
		known = &pinterestType{}
	}
	rules := meaning{
		upsertReplaces: true, existing: options.Existing,
		missing: func(_, attribute string) issue {
			return issue{attribute: attribute, code: codeMissing, message: strings.ToUpper(attribute[:1]) + attribute[1:] + " is missing from product metadata."}
		},
		absent:  func(string) issue { return issue{code: codeNoItem, message: "The item does not exist."} },
		taken:   func(string) issue { return issue{code: codeExists, message: "The item exists already."} },
		emptied: func(string) bool { return false },
		keys:    []string{known.idField, "id"},
	}
	if !options.SkipValidation && !options.AllowIncomplete {
		rules.required = known.required
	}
	return rules
}

// Item error codes. Only 106 is documented; the others are this sandbox's own.
const (
	codeMissing = 106
	codeNoItem  = 190
	codeExists  = 191
	codeInvalid = 192

	codeFeedOwned = 193
)

const feedText = "The operation is restricted to users without a feed data source."

// ServeHTTP implements http.Handler.
func (p *Pinterest) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const batchPath = "/catalogs/items/batch"
	_, rest, found := strings.Cut(r.URL.Path, batchPath)
	handle := strings.TrimPrefix(rest, "/")
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/":
		send(w, answer{status: http.StatusOK, body: p.state()})
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/oauth/token") && p.options.OAuth.ClientID != "":
		p.authorize(w, r)
	case found && rest == "" && r.Method == http.MethodPost:
		p.serve(w, r, pinterestFace{p}, &exchange{call: Submit})
	case found && handle != "" && r.Method == http.MethodGet:
		p.serve(w, r, pinterestFace{p}, &exchange{call: Poll, handle: handle})
	case found:
		send(w, pinterestError(http.StatusMethodNotAllowed, 5, "Method not allowed."))
	default:
		send(w, pinterestError(http.StatusNotFound, 0, "No such endpoint."))
	}
}

// pinterestFace answers as Pinterest does.
type pinterestFace struct{ *Pinterest }

func pinterestError(status, code int, message string) answer {
	text := strconv.AppendInt([]byte(`{"code":`), int64(code), 10)
	text = rawjson.AppendString(append(text, `,"message":`...), message)
	return answer{status: status, body: append(text, '}')}
}

func (f pinterestFace) unauthorized() answer {
	return pinterestError(http.StatusUnauthorized, 2, "Authentication failed.")
}

const rateLimitText = "This request exceeded a rate limit. This can happen if the client exceeds one of the published " +
	"rate limits or if multiple write operations are applied to an object within a short time window."

func (f pinterestFace) limited(call CallKind, used usage) answer {
	said := pinterestError(http.StatusTooManyRequests, 8, rateLimitText)
	said.header = make(map[string]string)
	f.told(said.header, call, used)
	said.header["x-envoy-ratelimited"] = "true"
	return said
}

// told writes "x-ratelimit-limit: 100, 100;w=1" and its fellows.
func (f pinterestFace) told(header map[string]string, _ CallKind, used usage) {
	if used.limit.Calls == 0 || header["x-ratelimit-limit"] != "" {
		return
	}
	calls := strconv.Itoa(used.limit.Calls)
	header["x-ratelimit-limit"] = calls + ", " + calls + ";w=" + seconds(used.limit.Window)
	header["x-ratelimit-remaining"] = strconv.Itoa(max(used.remaining, 0))
	header["x-ratelimit-reset"] = seconds(used.reset)
}

func (f pinterestFace) refusal(call CallKind, fault Fault, credentials string) (answer, bool) {
	switch fault.Kind {
	case RateLimited, AppRateLimited:
		window := max(fault.Duration, time.Second)
		return f.limited(call, usage{limit: RateLimit{Calls: 100, Window: window}, remaining: -1, reset: window}), true
	case RateLimitedSilent:
		return pinterestError(http.StatusTooManyRequests, 8, rateLimitText), true
	case SpamBlocked:
		return pinterestError(http.StatusTooManyRequests, 9, "Your account was blocked for spam."), true
	case ServerError:
		return pinterestError(http.StatusServiceUnavailable, 0, "Something went wrong on our end."), true
	case TokenRevoked:
		return f.unauthorized(), true
	case Forbidden:
		return pinterestError(http.StatusForbidden, 2625, "Sorry, you cannot perform this action as your account has been disapproved."), true
	case EchoToken:
		return pinterestError(http.StatusBadRequest, 1, "Invalid request with Authorization: "+credentials), true
	case ErrorIn200:
		return pinterestError(http.StatusOK, 8, rateLimitText), true
	case HTMLError:
		return answer{status: http.StatusBadGateway, body: []byte(page), header: map[string]string{"Content-Type": "text/html"}}, true
	case RefuseBatch:
		return pinterestError(http.StatusBadRequest, 1, "Invalid request: the batch is not valid"), true
	case TooLarge:
		return pinterestError(http.StatusRequestEntityTooLarge, 0, "Request entity too large"), true
	case LostHandle:
		return noSuchBatch(), true
	default:
		return answer{}, false
	}
}

func noSuchBatch() answer {
	return pinterestError(http.StatusNotFound, 4331, "Sorry! We could not find your batch ID.")
}

func (f pinterestFace) work(request *exchange, fault Fault) answer {
	if request.call == Poll {
		return f.poll(request.handle, fault.Kind)
	}
	return f.submit(request, fault.Kind)
}

func (f pinterestFace) submit(request *exchange, fault FaultKind) answer {
	body := request.body
	accepted, wrong := f.readPinterest(body)
	switch {
	case wrong != "":
		return pinterestError(http.StatusBadRequest, 1, "Invalid request: "+wrong)
	case f.refusedByFeed(accepted):
		return pinterestError(http.StatusForbidden, 0, feedText)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	accepted.skipped = f.repeats(body)
	accepted.handle = f.newHandle()
	request.handle = accepted.handle
	f.accept(accepted, len(body), fault)
	return answer{status: http.StatusOK, body: f.appendBatch(nil, accepted, fault)}
}

// repeats reports whether the body was seen within SkipRepeats.
func (p *Pinterest) repeats(body []byte) bool {
	if p.options.SkipRepeats <= 0 {
		return false
	}
	now := time.Now()
	digest := maphash.Bytes(p.hash.seed, body)
	before, seen := p.recent[digest]
	p.recent[digest] = now
	for old, when := range p.recent {
		if now.Sub(when) > p.options.SkipRepeats {
			delete(p.recent, old)
		}
	}
	return seen && now.Sub(before) <= p.options.SkipRepeats
}

// newHandle is a batch id in Pinterest's documented form.
func (p *Pinterest) newHandle() string {
	var random [16]byte
	for i := range random {
		random[i] = byte(p.random.Uint32() & math.MaxUint8)
	}
	return "595953100599279259-" + hex.EncodeToString(random[:])
}

func (f pinterestFace) poll(handle string, fault FaultKind) answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := f.batches[handle]
	if found == nil {
		return noSuchBatch()
	}
	return answer{status: http.StatusOK, body: f.appendBatch(nil, found, fault)}
}

// timeForm is how Pinterest writes times: UTC without saying so.
const timeForm = "2006-01-02T15:04:05"

// appendBatch writes CatalogsItemsBatch. The caller holds the lock.
func (f pinterestFace) appendBatch(dst []byte, b *batch, fault FaultKind) []byte {
	status := "PROCESSING"
	switch {
	case fault == UnknownStatus:
		status = "QUEUED_FOR_REVIEW"
	case b.done && b.failed:
		status = "FAILED"
	case b.done:
		status = "COMPLETED"
	}
	handle := b.handle
	if fault == OtherBatch {
		handle = "595953100599279259-00000000000000000000000000000000"
	}
	if fault == OddForm { // with a mark before and text after, and null for empty lists
		dst = append(dst, "\ufeff\n"...)
	}
	dst = rawjson.AppendString(append(dst, `{"catalog_type":`...), string(b.key.itemType))
	dst = rawjson.AppendString(append(dst, `,"batch_id":`...), handle)
	dst = append(dst, `,"created_time":`...)
	if b.skipped {
		dst = append(dst, `null`...)
	} else {
		dst = rawjson.AppendString(dst, b.created.UTC().Format(timeForm))
	}
	dst = append(dst, `,"completed_time":`...)
	if b.done {
		dst = rawjson.AppendString(dst, b.finished.UTC().Format(timeForm))
	} else {
		dst = append(dst, `null`...)
	}
	dst = rawjson.AppendString(append(dst, `,"status":`...), status)
	dst = append(dst, `,"items":[`...)
	if b.done {
		dst = f.appendResults(dst, b, fault)
	}
	if fault == OddForm {
		if dst[len(dst)-1] != '[' {
			dst = append(dst, ',')
		}
		return append(dst, `null,{}],"created_time":NaN}`+"\n<!-- 12 ms -->"...)
	}
	return append(dst, "]}"...)
}

func (f pinterestFace) appendResults(dst []byte, b *batch, fault FaultKind) []byte {
	if fault == OmitAll {
		return dst
	}
	for i := range b.results {
		done := &b.results[i]
		if done.omitted || (fault == OmitFirst && i == 0) {
			continue
		}
		times := 1
		if fault == DuplicateIDs && i == 0 {
			times = 2
		}
		for range times {
			dst = f.appendResult(dst, b, done, fault)
		}
	}
	return dst
}

func (f pinterestFace) appendResult(dst []byte, b *batch, done *result, fault FaultKind) []byte {
	if dst[len(dst)-1] != '[' {
		dst = append(dst, ',')
	}
	id, status := done.id, "SUCCESS"
	if fault == WrongIDs {
		id = "other-" + id
	}
	if len(done.errors) > 0 || b.failed {
		status = "FAILURE"
	}
	dst = append(append(append(dst, `{"`...), f.types[b.key.itemType].idField...), `":`...)
	dst = rawjson.AppendString(dst, id)
	dst = append(append(append(dst, `,"status":"`...), status...), `","errors":`...)
	dst = appendEvents(dst, done.errors, fault)
	dst = appendEvents(append(dst, `,"warnings":`...), done.warnings, fault)
	return append(dst, '}')
}

// appendEvents writes a list of ItemValidationEvent, or what OddForm has in its place.
func appendEvents(dst []byte, issues []issue, fault FaultKind) []byte {
	switch {
	case fault == OddForm && len(issues) == 0:
		return append(dst, "null"...)
	case fault == OddForm:
		return rawjson.AppendString(dst, issues[0].message)
	}
	dst = append(dst, '[')
	for i, event := range issues {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = rawjson.AppendString(append(dst, `{"attribute":`...), event.attribute)
		dst = strconv.AppendInt(append(dst, `,"code":`...), int64(event.code), 10)
		dst = rawjson.AppendString(append(dst, `,"message":`...), event.message)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}
