package shop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/catalog-courier/catalog-courier/source/webhook"
)

// WooCommerce reads products by the REST API, version wc/v3.
type WooCommerce struct{ *caller }

// NewWooCommerce makes a client of the shop at an address, with a key that may read. The
// error is ErrAddress.
func NewWooCommerce(address, key, secret string) (*WooCommerce, error) {
	if key == "" || secret == "" {
		return nil, fmt.Errorf("%w: consumer_key and consumer_secret are both needed", ErrAddress)
	}
	c, err := newCaller(address, func(request *http.Request) { request.SetBasicAuth(key, secret) })
	if err != nil {
		return nil, err
	}
	return &WooCommerce{c}, nil
}

// Fetch reads a product and its variations.
func (w *WooCommerce) Fetch(ctx context.Context, d webhook.Delivery) (webhook.Delivery, error) {
	var product map[string]any
	path := "wp-json/wc/v3/products/" + url.PathEscape(d.Incomplete)
	if err := w.call(ctx, http.MethodGet, path, nil, nil, &product); err != nil {
		return d, fmt.Errorf("read product %s: %w", d.Incomplete, err)
	}
	if textOf(product["id"]) != d.Incomplete {
		return d, fmt.Errorf("read product %s: %w: it answers with product %q", d.Incomplete, ErrAway, textOf(product["id"]))
	}
	fetched := d
	fetched.Product, fetched.At = d.Incomplete, latest(time.Time{}, product)
	fetched.Incomplete, fetched.Lacks, fetched.Items = "", "", []map[string]any{webhook.WooItem(product)}
	if textOf(product["type"]) != "variable" {
		return fetched, nil
	}
	const perPage = 100
	seen := make(map[string]bool)
	for page := 1; ; page++ {
		if page > maxPages {
			return d, fmt.Errorf("read the variations of product %s: %w: more than %d", d.Incomplete, ErrPages, maxPages)
		}
		var variations []map[string]any
		query := url.Values{"per_page": {strconv.Itoa(perPage)}, "page": {strconv.Itoa(page)}, "orderby": {"id"}, "order": {"asc"}}
		if err := w.call(ctx, http.MethodGet, path+"/variations", query, nil, &variations); err != nil {
			return d, fmt.Errorf("read the variations of product %s: %w", d.Incomplete, err)
		}
		for _, variation := range variations {
			id := textOf(variation["id"])
			if id == "" || seen[id] {
				return d, fmt.Errorf("read the variations of product %s: %w: page %d has variation %q again", d.Incomplete, ErrPages, page, id)
			}
			seen[id] = true
			fetched.Items = append(fetched.Items, webhook.WooVariation(product, variation))
			fetched.At = latest(fetched.At, variation)
		}
		if len(variations) < perPage {
			return fetched, nil
		}
	}
}

// latest is the later of a time and that of a product or a variation.
func latest(at time.Time, product map[string]any) time.Time {
	modified, err := time.Parse("2006-01-02T15:04:05", textOf(product["date_modified_gmt"]))
	if err != nil || modified.Before(at) {
		return at
	}
	return modified
}

func textOf(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case json.Number:
		return value.String()
	}
	return ""
}
