package pinterestsim

import (
	"maps"
	"net/http"
	"slices"

	"github.com/catalog-courier/catalog-courier/internal/rawjson"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

// anyCatalogs are what an account has whose options name none: those of the examples, which
// take items of any type, and one of the type that the legacy body needs.
func anyCatalogs() map[string]string {
	return map[string]string{"2680059592705": "", "2680059592706": "", "2680059592707": "RETAIL"}
}

// look answers GET /catalogs with all catalogs on one page. Source: OpenAPI 5.13.0,
// catalogs/list.
func (f pinterestFace) look() sandbox.Response {
	catalogs := f.Options.Catalogs
	if catalogs == nil {
		catalogs = anyCatalogs()
	}
	text := []byte(`{"items":[`)
	for i, id := range slices.Sorted(maps.Keys(catalogs)) {
		if i > 0 {
			text = append(text, ',')
		}
		text = rawjson.AppendString(append(text, `{"id":`...), id)
		text = append(text, `,"name":"simulated","created_at":"2026-01-01T00:00:00","updated_at":"2026-01-01T00:00:00"`...)
		if itemType := catalogs[id]; itemType != "" {
			text = rawjson.AppendString(append(text, `,"catalog_type":`...), itemType)
		}
		text = append(text, '}')
	}
	return sandbox.Response{Status: http.StatusOK, Body: append(text, `],"bookmark":null}`...)}
}
