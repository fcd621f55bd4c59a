package pinterestsim

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
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

// Platform simulates the catalogs items batch of Pinterest's API v5. It answers
// under any base path, such as /v5.
type Platform struct {
	*sandbox.Core
	types map[catalog.Type]*pinterestType
}

// New makes an empty Pinterest. Close it when done.
func New(options sandbox.Options) *Platform {
	types := pinterestTypes()
	return &Platform{types: types, Core: sandbox.NewCore(options, sandbox.Dialect{
		MeaningOf: func(key sandbox.TableKey) sandbox.Meaning { return pinterestMeaning(options, types[key.ItemType]) },
		Rejects: func(string) sandbox.Issue { // the one sample of the OpenAPI file
			return sandbox.Issue{Attribute: "title", Code: codeMissing, Message: "Title is missing from product metadata."}
		},
		Warns: func(string) sandbox.Issue {
			return sandbox.Issue{Attribute: "additional_image_link", Code: codeWarned, Message: "An additional image could not be downloaded."}
		},
	})}
}

// Catalog names a catalog for Items and Apply. catalogID may be "".
func Catalog(country, language, catalogID string) string {
	return country + "/" + language + "/" + catalogID
}

// BasePath implements Platform.
func (*Platform) BasePath() string { return "/v5" }

// CatalogKey implements Platform.
func (*Platform) CatalogKey(keys setting.Values) string {
	return Catalog(keys.Text("country"), keys.Text("language"), keys.Text("catalog_id"))
}

func pinterestMeaning(options sandbox.Options, known *pinterestType) sandbox.Meaning {
	if known == nil {
		known = &pinterestType{}
	}
	rules := sandbox.Meaning{
		UpsertReplaces: true, Existing: options.Existing,
		Missing: func(_, attribute string) sandbox.Issue {
			return sandbox.Issue{Attribute: attribute, Code: codeMissing, Message: strings.ToUpper(attribute[:1]) + attribute[1:] + " is missing from product metadata."}
		},
		Absent: func(string) sandbox.Issue {
			return sandbox.Issue{Code: codeNoItem, Message: "The item does not exist."}
		},
		Taken: func(string) sandbox.Issue {
			return sandbox.Issue{Code: codeExists, Message: "The item exists already."}
		},
		Emptied: func(string) bool { return false },
		Keys:    append([]string{"id"}, known.keys...),
	}
	if !options.SkipValidation && !options.AllowIncomplete {
		rules.Required = known.required
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
	codeWarned    = 194
)

const feedText = "The operation is restricted to users without a feed data source."

// ServeHTTP implements http.Handler.
func (p *Platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const batchPath = "/catalogs/items/batch"
	_, rest, found := strings.Cut(r.URL.Path, batchPath)
	handle := strings.TrimPrefix(rest, "/")
	if catalogID, local, ok := localPath(r.URL.Path); ok {
		p.serveLocal(w, r, catalogID, local)
		return
	}
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/":
		sandbox.Respond(w, sandbox.Response{Status: http.StatusOK, Body: p.State()})
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/oauth/token") && p.Options.OAuth.ClientID != "":
		p.authorize(w, r)
	case strings.HasSuffix(r.URL.Path, "/catalogs") && r.Method == http.MethodGet:
		p.Serve(w, r, pinterestFace{p}, &sandbox.Request{Call: sandbox.Look})
	case found && rest == "" && r.Method == http.MethodPost:
		p.Serve(w, r, pinterestFace{p}, &sandbox.Request{Call: sandbox.Submit})
	case found && handle != "" && r.Method == http.MethodGet:
		p.Serve(w, r, pinterestFace{p}, &sandbox.Request{Call: sandbox.Poll, Handle: handle})
	case found:
		sandbox.Respond(w, pinterestError(http.StatusMethodNotAllowed, 5, "Method not allowed."))
	default:
		sandbox.Respond(w, pinterestError(http.StatusNotFound, 0, "No such endpoint."))
	}
}

// pinterestFace answers as Pinterest does.
type pinterestFace struct{ *Platform }

func pinterestError(status, code int, message string) sandbox.Response {
	text := strconv.AppendInt([]byte(`{"code":`), int64(code), 10)
	text = rawjson.AppendString(append(text, `,"message":`...), message)
	return sandbox.Response{Status: status, Body: append(text, '}')}
}

func (f pinterestFace) Unauthorized() sandbox.Response {
	return pinterestError(http.StatusUnauthorized, 2, "Authentication failed.")
}

const rateLimitText = "This request exceeded a rate limit. This can happen if the client exceeds one of the published " +
	"rate limits or if multiple write operations are applied to an object within a short time window."

func (f pinterestFace) Limited(call sandbox.CallKind, used sandbox.Usage) sandbox.Response {
	said := pinterestError(http.StatusTooManyRequests, 8, rateLimitText)
	said.Header = make(map[string]string)
	f.Told(said.Header, call, used)
	said.Header["x-envoy-ratelimited"] = "true"
	return said
}

