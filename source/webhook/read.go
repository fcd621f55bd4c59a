package webhook

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Delivery is what a sender told: items that changed, or what was deleted.
type Delivery struct {
	// ID is the same for a delivery that is repeated.
	ID    string
	Topic string
	// At is the sender's own time of the change.
	At time.Time
	// Items are records, one for each variant, with the names that a feed reader gives to
	// the shop's export. What a sender leaves out of a list of variants is not deleted.
	Items []map[string]any
	// DeletedGroup is the id of a product whose items are deleted, DeletedItem that of an
	// item that has no others beside it.
	DeletedGroup, DeletedItem string
	// Ignored says why there is nothing to do, for a topic that is not about items.
	Ignored string
	// Incomplete says that items have to be fetched: a variable product of WooCommerce
	// names its variations by id only.
	Incomplete string
}

// ErrBody says that a body is not what its topic promises.
var ErrBody = errors.New("the body is not what its topic promises")

// Read reads a body whose signature was checked. now is the time of a delivery whose sender
// names none. The error is ErrBody.
func Read(kind Kind, header http.Header, body []byte, now time.Time) (Delivery, error) {
	switch kind {
	case Shopify:
		return readShopify(header, body, now)
	case WooCommerce:
		return readWooCommerce(header, body, now)
	case Standard:
		return readStandard(header, body, now)
	}
	return Delivery{}, fmt.Errorf("%w: unknown kind %q", ErrBody, kind)
}

// Kept are the headers without which a body cannot be read again. None is a secret.
func Kept(header http.Header) map[string]string {
	kept := make(map[string]string)
	for _, name := range []string{
		"X-Shopify-Topic", "X-Shopify-Webhook-Id", "X-Shopify-Event-Id", "X-Shopify-Triggered-At", "X-Shopify-Api-Version", "X-Shopify-Shop-Domain",
		"Shopify-Topic", "Shopify-Webhook-Id", "Shopify-Event-Id", "Shopify-Triggered-At", "Shopify-Api-Version", "Shopify-Shop-Domain",
		"X-Wc-Webhook-Topic", "X-Wc-Webhook-Resource", "X-Wc-Webhook-Event", "X-Wc-Webhook-Delivery-Id", "X-Wc-Webhook-Source",
		"Webhook-Id", "Webhook-Timestamp", "Svix-Id", "Svix-Timestamp", "Content-Type",
	} {
		if value := header.Get(name); value != "" {
			kept[name] = value
		}
	}
	return kept
}

// decode reads one JSON value and nothing behind it; numbers stay as they are written.
func decode(body []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBody, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: something follows the object", ErrBody)
	}
	if object == nil {
		return nil, fmt.Errorf("%w: it is not an object", ErrBody)
	}
	return object, nil
}

// text is a string or a number as a string; "" for everything else.
func text(value any) string {
	switch value := value.(type) {
	case string:
		return strings.TrimSpace(value)
	case json.Number:
		return value.String()
	}
	return ""
}

// instant reads a time in one of the forms that senders use; those without a zone are UTC.
func instant(values ...any) time.Time {
	for _, value := range values {
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05 MST"} {
			if at, err := time.Parse(layout, text(value)); err == nil && !at.IsZero() {
				return at.UTC()
			}
		}
	}
	return time.Time{}
}

// orNow is the sender's time, or now where it names none or one that is yet to come: no later
// change could be told from such a one.
func orNow(at, now time.Time) time.Time {
	if at.IsZero() || at.After(now) {
		return now.UTC()
	}
	return at
}

