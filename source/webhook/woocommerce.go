package webhook

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

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
	// The id of a delivery is made of the webhook and the second: two in one second share it,
	// and differ in what they say.
	d.ID = digest(header.Get("X-Wc-Webhook-Delivery-Id"), d.Topic, id, text(product["date_modified_gmt"]), string(body))
	if id == "" {
		return d, fmt.Errorf("%w: the product has no id", ErrBody)
	}
	d.Product = id
	// WooCommerce makes the body when it sends it, and sends it once.
	d.At, d.TrueAt = orNow(shopTime(product["date_modified_gmt"]), now), now.UTC()
	if d.Topic == "product.restored" {
		d.At = now.UTC() // after the product's deletion, which has the time of its delivery
	}
	if d.Topic == "product.deleted" {
		d.At = now.UTC()
		d.DeletedGroup, d.DeletedItem = id, id
		return d, nil
	}
	d.Items = []map[string]any{WooItem(product)}
	switch text(product["type"]) {
	case "variable":
		d.Incomplete, d.Lacks = id, "the body names the variations by id only"
	case "variation":
		// Some versions send a variation with the topic of a product.
		if parent := text(product["parent_id"]); parent != "" && parent != "0" {
			d.Product, d.Incomplete, d.Lacks = parent, parent, "the body is a variation without its product"
		}
	}
	return d, nil
}

// WooItem is a product or a variation of the REST interface with the names of WooCommerce's
// export.
func WooItem(product map[string]any) map[string]any {
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

// WooVariation is the record of a variation of a product. The group is the product's SKU
// where it has one, and the name has the values of the attributes where WooCommerce itself
// would add them, both as in WooCommerce's export.
func WooVariation(product, variation map[string]any) map[string]any {
	item, parent := WooItem(variation), WooItem(product)
	item["type"] = "variation"
	item["name"] = wooName(text(product["name"]), variation["attributes"])
	for _, name := range []string{"status", "catalog_visibility"} {
		if _, own := item[name]; !own {
			put(item, name, parent[name])
		}
	}
	group := text(product["id"])
	put(item, "parent_id", group)
	put(item, "item_group_id", group)
	put(item, "item_group_id", product["sku"])
	delete(parent, "type")
	item["parent_product"] = parent
	return item
}

// wooName follows generate_product_title of WooCommerce's data store of variations.
func wooName(product string, attributes any) string {
	list, _ := attributes.([]any)
	var values []string
	for _, entry := range list {
		attribute, _ := entry.(map[string]any)
		name, value := text(attribute["name"]), text(attribute["option"])
		if len(list) > 1 && strings.ContainsAny(name, " -") {
			return product
		}
		if value != "" {
			values = append(values, value)
		}
	}
	const most = 2
	if len(values) == 0 || len(list) > most {
		return product
	}
	return product + " - " + strings.Join(values, ", ")
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