// told writes "x-ratelimit-limit: 100, 100;w=1" and its fellows.
func (f pinterestFace) Told(header map[string]string, _ sandbox.CallKind, used sandbox.Usage) {
	if used.Limit.Calls == 0 || header["x-ratelimit-limit"] != "" {
		return
	}
	calls := strconv.Itoa(used.Limit.Calls)
	header["x-ratelimit-limit"] = calls + ", " + calls + ";w=" + sandbox.Seconds(used.Limit.Window)
	header["x-ratelimit-remaining"] = strconv.Itoa(max(used.Remaining, 0))
	header["x-ratelimit-reset"] = sandbox.Seconds(used.Reset)
}

func (f pinterestFace) Refusal(call sandbox.CallKind, fault sandbox.Fault, credentials string) (sandbox.Response, bool) {
	switch fault.Kind {
	case sandbox.RateLimited, sandbox.AppRateLimited:
		window := max(fault.Duration, time.Second)
		return f.Limited(call, sandbox.Usage{Limit: sandbox.RateLimit{Calls: 100, Window: window}, Remaining: -1, Reset: window}), true
	case sandbox.RateLimitedSilent:
		return pinterestError(http.StatusTooManyRequests, 8, rateLimitText), true
	case sandbox.SpamBlocked:
		return pinterestError(http.StatusTooManyRequests, 9, "Your account was blocked for spam."), true
	case sandbox.ServerError:
		return pinterestError(http.StatusServiceUnavailable, 0, "Something went wrong on our end."), true
	case sandbox.TokenRevoked:
		return f.Unauthorized(), true
	case sandbox.Forbidden:
		return pinterestError(http.StatusForbidden, 2625, "Sorry, you cannot perform this action as your account has been disapproved."), true
	case sandbox.EchoToken:
		return pinterestError(http.StatusBadRequest, 1, "Invalid request with Authorization: "+credentials), true
	case sandbox.ErrorIn200:
		return pinterestError(http.StatusOK, 8, rateLimitText), true
	case sandbox.HTMLError:
		return sandbox.Response{Status: http.StatusBadGateway, Body: []byte(sandbox.MaintenancePage), Header: map[string]string{"Content-Type": "text/html"}}, true
	case sandbox.RefuseBatch:
		return pinterestError(http.StatusBadRequest, 1, "Invalid request: the batch is not valid"), true
	case sandbox.TooLarge:
		return pinterestError(http.StatusRequestEntityTooLarge, 0, "Request entity too large"), true
	case sandbox.LostHandle:
		return noSuchBatch(), true
	default:
		return sandbox.Response{}, false
	}
}

func noSuchBatch() sandbox.Response {
	return pinterestError(http.StatusNotFound, 4331, "Sorry! We could not find your batch ID.")
}

func (f pinterestFace) Work(request *sandbox.Request, fault sandbox.Fault) sandbox.Response {
	switch request.Call {
	case sandbox.Poll:
		return f.poll(request.Handle, fault.Kind)
	case sandbox.Look:
		return f.look()
	default:
		return f.submit(request, fault.Kind)
	}
}

func (f pinterestFace) submit(request *sandbox.Request, fault sandbox.FaultKind) sandbox.Response {
	body := request.Body
	accepted, wrong := f.readPinterest(body)
	switch {
	case wrong != "":
		return pinterestError(http.StatusBadRequest, 1, "Invalid request: "+wrong)
	case f.refusedByFeed(accepted):
		return pinterestError(http.StatusForbidden, 0, feedText)
	}
	fault, refused := f.magic(request, accepted, fault)
	if refused.Status != 0 {
		return refused
	}
	f.Mu.Lock()
	defer f.Mu.Unlock()
	accepted.Skipped = f.repeats(body)
	accepted.Handle = f.newHandle()
	request.Handle = accepted.Handle
	f.Accept(accepted, len(body), fault)
	return sandbox.Response{Status: http.StatusOK, Body: f.batchOf(accepted, fault)}
}

// magic lets the ids of a batch have their effect on the POST, unless it has a fault
// already: refused, unless zero, is the answer.
func (f pinterestFace) magic(request *sandbox.Request, b *sandbox.Batch, fault sandbox.FaultKind) (then sandbox.FaultKind, refused sandbox.Response) {
	if fault != "" {
		return fault, sandbox.Response{}
	}
	request.Magic = f.Magic(b)
	refused, _ = f.Refusal(request.Call, request.Magic, "")
	return request.Magic.Kind, refused
}

// repeats reports whether the body was seen within SkipRepeats.
func (p *Platform) repeats(body []byte) bool {
	if p.Options.SkipRepeats <= 0 {
		return false
	}
	now := time.Now()
	digest := maphash.Bytes(p.Hash.Seed, body)
	before, seen := p.Recent[digest]
	p.Recent[digest] = now
	for old, when := range p.Recent {
		if now.Sub(when) > p.Options.SkipRepeats {
			delete(p.Recent, old)
		}
	}
	return seen && now.Sub(before) <= p.Options.SkipRepeats
}

