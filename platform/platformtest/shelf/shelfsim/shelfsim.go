// Package shelfsim simulates Shelf. It never imports the client, so that the client is
// checked against an independent reading of the documentation.
package shelfsim

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

// Platform simulates Shelf's batches.
type Platform struct{ *sandbox.Core }

// New makes an empty Shelf. Close it when done.
func New(options sandbox.Options) *Platform {
	return &Platform{sandbox.NewCore(options, sandbox.Dialect{MeaningOf: func(sandbox.TableKey) sandbox.Meaning {
		return sandbox.Meaning{UpsertReplaces: true, Emptied: func(string) bool { return false }}
	}})}
}

// BasePath implements sandbox.Platform.
func (*Platform) BasePath() string { return "/v1" }

// CatalogKey implements sandbox.Platform.
func (*Platform) CatalogKey(keys setting.Values) string { return keys.Text("shelf") }

// ServeHTTP implements http.Handler.
func (p *Platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, path, _ := strings.Cut(r.URL.Path, "/shelves/")
	shelf, handle, found := strings.Cut(path, "/batches")
	request := &sandbox.Request{Catalog: shelf, Handle: strings.TrimPrefix(handle, "/"), Token: r.Header.Get("Shelf-Key")}
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/":
		sandbox.Respond(w, sandbox.Response{Status: http.StatusOK, Body: p.State()})
		return
	case found && r.Method == http.MethodPost:
		request.Call = sandbox.Submit
	case found && r.Method == http.MethodGet:
		request.Call = sandbox.Poll
	default:
		sandbox.Respond(w, refused(http.StatusNotFound, "no such address"))
		return
	}
	p.Serve(w, r, face{p}, request)
}

// face answers as Shelf does.
type face struct{ *Platform }

func refused(status int, message string) sandbox.Response {
	return sandbox.Response{Status: status, Body: append(rawjson.AppendString([]byte(`{"error":`), message), '}')}
}

// Unauthorized implements sandbox.Face.
func (face) Unauthorized() sandbox.Response { return refused(http.StatusUnauthorized, "unknown key") }

// Limited implements sandbox.Face.
func (face) Limited(_ sandbox.CallKind, used sandbox.Usage) sandbox.Response {
	said := refused(http.StatusTooManyRequests, "too many requests")
	said.Header = map[string]string{"Retry-After": sandbox.Seconds(used.Reset)}
	return said
}

// Told implements sandbox.Face: Shelf says nothing of a quota that is not used up.
func (face) Told(map[string]string, sandbox.CallKind, sandbox.Usage) {}

// Refusal implements sandbox.Face.
func (f face) Refusal(call sandbox.CallKind, fault sandbox.Fault, _ string) (sandbox.Response, bool) {
	switch fault.Kind {
	case sandbox.RateLimited:
		return f.Limited(call, sandbox.Usage{Reset: fault.Duration}), true
	case sandbox.TokenRevoked:
		return f.Unauthorized(), true
	case sandbox.RefuseBatch:
		return refused(http.StatusBadRequest, "the request is not valid"), true
	case sandbox.ServerError:
		return refused(http.StatusServiceUnavailable, "try again later"), true
	default:
		return sandbox.Response{}, false
	}
}

// Work implements sandbox.Face.
func (f face) Work(request *sandbox.Request, fault sandbox.Fault) sandbox.Response {
	f.Mu.Lock()
	defer f.Mu.Unlock()
	if request.Call == sandbox.Poll {
		batch := f.Batches[request.Handle]
		if batch == nil {
			return refused(http.StatusNotFound, "no such batch")
		}
		return sandbox.Response{Status: http.StatusOK, Body: report(batch)}
	}
	if !gjson.ValidBytes(request.Body) {
		return refused(http.StatusBadRequest, "this is not JSON")
	}
	batch := &sandbox.Batch{
		Handle: fmt.Sprintf("b%016x", f.Random.Uint64()), Key: sandbox.TableKey{Catalog: request.Catalog, ItemType: "BOOK"},
	}
	for _, book := range gjson.GetBytes(request.Body, "books").Array() {
		batch.Changes = append(batch.Changes, f.changeOf(book))
	}
	request.Handle = batch.Handle
	f.Accept(batch, len(request.Body), fault.Kind)
	return sandbox.Response{Status: http.StatusOK, Body: []byte(`{"batch":"` + batch.Handle + `"}`)}
}

// changeOf reads one book; one without a title is refused.
func (f face) changeOf(book gjson.Result) sandbox.Change {
	change := sandbox.Change{ID: book.Get("id").Str, Operation: catalog.Delete, Content: f.Hash.Of(book.Raw)}
	if content := book.Get("book"); content.Exists() {
		change.Operation, change.Attributes = catalog.Upsert, content.Raw
		if content.Get("title").Str == "" {
			change.Errors = []sandbox.Issue{{Message: "a book needs a title"}}
		}
	}
	return change
}

func report(batch *sandbox.Batch) []byte {
	text := fmt.Appendf(nil, `{"done":%t,"books":[`, batch.Done)
	for _, result := range batch.Results {
		if result.Omitted {
			continue
		}
		if text[len(text)-1] != '[' {
			text = append(text, ',')
		}
		text = rawjson.AppendString(append(text, `{"id":`...), result.ID)
		if len(result.Errors) > 0 {
			text = rawjson.AppendString(append(text, `,"error":`...), result.Errors[0].Message)
		}
		text = append(text, '}')
	}
	return append(text, "]}"...)
}