func readShopify(header http.Header, body []byte, now time.Time) (Delivery, error) {
	d := Delivery{
		// The same event may be delivered to several subscriptions; a delivery that is
		// repeated keeps this one.
		ID:    first(header, "X-Shopify-Webhook-Id", "Shopify-Webhook-Id", "X-Shopify-Event-Id", "Shopify-Event-Id"),
		Topic: first(header, "X-Shopify-Topic", "Shopify-Topic"),
	}
	if d.ID == "" {
		d.ID = digest(d.Topic, string(body))
	}
	triggered := first(header, "X-Shopify-Triggered-At", "Shopify-Triggered-At")
	switch d.Topic {
	case "products/create", "products/update", "products/delete":
	default:
		d.Ignored = "the topic is not about products"
		if strings.HasPrefix(d.Topic, "inventory_") {
			d.Ignored = "inventory topics name no variant: subscribe to products/update, which is sent for stock as well"
		}
		return d, nil
	}
	product, err := decode(body)
	if err != nil {
		return d, err
	}
	id := text(product["id"])
	if id == "" {
		return d, fmt.Errorf("%w: the product has no id", ErrBody)
	}
	d.At = orNow(instant(product["updated_at"], triggered), now)
	if d.Topic == "products/delete" {
		d.At = orNow(instant(triggered), now)
		d.DeletedGroup = id
		return d, nil
	}
	d.Items = shopifyItems(id, product)
	return d, nil
}

// shopifyItems makes a record of each variant, with the names of Shopify's export.
func shopifyItems(id string, product map[string]any) (items []map[string]any) {
	common := make(map[string]any)
	for name, value := range product {
		switch name {
		case "variants", "images", "image", "options", "id", "media", "variant_gids", "admin_graphql_api_id":
		default:
			put(common, name, value)
		}
	}
	put(common, "product_id", id)
	put(common, "item_group_id", id)
	pictures := make(map[string]any) // by id
	var images []any
	list, _ := product["images"].([]any)
	for _, entry := range list {
		if image, ok := entry.(map[string]any); ok && text(image["src"]) != "" {
			pictures[text(image["id"])] = image["src"]
			images = append(images, image["src"])
		}
	}
	if main, ok := product["image"].(map[string]any); ok && len(images) == 0 && text(main["src"]) != "" {
		images = append(images, main["src"])
	}
	if len(images) > 0 {
		common["images"] = images
	}
	names := optionNames(product["options"])
	variants, _ := product["variants"].([]any)
	for _, entry := range variants {
		variant, ok := entry.(map[string]any)
		if !ok {
			continue
		}
		item := maps.Clone(common)
		for name, value := range variant {
			switch name {
			case "id":
				put(item, "variant_id", text(value))
			case "title":
				if text(value) != "Default Title" {
					put(item, "variant_title", value)
				}
			case "image_id":
				if source, ok := pictures[text(value)]; ok {
					item["variant_image"] = source
				}
			case "product_id", "created_at", "updated_at", "admin_graphql_api_id":
			default:
				put(item, name, value)
			}
		}
		put(item, "id", item["variant_id"])
		options := make(map[string]any)
		for i, name := range names {
			if value := text(variant[fmt.Sprint("option", i+1)]); name != "" && value != "" && (name != "Title" || value != "Default Title") {
				options[name] = value
			}
		}
		if len(options) > 0 {
			item["options"] = options
		}
		items = append(items, item)
	}
	return items
}

// put sets a value that there is: records have neither nulls nor empty texts.
func put(item map[string]any, name string, value any) {
	switch value := value.(type) {
	case nil:
		return
	case string:
		if strings.TrimSpace(value) == "" {
			return
		}
	}
	item[name] = value
}

func optionNames(value any) (names []string) {
	list, _ := value.([]any)
	for _, entry := range list {
		option, _ := entry.(map[string]any)
		names = append(names, text(option["name"]))
	}
	return names
}

func readWooCommerce(header http.Header, body []byte, now time.Time) (Delivery, error) {
	d := Delivery{Topic: header.Get("X-Wc-Webhook-Topic")}
	if d.Topic == "" {
		// On saving a webhook WooCommerce sends an unsigned form, webhook_id=N.
		if IsPing(WooCommerce, header, body) {
			return Delivery{ID: digest("ping", string(body)), Topic: "ping", Ignored: "WooCommerce checks the address"}, nil
		}
		return d, fmt.Errorf("%w: there is no topic", ErrBody)
	}
	switch d.Topic {
	case "product.created", "product.updated", "product.restored", "product.deleted":
	default:
		d.ID, d.Ignored = digest(d.Topic, string(body)), "the topic is not about products"
		return d, nil
	}
	product, err := decode(body)
	if err != nil {
		d.ID = digest(d.Topic, string(body))
		return d, err
	}
	id := text(product["id"])
	// The id of a delivery is made of the webhook and the second: two in one second share it.
	d.ID = digest(d.Topic, id, text(product["date_modified_gmt"]), string(body))
	if id == "" {
		return d, fmt.Errorf("%w: the product has no id", ErrBody)
	}
	d.At = orNow(instant(product["date_modified_gmt"]), now)
	if d.Topic == "product.deleted" {
		d.At = now.UTC()
		d.DeletedGroup, d.DeletedItem = id, id
		return d, nil
	}
	item := wooItem(product)
	if text(product["type"]) == "variable" {
		d.Incomplete = id
	}
	d.Items = []map[string]any{item}
	return d, nil
}

