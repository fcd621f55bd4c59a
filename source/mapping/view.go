package mapping

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// view is the part of a source that is mapped, where the source holds several: a store
// view of Adobe Commerce, a market of Shopify, the rows of one language. The zero value
// takes records as they are.
type view struct {
	store    string
	market   string
	language string
	inherit  bool // a price that the market leaves blank is the shop's
}

var (
	storeViewCode = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)
	languageCode  = regexp.MustCompile(`^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}$`)
)

// Members of records that hold the views.
const (
	storeViews    = "store_views"
	storeViewName = "store_view_code"
	marketNames   = "markets"
)

// languageNames are the members of records that name their language.
var languageNames = []string{"language", "content_language", "lang", "locale"}

// foreign reports whether a record is of another language than the view's.
func (v *view) foreign(e *evaluation, record map[string]any) bool {
	if v.language == "" {
		return false
	}
	for _, name := range languageNames {
		if spoken, ok := scalar(record[name]); ok {
			return !speaks(spoken, v.language)
		}
	}
	e.report(KindView, Error, "language", "", "the record names no language, and only those of "+v.language+" are sent: name it in the feed, in the column language")
	return false
}

// apply returns the record of the view, which is the record itself where the view changes
// nothing, and false where the record does not belong to the view.
func (v *view) apply(e *evaluation, record map[string]any) (map[string]any, bool) {
	record = v.storeView(e, record)
	if v.market != "" {
		return v.inMarket(e, record)
	}
	return record, true
}

// speaks reports whether a language is the wanted one or a form of it: de_AT is German.
func speaks(spoken, wanted string) bool {
	spoken, wanted = strings.ReplaceAll(spoken, "_", "-"), strings.ReplaceAll(wanted, "_", "-")
	if len(spoken) < len(wanted) || !strings.EqualFold(spoken[:len(wanted)], wanted) {
		return false
	}
	return len(spoken) == len(wanted) || spoken[len(wanted)] == '-'
}

// texts of Adobe Commerce that have a language.
var texts = []string{"name", "description", "short_description"}

func (v *view) storeView(e *evaluation, record map[string]any) map[string]any {
	own, hasOwn := scalar(record[storeViewName])
	switch {
	case hasOwn && v.store == "":
		e.report(KindView, Warning, storeViewName, own, "the product has no default row: what is sent may be of any language. Set store_view:")
		return record
	case v.store == "" || hasOwn && strings.EqualFold(own, v.store):
		return record
	case hasOwn:
		e.report(KindView, Error, storeViewName, own, "the product has no default row, and this one is not of the store view "+v.store+": export the default rows too")
		return record
	}
	views, _ := record[storeViews].(map[string]any)
	values, ok := named(views, v.store)
	if !ok {
		e.report(KindView, Warning, storeViewName, listed(views), "the product has no row of the store view "+v.store+": it is sent as in the default view")
		return record
	}
	merged := maps.Clone(record)
	for name, value := range values {
		merged[name] = inherited(record[name], value)
	}
	isText := func(name string) bool { return values[name] != nil }
	if slices.ContainsFunc(texts, isText) {
		for _, name := range texts {
			if values[name] == nil && !empty(record[name]) {
				e.report(KindView, Warning, name, record[name], "the store view "+v.store+" has other texts and not this one: it is sent as in the default view")
			}
		}
	}
	return merged
}

// inherited lays the members that a view has over those of the default.
func inherited(base, value any) any {
	members, ok := base.(map[string]any)
	over, both := value.(map[string]any)
	if !ok || !both {
		return value
	}
	merged := maps.Clone(members)
	maps.Copy(merged, over)
	return merged
}

// inMarket takes the prices of a market. A price of the market is fixed: there is no
// compare-at price beside it other than the market's own.
func (v *view) inMarket(e *evaluation, record map[string]any) (map[string]any, bool) {
	markets, _ := record[marketNames].(map[string]any)
	values, ok := named(markets, v.market)
	if included, isText := scalar(values["included"]); isText && slices.Contains([]string{"false", "no", "0"}, strings.ToLower(included)) {
		return record, false
	}
	switch {
	case !ok && !v.inherit:
		e.report(KindView, Error, "price", listed(markets), "the variant has no column of the market "+v.market+
			", and the shop's price may be in another currency: set inherit_price: true where it is the market's")
	case empty(values["price"]) && !v.inherit:
		e.report(KindView, Error, "price", record["price"], "the market "+v.market+
			" leaves the price blank, and the shop's may be in another currency: set inherit_price: true where it is the market's")
	}
	merged := maps.Clone(record)
	if !empty(values["price"]) || !v.inherit {
		delete(merged, "price")
		delete(merged, "compare_at_price")
	}
	maps.Copy(merged, values)
	return merged, true
}

// named finds a view or market, without letter case where the case differs.
func named(views map[string]any, name string) (map[string]any, bool) {
	values, ok := views[name].(map[string]any)
	if ok {
		return values, true
	}
	for _, other := range slices.Sorted(maps.Keys(views)) {
		if strings.EqualFold(other, name) {
			values, ok = views[other].(map[string]any)
			return values, ok
		}
	}
	return nil, false
}

func listed(views map[string]any) string {
	if len(views) == 0 {
		return ""
	}
	return "has " + strings.Join(slices.Sorted(maps.Keys(views)), ", ")
}

func (v *view) revision() string {
	return fmt.Sprintf("%q %q %q %t", v.store, v.market, v.language, v.inherit)
}
