package metasim

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

// Platform simulates the three batch edges of Meta's catalogs (items_batch, batch and
// localized_items_batch) and check_batch_request_status. It answers with and
// without a version in the path. A catalog is named by its id.
type Platform struct{ *sandbox.Core }

var allDigits = regexp.MustCompile(`^[0-9]+$`)

// New makes an empty Meta. Close it when done.
func New(options sandbox.Options) *Platform {
	m := &Platform{}
	m.Core = sandbox.NewCore(options, sandbox.Dialect{
		MeaningOf: func(key sandbox.TableKey) sandbox.Meaning {
			rules := metaMeaning(options, key.ItemType)
			localizedOnly(key, &rules)
			return rules
		},
		ItemOf: itemOf, Check: m.itemless, Deleted: m.dropLocalizations, NamesRejected: true,
		Rejects: func(id string) sandbox.Issue { // as it was seen
			return sandbox.Issue{Message: "The price information under " + id + " is invalid. Review for more details"}
		},
		Warns: func(id string) sandbox.Issue { return unrecognised(itemOf(id), "magic") },
	})
	return m
}

// BasePath implements Platform.
func (*Platform) BasePath() string { return "/v25.0" }

// CatalogKey implements Platform.
func (*Platform) CatalogKey(keys setting.Values) string { return keys.Text("catalog_id") }

func metaMeaning(options sandbox.Options, itemType catalog.Type) sandbox.Meaning {
	rules := sandbox.Meaning{
		Existing: options.Existing,
		Missing: func(id, attribute string) sandbox.Issue {
			return sandbox.Issue{Message: fmt.Sprintf("cannot create or update %s without required field %s", id, attribute)}
		},
		Absent: noSuchItem,
		Taken:  func(id string) sandbox.Issue { return sandbox.Issue{Message: "the item " + id + " exists already"} },
		// "" unsets an optional field, [] deletes a list.
		Emptied: func(raw string) bool { return raw == `""` || raw == `[]` },
	}
	known := metaTypes[itemType]
	if known == nil {
		return rules
	}
	rules.Keys = known.keys
	if !options.SkipValidation && !options.AllowIncomplete {
		rules.Required = known.required
	}
	return rules
}

func noSuchItem(id string) sandbox.Issue {
	return sandbox.Issue{Message: "the item " + id + " does not exist"}
}

// ServeHTTP implements http.Handler.
func (m *Platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if r.Method == http.MethodGet && r.URL.Path == "/" {
		sandbox.Respond(w, sandbox.Response{Status: http.StatusOK, Body: m.State()})
		return
	}
	if request := lookAt(r, parts); request != nil {
		m.Serve(w, r, metaFace{m, request.Catalog}, request)
		return
	}
	if len(parts) < 2 || !allDigits.MatchString(parts[len(parts)-2]) {
		sandbox.Respond(w, metaError(http.StatusBadRequest, 2500, 0, "Unknown path components"))
		return
	}
	request := &sandbox.Request{Catalog: parts[len(parts)-2], Query: map[string]string{}}
	switch edge := parts[len(parts)-1]; {
	case metaEdges[edge] != nil && r.Method == http.MethodPost:
		request.Call, request.Query["edge"] = sandbox.Submit, edge
	case edge == "check_batch_request_status" && r.Method == http.MethodGet:
		request.Call, request.Handle = sandbox.Poll, r.URL.Query().Get("handle")
		request.Query["ids"] = r.URL.Query().Get("load_ids_of_invalid_requests")
	default:
		sandbox.Respond(w, metaError(http.StatusBadRequest, 2500, 0, "Unknown path components"))
		return
	}
	m.Serve(w, r, metaFace{m, request.Catalog}, request)
}

// metaFace answers as Meta does, for one catalog.
type metaFace struct {
	*Platform
	catalog string
}

func metaError(status, code, subcode int, message string) sandbox.Response {
	text := rawjson.AppendString([]byte(`{"error":{"message":`), message)
	text = strconv.AppendInt(append(text, `,"type":"OAuthException","code":`...), int64(code), 10)
	if subcode != 0 {
		text = strconv.AppendInt(append(text, `,"error_subcode":`...), int64(subcode), 10)
	}
	return sandbox.Response{Status: status, Body: append(text, `,"fbtrace_id":"A1b2C3"}}`...)}
}

func (f metaFace) Unauthorized() sandbox.Response {
	return metaError(http.StatusUnauthorized, 190, 460, "Error validating access token: the session has been invalidated.")
}

func limitCode(call sandbox.CallKind) (code int, kind string) {
	if call == sandbox.Submit {
		return 80014, "catalog_batch"
	}
	return 80009, "catalog_management"
}

func (f metaFace) Limited(call sandbox.CallKind, used sandbox.Usage) sandbox.Response {
	code, _ := limitCode(call)
	said := metaError(http.StatusBadRequest, code, 2446079, "There have been too many calls to this catalog account. Wait a bit and try again.")
	said.Header = make(map[string]string)
	f.Told(said.Header, call, used)
	return said
}

