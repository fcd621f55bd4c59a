package webhook

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"
)

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
		d.At, d.TrueAt = orNow(shopTime(triggered), now), orNow(shopTime(triggered), now)
		d.Ignored = "the topic is not about products"
		if strings.HasPrefix(d.Topic, "inventory_") {
			d.Ignored = "inventory topics name no variant: subscribe to products/update, which is sent for stock as well, or configure the shop with an access token"
			d.InventoryItem, d.At = inventoryItem(d.Topic, body, d.At)
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
	d.Product = id
	d.At, d.TrueAt = orNow(shopTime(product["updated_at"], triggered), now), orNow(shopTime(triggered), now)
	if d.Topic == "products/delete" {
		d.At = orNow(shopTime(triggered), now)
		d.DeletedGroup = id
		return d, nil
	}
	d.Items = ShopifyItems(product)
	// Beyond some number of variants the others are named by id only, and a subscription with
	// include_fields may leave all of them out.
	named, _ := product["variant_gids"].([]any)
	switch variants, there := product["variants"].([]any); {
	case !there || len(variants) == 0:
		d.Incomplete, d.Lacks = id, "the body has no variants"
	case len(named) > len(variants):
		d.Incomplete, d.Lacks = id, fmt.Sprintf("the body has %d of %d variants", len(variants), len(named))
	}
	return d, nil
}

// inventoryItem is what a delivery about stock is about, and when it changed; "" where the body
// does not say.
func inventoryItem(topic string, body []byte, at time.Time) (string, time.Time) {
	level, err := decode(body)
	if err != nil {
		return "", at
	}
	id := text(level["inventory_item_id"])
	if strings.HasPrefix(topic, "inventory_items/") {
		id = text(level["id"])
	}
	return id, orNow(shopTime(level["updated_at"]), at)
}

// ShopifyItems makes a record of each variant of a product that has the form of Shopify's
// webhooks, with the names of Shopify's export. The group is the id of the product, which an export does
// not have: docs/webhooks.md says what makes both agree.
func ShopifyItems(product map[string]any) (items []map[string]any) {
	id := text(product["id"])
	common := make(map[string]any)
	for name, value := range product {
		switch name {
		case "variants", "images", "image", "options", "id", "media", "variant_gids", "admin_graphql_api_id":
		default:
			put(common, name, value)
		}
	}
	if at, there := product["published_at"]; there && text(at) == "" {
		common["published"] = false // as in the export; a body without the field says nothing
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

func optionNames(value any) (names []string) {
	list, _ := value.([]any)
	for _, entry := range list {
		option, _ := entry.(map[string]any)
		names = append(names, text(option["name"]))
	}
	return names
}
