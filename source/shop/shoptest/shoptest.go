// Package shoptest imitates the interfaces of shops, as far as webhooks need them: with keys,
// pages and limits, and with the faults that shops have.
package shoptest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Shop is a shop that listens on this machine.
type Shop struct {
	// URL is its address.
	URL string

	mu     sync.Mutex
	calls  []string
	faults []Fault
}

// Fault answers a request in the place of the shop.
type Fault func(w http.ResponseWriter, request *http.Request)

// Status answers with a status, and with Retry-After where it is not "".
func Status(status int, retryAfter string) Fault {
	return func(w http.ResponseWriter, _ *http.Request) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"code":"fault","message":"status %d"}`, status)
	}
}

// Hang answers nothing until the client gives up.
func Hang(_ http.ResponseWriter, request *http.Request) { <-request.Context().Done() }

// HTML answers with a page, as a shop under maintenance does.
func HTML(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>Briefly unavailable</html>") }

// Cut ends the connection within the answer.
func Cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	fmt.Fprint(w, `{"id":`)
}

// Redirect sends the client to another address.
func Redirect(to string) Fault {
	return func(w http.ResponseWriter, request *http.Request) {
		http.Redirect(w, request, to, http.StatusFound)
	}
}

// Throttled answers as Shopify does when the bucket of a shop is empty.
func Throttled(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprint(w, `{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}],
		"extensions":{"cost":{"requestedQueryCost":101,"throttleStatus":{"maximumAvailable":1000,"currentlyAvailable":100,"restoreRate":100}}}}`)
}

// Next lets the next requests fail, one fault each.
func (s *Shop) Next(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

// Calls lists the requests so far.
func (s *Shop) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.calls...)
}

func (s *Shop) start(tb testing.TB, handle http.HandlerFunc) {
	tb.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		s.mu.Lock()
		s.calls = append(s.calls, request.Method+" "+request.URL.RequestURI())
		var fault Fault
		if len(s.faults) > 0 {
			fault, s.faults = s.faults[0], s.faults[1:]
		}
		s.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		if fault != nil {
			fault(w, request)
			return
		}
		handle(w, request)
	}))
	tb.Cleanup(server.Close)
	s.URL = server.URL
}

// WooCommerce is a shop with products by id, as JSON, and their variations.
type WooCommerce struct {
	Shop

	mu         sync.Mutex
	products   map[string]string
	variations map[string][]string
	// Endless lets each page of variations be full of the first ones.
	Endless bool
}

// StartWooCommerce starts a shop that takes one key.
func StartWooCommerce(tb testing.TB, key, secret string) *WooCommerce {
	tb.Helper()
	w := &WooCommerce{products: make(map[string]string), variations: make(map[string][]string)}
	w.start(tb, func(answer http.ResponseWriter, request *http.Request) {
		if user, password, ok := request.BasicAuth(); !ok || user != key || password != secret {
			Status(http.StatusUnauthorized, "")(answer, request)
			return
		}
		w.serve(answer, request)
	})
	return w
}

// Set gives a product its JSON and that of its variations.
func (w *WooCommerce) Set(id, product string, variations ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.products[id], w.variations[id] = product, variations
}

func (w *WooCommerce) serve(answer http.ResponseWriter, request *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	rest, ok := strings.CutPrefix(request.URL.Path, "/wp-json/wc/v3/products/")
	id, list := strings.CutSuffix(rest, "/variations")
	product, found := w.products[id]
	if !ok || !found {
		answer.WriteHeader(http.StatusNotFound)
		fmt.Fprint(answer, `{"code":"woocommerce_rest_product_invalid_id","message":"Invalid ID.","data":{"status":404}}`)
		return
	}
	if !list {
		fmt.Fprint(answer, product)
		return
	}
	query := request.URL.Query()
	size, _ := strconv.Atoi(query.Get("per_page"))
	page, _ := strconv.Atoi(query.Get("page"))
	if size < 1 || size > 100 || page < 1 {
		answer.WriteHeader(http.StatusBadRequest)
		return
	}
	all := w.variations[id]
	if w.Endless {
		page = 1
	}
	part := all[min(len(all), (page-1)*size):min(len(all), page*size)]
	answer.Header().Set("X-Wp-Total", strconv.Itoa(len(all)))
	answer.Header().Set("X-Wp-Totalpages", strconv.Itoa((len(all)+size-1)/size))
	fmt.Fprint(answer, "["+strings.Join(part, ",")+"]")
}

// Shopify is a shop with products by id, as the fields of a GraphQL product, and their
// variants, which it gives page by page.
type Shopify struct {
	Shop

	mu       sync.Mutex
	products map[string]map[string]any
	variants map[string][]map[string]any
	items    map[string]string // products by inventory item
	// Endless lets each page say that another one follows after the same place.
	Endless bool
}

// StartShopify starts a shop that takes one token.
func StartShopify(tb testing.TB, token string) *Shopify {
	tb.Helper()
	s := &Shopify{products: make(map[string]map[string]any), variants: make(map[string][]map[string]any), items: make(map[string]string)}
	s.start(tb, func(answer http.ResponseWriter, request *http.Request) {
		if request.Header.Get("X-Shopify-Access-Token") != token {
			answer.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(answer, `{"errors":"[API] Invalid API key or access token (unrecognized login or wrong password)"}`)
			return
		}
		s.serve(answer, request)
	})
	return s
}

// Set gives a product its fields and its variants.
func (s *Shopify) Set(id string, product map[string]any, variants ...map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.products[id], s.variants[id] = product, variants
}

// SetInventoryItem says whose product an inventory item is.
func (s *Shopify) SetInventoryItem(item, product string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.items[item] = product
}

func (s *Shopify) serve(answer http.ResponseWriter, request *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var asked struct {
		Query     string            `json:"query"`
		Variables map[string]string `json:"variables"`
	}
	if request.Method != http.MethodPost || !strings.HasPrefix(request.URL.Path, "/admin/api/20") || !strings.HasSuffix(request.URL.Path, "/graphql.json") {
		answer.WriteHeader(http.StatusNotFound)
		fmt.Fprint(answer, `{"errors":"Not Found"}`)
		return
	}
	if json.NewDecoder(request.Body).Decode(&asked) != nil {
		answer.WriteHeader(http.StatusBadRequest)
		return
	}
	kind, id, _ := strings.Cut(strings.TrimPrefix(asked.Variables["id"], "gid://shopify/"), "/")
	data := map[string]any{}
	switch kind {
	case "InventoryItem":
		data["inventoryItem"] = nil
		if product, found := s.items[id]; found {
			data["inventoryItem"] = map[string]any{"variant": map[string]any{"product": map[string]any{"legacyResourceId": product}}}
		}
	case "Product":
		data["product"] = nil
		if product, found := s.products[id]; found {
			const size = 100
			after, _ := strconv.Atoi(asked.Variables["after"])
			all := s.variants[id]
			until := min(len(all), after+size)
			whole := map[string]any{"legacyResourceId": id}
			maps.Copy(whole, product)
			more := until < len(all)
			if s.Endless {
				more, until = true, after
			}
			whole["variants"] = map[string]any{
				"nodes": all[min(after, len(all)):max(until, min(after, len(all)))], "pageInfo": map[string]any{"hasNextPage": more, "endCursor": strconv.Itoa(until)},
			}
			data["product"] = whole
		}
	}
	if err := json.NewEncoder(answer).Encode(map[string]any{
		"data": data, "extensions": map[string]any{"cost": map[string]any{"requestedQueryCost": 101}},
	}); err != nil {
		panic(err) // ends the connection: the client sees it
	}
}
