package sandbox

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
)

// Meta simulates the three batch edges of Meta's catalogs (items_batch, batch and
// localized_items_batch) and check_batch_request_status. It answers with and
// without a version in the path. A catalog is named by its id.
type Meta struct{ *core }

var allDigits = regexp.MustCompile(`^[0-9]+$`)

// NewMeta makes an empty Meta. Close it when done.
func NewMeta(options Options) *Meta {
	m := &Meta{}
	m.core = newCore(options, dialect{
		meaningOf: func(key tableKey) meaning {
			rules := metaMeaning(options, key.itemType)
			localizedOnly(key, &rules)
			return rules
		},
		itemOf: itemOf, check: m.itemless, deleted: m.dropLocalizations,
	})
	return m
}

// BasePath implements Platform.
func (*Meta) BasePath() string { return "/v25.0" }

// CatalogKey implements Platform.
func (*Meta) CatalogKey(keys setting.Values) string { return keys.Text("catalog_id") }

func metaMeaning(options Options, itemType catalog.Type) meaning {
	rules := meaning{
		existing: options.Existing,
		missing: func(id, attribute string) issue {
			return issue{message: fmt.Sprintf("cannot create or update %s without required field %s", id, attribute)}
		},
		absent: noSuchItem,
		taken:  func(id string) issue { return issue{message: "the item " + id + " exists already"} },
		// "" unsets an optional field, [] deletes a list.
		emptied: func(raw string) bool { return raw == `""` || raw == `[]` },
	}
	known := metaTypes[itemType]
	if known == nil {
		return rules
	}
	rules.keys = known.keys
	if !options.SkipValidation && !options.AllowIncomplete {
		rules.required = known.required
	}
	return rules
}

func noSuchItem(id string) issue { return issue{message: "the item " + id + " does not exist"} }

// ServeHTTP implements http.Handler.
func (m *Meta) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if r.Method == http.MethodGet && r.URL.Path == "/" {
		send(w, answer{status: http.StatusOK, body: m.state()})
		return
	}
	if len(parts) < 2 || !allDigits.MatchString(parts[len(parts)-2]) {
		send(w, metaError(http.StatusBadRequest, 2500, 0, "Unknown path components"))
		return
	}
	request := &exchange{catalog: parts[len(parts)-2], query: map[string]string{}}
	switch edge := parts[len(parts)-1]; {
	case metaEdges[edge] != nil && r.Method == http.MethodPost:
		request.call, request.query["edge"] = Submit, edge
	case edge == "check_batch_request_status" && r.Method == http.MethodGet:
		request.call, request.handle = Poll, r.URL.Query().Get("handle")
		request.query["ids"] = r.URL.Query().Get("load_ids_of_invalid_requests")
	default:
		send(w, metaError(http.StatusBadRequest, 2500, 0, "Unknown path components"))
		return
	}
	m.serve(w, r, metaFace{m, request.catalog}, request)
}

// metaFace answers as Meta does, for one catalog.
type metaFace struct {
	*Meta
	catalog string
}

func metaError(status, code, subcode int, message string) answer {
	text := rawjson.AppendString([]byte(`{"error":{"message":`), message)
	text = strconv.AppendInt(append(text, `,"type":"OAuthException","code":`...), int64(code), 10)
	if subcode != 0 {
		text = strconv.AppendInt(append(text, `,"error_subcode":`...), int64(subcode), 10)
	}
	return answer{status: status, body: append(text, `,"fbtrace_id":"A1b2C3"}}`...)}
}

func (f metaFace) unauthorized() answer {
	return metaError(http.StatusUnauthorized, 190, 460, "Error validating access token: the session has been invalidated.")
}

func limitCode(call CallKind) (code int, kind string) {
	if call == Submit {
		return 80014, "catalog_batch"
	}
	return 80009, "catalog_management"
}

func (f metaFace) limited(call CallKind, used usage) answer {
	code, _ := limitCode(call)
	said := metaError(http.StatusBadRequest, code, 2446079, "There have been too many calls to this catalog account. Wait a bit and try again.")
	said.header = make(map[string]string)
	f.told(said.header, call, used)
	return said
}

