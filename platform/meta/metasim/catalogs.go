package metasim

import (
	"net/http"
	"slices"

	"github.com/catalog-courier/catalog-courier/internal/rawjson"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

// lookAt reads a question about the token or a catalog: GET /me/permissions and GET /{catalog
// id}. nil is another call.
func lookAt(r *http.Request, parts []string) *sandbox.Request {
	last := parts[len(parts)-1]
	switch {
	case r.Method != http.MethodGet:
		return nil
	case last == "permissions" && len(parts) > 1 && parts[len(parts)-2] == "me":
		return &sandbox.Request{Call: sandbox.Look}
	case allDigits.MatchString(last):
		return &sandbox.Request{Call: sandbox.Look, Catalog: last}
	default:
		return nil
	}
}

// look answers it. A token cannot tell a catalog that is missing from one that it may not
// read.
func (f metaFace) look(request *sandbox.Request) sandbox.Response {
	if request.Catalog == "" {
		return f.permissions()
	}
	vertical, exists := f.Options.Catalogs[request.Catalog]
	switch {
	case f.Options.Catalogs == nil:
		vertical = f.Options.Verticals[request.Catalog]
	case !exists:
		return metaError(http.StatusBadRequest, 100, 33, "Unsupported get request. Object with ID '"+request.Catalog+
			"' does not exist, cannot be loaded due to missing permissions, or does not support this operation.")
	}
	text := rawjson.AppendString([]byte(`{"id":`), request.Catalog)
	text = append(text, `,"name":"Simulated","business":{"id":"1","name":"Simulated business"}`...)
	if vertical != "" {
		text = rawjson.AppendString(append(text, `,"vertical":`...), vertical)
	}
	return sandbox.Response{Status: http.StatusOK, Body: append(text, '}')}
}

func (f metaFace) permissions() sandbox.Response {
	text := []byte(`{"data":[`)
	for i, name := range []string{"catalog_management", "business_management"} {
		if i > 0 {
			text = append(text, ',')
		}
		status := "granted"
		if slices.Contains(f.Options.Declined, name) {
			status = "declined"
		}
		text = rawjson.AppendString(append(text, `{"permission":`...), name)
		text = append(rawjson.AppendString(append(text, `,"status":`...), status), '}')
	}
	return sandbox.Response{Status: http.StatusOK, Body: append(text, "]}"...)}
}