// wooItem is a product or a variation of the REST interface with the names of WooCommerce's
// export.
func wooItem(product map[string]any) map[string]any {
	item := make(map[string]any)
	for name, value := range product {
		switch name {
		case "images":
			if sources := sourcesOf(value); len(sources) > 0 {
				item["images"] = sources
			}
		case "image":
			if image, ok := value.(map[string]any); ok && text(image["src"]) != "" {
				item["images"] = []any{image["src"]}
			}
		case "categories", "tags", "brands":
			if names := namesOf(value); len(names) > 0 {
				item[name] = names
			}
		case "id":
			item["id"] = text(value)
		case "parent_id":
			if parent := text(value); parent != "" && parent != "0" {
				item["parent_id"], item["item_group_id"] = parent, parent
			}
		case "_links", "meta_data", "related_ids", "permalink_template":
		case "price", "regular_price", "sale_price":
			put(item, name, text(value))
		default:
			put(item, name, value)
		}
	}
	return item
}

func sourcesOf(value any) (sources []any) {
	list, _ := value.([]any)
	for _, entry := range list {
		if image, ok := entry.(map[string]any); ok && text(image["src"]) != "" {
			sources = append(sources, image["src"])
		}
	}
	return sources
}

func namesOf(value any) (names []any) {
	list, _ := value.([]any)
	for _, entry := range list {
		if named, ok := entry.(map[string]any); ok && text(named["name"]) != "" {
			names = append(names, named["name"])
		}
	}
	return names
}

// readStandard reads {"type": "…", "timestamp": "…", "data": {…}}. A type that ends in
// .deleted deletes the item of data; every other is a change of it.
func readStandard(header http.Header, body []byte, now time.Time) (Delivery, error) {
	d := Delivery{ID: first(header, "Webhook-Id", "Svix-Id")}
	envelope, err := decode(body)
	if err != nil {
		return d, err
	}
	d.Topic = text(envelope["type"])
	d.At = orNow(instant(envelope["timestamp"]), now)
	switch data := envelope["data"].(type) {
	case map[string]any:
		d.Items = []map[string]any{data}
	case []any:
		for i, entry := range data {
			item, ok := entry.(map[string]any)
			if !ok {
				return d, fmt.Errorf("%w: data[%d] is not an object", ErrBody, i)
			}
			d.Items = append(d.Items, item)
		}
	default:
		return d, fmt.Errorf(`%w: it has no "data" with an object or a list of objects`, ErrBody)
	}
	return d, nil
}

// Deletes reports whether a delivery of Standard Webhooks says that its items are deleted.
func (d Delivery) Deletes(kind Kind) bool {
	return kind == Standard && (strings.HasSuffix(d.Topic, ".deleted") || strings.HasSuffix(d.Topic, "/deleted") || strings.HasSuffix(d.Topic, ".delete"))
}

// IsPing reports whether a body is WooCommerce's unsigned check of an address: it is answered
// and nothing more.
func IsPing(kind Kind, header http.Header, body []byte) bool {
	if kind != WooCommerce || header.Get("X-Wc-Webhook-Topic") != "" || len(body) > 64 {
		return false
	}
	form, err := url.ParseQuery(string(body))
	return err == nil && len(form) == 1 && form.Get("webhook_id") != ""
}

// digest makes an id of what a delivery is.
func digest(parts ...string) string {
	sum := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	return "sha256-" + hex.EncodeToString(sum.Sum(nil)[:16])
}