// told writes X-Business-Use-Case-Usage: percent of the quota, and minutes to wait.
// What they are percent of is not told: an account with quota_window knows.
func (f metaFace) told(header map[string]string, call CallKind, used usage) {
	const name = "X-Business-Use-Case-Usage"
	if used.limit.Calls == 0 {
		used = f.freeAgain(call)
	}
	if used.limit.Calls == 0 || header[name] != "" {
		return
	}
	_, kind := limitCode(call)
	percent := 100 * (used.limit.Calls - used.remaining) / used.limit.Calls
	minutes := 0
	if used.exceeded() && used.limit.Window >= time.Minute {
		minutes = int(math.Ceil(used.reset.Minutes()))
	}
	header[name] = fmt.Sprintf(`{"%s":[{"type":"%s","call_count":%d,"total_cputime":%d,"total_time":%d,"estimated_time_to_regain_access":%d}]}`,
		f.catalog, kind, percent, percent/2, percent/3, minutes)
}

// usedUp notes that a fault called a quota used up which has no limit: once it is free
// again the answers tell so, as Meta's do with each call.
func (f metaFace) usedUp(call CallKind, window time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.regained[string(call)+"/"+f.catalog] = time.Now().Add(window)
}

// freeAgain is what an answer tells of a quota without a limit: nothing, unless a fault
// called it used up before.
func (f metaFace) freeAgain(call CallKind) usage {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, was := f.regained[string(call)+"/"+f.catalog]
	if !was || time.Now().Before(at) {
		return usage{}
	}
	return usage{limit: RateLimit{Calls: 100, Window: time.Hour}, remaining: 95}
}

func (f metaFace) refusal(call CallKind, fault Fault, credentials string) (answer, bool) {
	code, _ := limitCode(call)
	switch fault.Kind {
	case RateLimited:
		window := max(fault.Duration, time.Minute)
		f.usedUp(call, window)
		return f.limited(call, usage{limit: RateLimit{Calls: 200, Window: window}, remaining: -1, reset: window}), true
	case RateLimitedSilent:
		return metaError(http.StatusBadRequest, code, 0, "There have been too many calls."), true
	case AppRateLimited:
		said := metaError(http.StatusForbidden, 4, 0, "Application request limit reached")
		said.header = map[string]string{"X-App-Usage": `{"call_count":100,"total_time":25,"total_cputime":30}`}
		return said, true
	case SpamBlocked:
		return metaError(http.StatusBadRequest, 368, 0, "Temporarily blocked for policies violations."), true
	case ServerError:
		return metaError(http.StatusInternalServerError, 2, 0, "Service temporarily unavailable"), true
	case TokenRevoked:
		return f.unauthorized(), true
	case Forbidden:
		return metaError(http.StatusForbidden, 10, 0, "Application does not have permission for this action"), true
	case EchoToken:
		return metaError(http.StatusBadRequest, 100, 0, "Invalid parameter with Authorization: "+credentials), true
	case HTMLError:
		return answer{status: http.StatusBadGateway, body: []byte(page), header: map[string]string{"Content-Type": "text/html"}}, true
	case RefuseBatch:
		return metaError(http.StatusBadRequest, 100, 0, "Invalid parameter"), true
	case TooLarge:
		return tooMuch(), true
	case LostHandle:
		return metaError(http.StatusBadRequest, 100, 0, "Invalid parameter: handle"), true
	case ErrorIn200:
		return metaError(http.StatusOK, 2, 0, "Service temporarily unavailable"), true
	case EmptyData:
		return answer{status: http.StatusOK, body: []byte(`{"data":[]}`)}, true
	default:
		return answer{}, false
	}
}

func tooMuch() answer {
	return metaError(http.StatusInternalServerError, 1, 0, "Please reduce the amount of data you're asking for, then retry your request")
}

func (f metaFace) work(request *exchange, fault Fault) answer {
	if request.call == Poll {
		return f.poll(request, fault.Kind)
	}
	return f.submit(request, fault.Kind)
}