// told writes X-Business-Use-Case-Usage: percent of the quota, and minutes to wait.
// What they are percent of is not told: an account with quota_window knows.
func (f metaFace) Told(header map[string]string, call sandbox.CallKind, used sandbox.Usage) {
	const name = "X-Business-Use-Case-Usage"
	if used.Limit.Calls == 0 {
		used = f.freeAgain(call)
	}
	if used.Limit.Calls == 0 || header[name] != "" {
		return
	}
	_, kind := limitCode(call)
	percent := 100 * (used.Limit.Calls - used.Remaining) / used.Limit.Calls
	minutes := 0
	if used.Exceeded() && used.Limit.Window >= time.Minute {
		minutes = int(math.Ceil(used.Reset.Minutes()))
	}
	header[name] = fmt.Sprintf(`{"%s":[{"type":"%s","call_count":%d,"total_cputime":%d,"total_time":%d,"estimated_time_to_regain_access":%d}]}`,
		f.catalog, kind, percent, percent/2, percent/3, minutes)
}

// usedUp notes that a fault called a quota used up which has no limit: once it is free
// again the answers tell so, as Meta's do with each call.
func (f metaFace) usedUp(call sandbox.CallKind, window time.Duration) {
	f.Mu.Lock()
	defer f.Mu.Unlock()
	f.Regained[string(call)+"/"+f.catalog] = time.Now().Add(window)
}

// freeAgain is what an answer tells of a quota without a limit: nothing, unless a fault
// called it used up before.
func (f metaFace) freeAgain(call sandbox.CallKind) sandbox.Usage {
	f.Mu.Lock()
	defer f.Mu.Unlock()
	at, was := f.Regained[string(call)+"/"+f.catalog]
	if !was || time.Now().Before(at) {
		return sandbox.Usage{}
	}
	return sandbox.Usage{Limit: sandbox.RateLimit{Calls: 100, Window: time.Hour}, Remaining: 95}
}

func (f metaFace) Refusal(call sandbox.CallKind, fault sandbox.Fault, credentials string) (sandbox.Response, bool) {
	code, _ := limitCode(call)
	switch fault.Kind {
	case sandbox.RateLimited:
		window := max(fault.Duration, time.Minute)
		f.usedUp(call, window)
		return f.Limited(call, sandbox.Usage{Limit: sandbox.RateLimit{Calls: 200, Window: window}, Remaining: -1, Reset: window}), true
	case sandbox.RateLimitedSilent:
		return metaError(http.StatusBadRequest, code, 0, "There have been too many calls."), true
	case sandbox.AppRateLimited:
		said := metaError(http.StatusForbidden, 4, 0, "Application request limit reached")
		said.Header = map[string]string{"X-App-Usage": `{"call_count":100,"total_time":25,"total_cputime":30}`}
		return said, true
	case sandbox.SpamBlocked:
		return metaError(http.StatusBadRequest, 368, 0, "Temporarily blocked for policies violations."), true
	case sandbox.ServerError:
		return metaError(http.StatusInternalServerError, 2, 0, "Service temporarily unavailable"), true
	case sandbox.TokenRevoked:
		return f.Unauthorized(), true
	case sandbox.Forbidden:
		return metaError(http.StatusForbidden, 10, 0, "Application does not have permission for this action"), true
	case sandbox.EchoToken:
		return metaError(http.StatusBadRequest, 100, 0, "Invalid parameter with Authorization: "+credentials), true
	case sandbox.HTMLError:
		return sandbox.Response{Status: http.StatusBadGateway, Body: []byte(sandbox.MaintenancePage), Header: map[string]string{"Content-Type": "text/html"}}, true
	case sandbox.RefuseBatch:
		return metaError(http.StatusBadRequest, 100, 0, "Invalid parameter"), true
	case sandbox.TooLarge:
		return tooMuch(), true
	case sandbox.LostHandle:
		return metaError(http.StatusBadRequest, 100, 0, "Invalid parameter: handle"), true
	case sandbox.ErrorIn200:
		return metaError(http.StatusOK, 2, 0, "Service temporarily unavailable"), true
	case sandbox.EmptyData:
		return sandbox.Response{Status: http.StatusOK, Body: []byte(`{"data":[]}`)}, true
	default:
		return sandbox.Response{}, false
	}
}

func tooMuch() sandbox.Response {
	return metaError(http.StatusInternalServerError, 1, 0, "Please reduce the amount of data you're asking for, then retry your request")
}

func (f metaFace) Work(request *sandbox.Request, fault sandbox.Fault) sandbox.Response {
	switch request.Call {
	case sandbox.Poll:
		return f.poll(request, fault.Kind)
	case sandbox.Look:
		return f.look(request)
	default:
		return f.submit(request, fault.Kind)
	}
}