// newHandle is a batch id in Pinterest's documented form.
func (p *Platform) newHandle() string {
	var random [16]byte
	for i := range random {
		random[i] = byte(p.Random.Uint32() & math.MaxUint8)
	}
	return "595953100599279259-" + hex.EncodeToString(random[:])
}

func (f pinterestFace) poll(handle string, fault sandbox.FaultKind) sandbox.Response {
	f.Mu.Lock()
	defer f.Mu.Unlock()
	found := f.Batches[handle]
	if found == nil {
		return noSuchBatch()
	}
	return sandbox.Response{Status: http.StatusOK, Body: f.batchOf(found, fault)}
}

// timeForm is how Pinterest writes times: UTC without saying so.
const timeForm = "2006-01-02T15:04:05"

// batchOf writes CatalogsItemsBatch. The caller holds the lock.
func (f pinterestFace) batchOf(b *sandbox.Batch, fault sandbox.FaultKind) []byte {
	var dst []byte
	status := "PROCESSING"
	switch {
	case fault == sandbox.UnknownStatus:
		status = "QUEUED_FOR_REVIEW"
	case b.Ended() && b.Failed:
		status = "FAILED"
	case b.Ended():
		status = "COMPLETED"
	}
	handle := b.Handle
	if fault == sandbox.OtherBatch {
		handle = "595953100599279259-00000000000000000000000000000000"
	}
	if fault == sandbox.OddForm { // with a mark before and text after, and null for empty lists
		dst = append(dst, "\ufeff\n"...)
	}
	dst = append(dst, '{')
	results := "operation_results"
	if b.Key.ItemType != localInventory {
		dst = append(rawjson.AppendString(append(dst, `"catalog_type":`...), string(b.Key.ItemType)), ',')
		results = "items"
	}
	dst = rawjson.AppendString(append(dst, `"batch_id":`...), handle)
	dst = append(dst, `,"created_time":`...)
	if b.Skipped {
		dst = append(dst, `null`...)
	} else {
		dst = rawjson.AppendString(dst, b.Created.UTC().Format(timeForm))
	}
	dst = append(dst, `,"completed_time":`...)
	if b.Ended() {
		dst = rawjson.AppendString(dst, b.Finished.UTC().Format(timeForm))
	} else {
		dst = append(dst, `null`...)
	}
	dst = rawjson.AppendString(append(dst, `,"status":`...), status)
	dst = append(append(append(dst, `,"`...), results...), `":[`...)
	if b.Ended() {
		dst = f.appendResults(dst, b, fault)
	}
	if fault == sandbox.OddForm {
		if dst[len(dst)-1] != '[' {
			dst = append(dst, ',')
		}
		return append(dst, `null,{}],"created_time":NaN}`+"\n<!-- 12 ms -->"...)
	}
	return append(dst, "]}"...)
}

func (f pinterestFace) appendResults(dst []byte, b *sandbox.Batch, fault sandbox.FaultKind) []byte {
	if fault == sandbox.OmitAll {
		return dst
	}
	for i := range b.Results {
		done := &b.Results[i]
		if done.Omitted || (fault == sandbox.OmitFirst && i == 0) {
			continue
		}
		times := 1
		if fault == sandbox.DuplicateIDs && i == 0 {
			times = 2
		}
		for range times {
			dst = f.appendResult(dst, b, done, fault)
		}
	}
	return dst
}

func (f pinterestFace) appendResult(dst []byte, b *sandbox.Batch, done *sandbox.Result, fault sandbox.FaultKind) []byte {
	if dst[len(dst)-1] != '[' {
		dst = append(dst, ',')
	}
	id, status := done.ID, "SUCCESS"
	if fault == sandbox.WrongIDs {
		id = "other-" + id
	}
	if len(done.Errors) > 0 || b.Failed {
		status = "FAILURE"
	}
	if b.Key.ItemType == localInventory {
		dst = appendLocalKeys(dst, id)
	} else {
		dst = append(append(append(dst, `{"`...), f.types[b.Key.ItemType].keys[0]...), `":`...)
		dst = rawjson.AppendString(dst, id)
	}
	dst = append(append(append(dst, `,"status":"`...), status...), `","errors":`...)
	dst = appendEvents(dst, done.Errors, fault)
	dst = appendEvents(append(dst, `,"warnings":`...), done.Warnings, fault)
	return append(dst, '}')
}

// appendEvents writes a list of ItemValidationEvent, or what OddForm has in its place.
func appendEvents(dst []byte, issues []sandbox.Issue, fault sandbox.FaultKind) []byte {
	switch {
	case fault == sandbox.OddForm && len(issues) == 0:
		return append(dst, "null"...)
	case fault == sandbox.OddForm:
		return rawjson.AppendString(dst, issues[0].Message)
	}
	dst = append(dst, '[')
	for i, event := range issues {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = rawjson.AppendString(append(dst, `{"attribute":`...), event.Attribute)
		dst = strconv.AppendInt(append(dst, `,"code":`...), int64(event.Code), 10)
		dst = rawjson.AppendString(append(dst, `,"message":`...), event.Message)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}