func (f metaFace) submit(request *exchange, fault FaultKind) answer {
	const bodyLimit = 28_000_000
	if len(request.body) > bodyLimit {
		return tooMuch()
	}
	accepted, refused := f.readMeta(request)
	if refused.status != 0 {
		return refused
	}
	if (fault == EmptyHandles || fault == NoHandles || fault == NobodyNamed) && len(accepted.changes) > 0 {
		accepted.changes[0].errors = []issue{{message: "This item cannot be read"}}
		return answer{status: http.StatusOK, body: f.appendAccepted(nil, accepted, false, fault)}
	}
	if f.options.DropsBadBodies && slices.ContainsFunc(accepted.changes, func(one change) bool { return len(one.errors) > 0 }) {
		return answer{status: http.StatusOK, body: f.appendAccepted(nil, accepted, false, fault)}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	accepted.handle = f.newMetaHandle()
	request.handle = accepted.handle
	f.accept(accepted, len(request.body), fault)
	return answer{status: http.StatusOK, body: f.appendAccepted(nil, accepted, true, fault)}
}

// newMetaHandle looks as opaque as the real ones, with characters that a query
// must escape.
func (m *Meta) newMetaHandle() string {
	var random [24]byte
	for i := range random {
		random[i] = byte(m.random.Uint32() & math.MaxUint8)
	}
	return "Ac+" + base64.StdEncoding.EncodeToString(random[:])
}

// appendAccepted writes the answer to a POST. validation_status has only rows with
// a problem, and is not there without any. handles is not there where nothing was
// taken; the reference calls it empty, as EmptyHandles makes it. OddForm writes one
// handle alone, and more into validation_status that says nothing of an item.
func (f metaFace) appendAccepted(dst []byte, b *batch, taken bool, fault FaultKind) []byte {
	dst = append(dst, '{')
	switch {
	case taken && fault == OddForm:
		dst = append(rawjson.AppendString(append(dst, `"handles":`...), b.handle), ',')
	case taken:
		dst = append(rawjson.AppendString(append(dst, `"handles":[`...), b.handle), `],`...)
	case fault == EmptyHandles:
		dst = append(dst, `"handles":[],`...)
	}
	dst = append(dst, `"validation_status":[`...)
	rows := 0
	if fault == OddForm {
		dst = append(dst, `null,{},{"warnings":[{"message":"Unrecognised field: foo"}]}`...)
		rows = 3
	}
	for i := range b.changes {
		one := &b.changes[i]
		// What is refused at once is here; the rest comes with the status.
		refused := one.twice || (!taken && len(one.errors) > 0)
		if !refused && len(one.warnings) == 0 {
			continue
		}
		if rows++; rows > 1 {
			dst = append(dst, ',')
		}
		dst = append(dst, '{')
		if fault != NobodyNamed {
			dst = append(rawjson.AppendString(append(dst, `"retailer_id":`...), f.idOf(b.key.itemType, itemOf(one.id), i)), ',')
		}
		if refused {
			wrong := one.errors
			if one.twice {
				wrong = []issue{{message: "Duplicate retailer_id in batch api call - " + itemOf(one.id) + "."}}
			}
			dst = append(appendMessages(append(dst, `"errors":`...), wrong), ',')
		}
		if len(one.warnings) > 0 {
			dst = append(appendMessages(append(dst, `"warnings":`...), one.warnings), ',')
		}
		dst[len(dst)-1] = '}'
	}
	if taken && rows == 0 {
		return append(dst[:len(dst)-len(`,"validation_status":[`)], '}')
	}
	return append(dst, "]}"...)
}

func appendMessages(dst []byte, issues []issue) []byte {
	dst = append(dst, '[')
	for i, each := range issues {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(rawjson.AppendString(append(dst, `{"message":`...), each.message), '}')
	}
	return append(dst, ']')
}

// idOf writes an id in the form that the options ask for.
func (f metaFace) idOf(itemType catalog.Type, id string, row int) string {
	names := metaTypes[itemType].keys
	form := f.options.IDForm
	if len(names) == 1 || form == FormSlash {
		return id
	}
	if form == FormMixed {
		form = []IDForm{FormSlash, FormUnderscore, FormColon, FormTogether, FormObject}[row%5]
	}
	parts, wrong := catalog.SplitItemID(id, names)
	if wrong != nil {
		return id
	}
	switch form {
	case FormUnderscore:
		return strings.Join(parts, "_")
	case FormColon:
		return strings.Join(parts, ":")
	case FormTogether:
		return strings.Join(parts, "")
	case FormObject:
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