func (f metaFace) submit(request *sandbox.Request, fault sandbox.FaultKind) sandbox.Response {
	const bodyLimit = 28_000_000
	if len(request.Body) > bodyLimit {
		return tooMuch()
	}
	accepted, refused := f.readMeta(request)
	if refused.Status != 0 {
		return refused
	}
	if (fault == sandbox.EmptyHandles || fault == sandbox.NoHandles || fault == sandbox.NobodyNamed) && len(accepted.Changes) > 0 {
		accepted.Changes[0].Errors = []sandbox.Issue{{Message: "This item cannot be read"}}
		return sandbox.Response{Status: http.StatusOK, Body: f.appendAccepted(nil, accepted, false, fault)}
	}
	if f.Options.DropsBadBodies && slices.ContainsFunc(accepted.Changes, func(one sandbox.Change) bool { return len(one.Errors) > 0 }) {
		return sandbox.Response{Status: http.StatusOK, Body: f.appendAccepted(nil, accepted, false, fault)}
	}
	if fault == "" {
		request.Magic = f.Magic(accepted)
		if said, refuses := f.Refusal(request.Call, request.Magic, ""); refuses {
			return said
		}
		fault = request.Magic.Kind
	}
	f.Mu.Lock()
	defer f.Mu.Unlock()
	accepted.Handle = f.newMetaHandle()
	request.Handle = accepted.Handle
	f.Accept(accepted, len(request.Body), fault)
	return sandbox.Response{Status: http.StatusOK, Body: f.appendAccepted(nil, accepted, true, fault)}
}

// newMetaHandle looks as opaque as the real ones, with characters that a query
// must escape.
func (m *Platform) newMetaHandle() string {
	var random [24]byte
	for i := range random {
		random[i] = byte(m.Random.Uint32() & math.MaxUint8)
	}
	return "Ac+" + base64.StdEncoding.EncodeToString(random[:])
}

// appendAccepted writes the answer to a POST. validation_status has only rows with
// a problem, and is not there without any. handles is not there where nothing was
// taken; the reference calls it empty, as EmptyHandles makes it. OddForm writes one
// handle alone, and more into validation_status that says nothing of an item.
func (f metaFace) appendAccepted(dst []byte, b *sandbox.Batch, taken bool, fault sandbox.FaultKind) []byte {
	dst = append(dst, '{')
	switch {
	case taken && fault == sandbox.OddForm:
		dst = append(rawjson.AppendString(append(dst, `"handles":`...), b.Handle), ',')
	case taken:
		dst = append(rawjson.AppendString(append(dst, `"handles":[`...), b.Handle), `],`...)
	case fault == sandbox.EmptyHandles:
		dst = append(dst, `"handles":[],`...)
	}
	dst = append(dst, `"validation_status":[`...)
	rows := 0
	if fault == sandbox.OddForm {
		dst = append(dst, `null,{},{"warnings":[{"message":"Unrecognised field: foo"}]}`...)
		rows = 3
	}
	for i := range b.Changes {
		one := &b.Changes[i]
		// What is refused at once is here; the rest comes with the status.
		refused := one.Twice || (!taken && len(one.Errors) > 0)
		if !refused && len(one.Warnings) == 0 {
			continue
		}
		if rows++; rows > 1 {
			dst = append(dst, ',')
		}
		dst = append(dst, '{')
		if fault != sandbox.NobodyNamed {
			dst = append(rawjson.AppendString(append(dst, `"retailer_id":`...), f.idOf(b.Key.ItemType, itemOf(one.ID), i)), ',')
		}
		if refused {
			wrong := one.Errors
			if one.Twice {
				wrong = []sandbox.Issue{{Message: "Duplicate retailer_id in batch api call - " + itemOf(one.ID) + "."}}
			}
			dst = append(appendMessages(append(dst, `"errors":`...), wrong), ',')
		}
		if len(one.Warnings) > 0 {
			dst = append(appendMessages(append(dst, `"warnings":`...), one.Warnings), ',')
		}
		dst[len(dst)-1] = '}'
	}
	if taken && rows == 0 {
		return append(dst[:len(dst)-len(`,"validation_status":[`)], '}')
	}
	return append(dst, "]}"...)
}

func appendMessages(dst []byte, issues []sandbox.Issue) []byte {
	dst = append(dst, '[')
	for i, each := range issues {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(rawjson.AppendString(append(dst, `{"message":`...), each.Message), '}')
	}
	return append(dst, ']')
}

// idOf writes an id in the form that the options ask for.
func (f metaFace) idOf(itemType catalog.Type, id string, row int) string {
	names := metaTypes[itemType].keys
	form := f.Options.IDForm
	if len(names) == 1 || form == sandbox.FormSlash {
		return id
	}
	if form == sandbox.FormMixed {
		form = []sandbox.IDForm{sandbox.FormSlash, sandbox.FormUnderscore, sandbox.FormColon, sandbox.FormTogether, sandbox.FormObject}[row%5]
	}
	parts, wrong := catalog.SplitItemID(id, names)
	if wrong != nil {
		return id
	}
	switch form {
	case sandbox.FormUnderscore:
		return strings.Join(parts, "_")
	case sandbox.FormColon:
		return strings.Join(parts, ":")
	case sandbox.FormTogether:
		return strings.Join(parts, "")
	case sandbox.FormObject:
		text := []byte{'{'}
		for i, name := range names {
			if i > 0 {
				text = append(text, ',')
			}
			text = rawjson.AppendString(append(rawjson.AppendString(text, name), ':'), parts[i])
		}
		return string(append(text, '}'))
	default:
		return id
	}
}
