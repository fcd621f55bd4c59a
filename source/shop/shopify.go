package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/internal/sleep"
	"github.com/catalog-courier/catalog-courier/source/webhook"
)

// ShopifyVersion is the version of the Admin API that is asked. Shopify answers for a year,
// and then with the oldest version that it still has.
const ShopifyVersion = "2026-07"

// Shopify reads products by the GraphQL Admin API.
type Shopify struct{ *caller }

// NewShopify makes a client of the shop at https://<name>.myshopify.com, with an access
// token of an app that has the scope read_products, and read_inventory for topics about stock. The
// error is ErrAddress.
func NewShopify(address, token string) (*Shopify, error) {
	if token == "" {
		return nil, fmt.Errorf("%w: access_token is needed", ErrAddress)
	}
	c, err := newCaller(address, func(request *http.Request) { request.Header.Set("X-Shopify-Access-Token", token) })
	if err != nil {
		return nil, err
	}
	return &Shopify{c}, nil
}

// A page has as many variants as the cost of one query allows.
const (
	shopifyProductQuery = `query($id: ID!, $after: String) { product(id: $id) {
id legacyResourceId title descriptionHtml vendor productType handle status tags createdAt updatedAt publishedAt templateSuffix
options { name position optionValues { name } }
media(first: 100) { nodes { ... on MediaImage { id image { url } } } }
variants(first: 100, after: $after) { pageInfo { hasNextPage endCursor } nodes {
legacyResourceId title price compareAtPrice sku barcode position inventoryPolicy inventoryQuantity taxable
selectedOptions { name value } media(first: 1) { nodes { ... on MediaImage { id } } } inventoryItem { tracked requiresShipping } } } } }`
	shopifyInventoryQuery = `query($id: ID!) { inventoryItem(id: $id) { variant { product { legacyResourceId } } } }`
)

type shopifyAnswer struct {
	Data struct {
		Product       *shopifyProduct `json:"product"`
		InventoryItem *struct {
			Variant *struct {
				Product struct {
					ID json.Number `json:"legacyResourceId"`
				} `json:"product"`
			} `json:"variant"`
		} `json:"inventoryItem"`
	} `json:"data"`
	Errors []struct {
		Message    string `json:"message"`
		Extensions struct {
			Code string `json:"code"`
		} `json:"extensions"`
	} `json:"errors"`
	Extensions struct {
		Cost struct {
			Requested float64 `json:"requestedQueryCost"`
			Throttle  struct {
				Available float64 `json:"currentlyAvailable"`
				Restore   float64 `json:"restoreRate"`
			} `json:"throttleStatus"`
		} `json:"cost"`
	} `json:"extensions"`
}

type shopifyProduct struct {
	ID          json.Number `json:"legacyResourceId"`
	Title       string      `json:"title"`
	Description string      `json:"descriptionHtml"`
	Vendor      string      `json:"vendor"`
	Type        string      `json:"productType"`
	Handle      string      `json:"handle"`
	Status      string      `json:"status"`
	Tags        []string    `json:"tags"`
	CreatedAt   string      `json:"createdAt"`
	UpdatedAt   string      `json:"updatedAt"`
	PublishedAt string      `json:"publishedAt"`
	Template    string      `json:"templateSuffix"`
	Options     []struct {
		Name     string      `json:"name"`
		Position json.Number `json:"position"`
		Values   []struct {
			Name string `json:"name"`
		} `json:"optionValues"`
	} `json:"options"`
	Media struct {
		Nodes []struct {
			ID    string `json:"id"`
			Image struct {
				URL string `json:"url"`
			} `json:"image"`
		} `json:"nodes"`
	} `json:"media"`
	Variants struct {
		PageInfo struct {
			HasNextPage bool   `json:"hasNextPage"`
			EndCursor   string `json:"endCursor"`
		} `json:"pageInfo"`
		Nodes []shopifyVariant `json:"nodes"`
	} `json:"variants"`
}

type shopifyVariant struct {
	ID             json.Number `json:"legacyResourceId"`
	Title          string      `json:"title"`
	Price          string      `json:"price"`
	CompareAtPrice *string     `json:"compareAtPrice"`
	SKU            string      `json:"sku"`
	Barcode        string      `json:"barcode"`
	Position       json.Number `json:"position"`
	Policy         string      `json:"inventoryPolicy"`
	Quantity       json.Number `json:"inventoryQuantity"`
	Taxable        bool        `json:"taxable"`
	Options        []struct {
		Value string `json:"value"`
	} `json:"selectedOptions"`
	Media struct {
		Nodes []struct {
			ID string `json:"id"`
		} `json:"nodes"`
	} `json:"media"`
	Inventory struct {
		Tracked          bool `json:"tracked"`
		RequiresShipping bool `json:"requiresShipping"`
	} `json:"inventoryItem"`
}

// Fetch reads a product and all its variants.
func (s *Shopify) Fetch(ctx context.Context, d webhook.Delivery) (webhook.Delivery, error) {
	id := d.Incomplete
	if id == "" {
		found, err := s.productOf(ctx, d.InventoryItem)
		if err != nil {
			return d, fmt.Errorf("find the product of inventory item %s: %w", d.InventoryItem, err)
		}
		id = found
	}
	var product map[string]any
	var variants []any
	after := ""
	for page := 1; ; page++ {
		if page > maxPages {
			return d, fmt.Errorf("read product %s: %w: more than %d", id, ErrPages, maxPages)
		}
		variables := map[string]any{"id": "gid://shopify/Product/" + id}
		if after != "" {
			variables["after"] = after
		}
		answer, err := s.query(ctx, shopifyProductQuery, variables)
		switch {
		case err != nil:
			return d, fmt.Errorf("read product %s: %w", id, err)
		case answer.Data.Product == nil:
			return d, fmt.Errorf("read product %s: %w", id, ErrGone)
		}
		read := answer.Data.Product
		if product == nil {
			product = read.asWebhook()
		}
		for _, variant := range read.Variants.Nodes {
			variants = append(variants, variant.asWebhook())
		}
		info := read.Variants.PageInfo
		if !info.HasNextPage {
			break
		}
		if info.EndCursor == "" || info.EndCursor == after {
			return d, fmt.Errorf("read product %s: %w: page %d ends where it began", id, ErrPages, page)
		}
		after = info.EndCursor
	}
	product["variants"] = variants
	fetched := d
	fetched.Product, fetched.Incomplete, fetched.Lacks, fetched.InventoryItem, fetched.Ignored = id, "", "", "", ""
	fetched.Items = webhook.ShopifyItems(product)
	// The first page's time: what changed while the others were read has a webhook of its own.
	fetched.At, _ = time.Parse(time.RFC3339, textOf(product["updated_at"]))
	fetched.At = fetched.At.UTC()
	return fetched, nil
}

func (s *Shopify) productOf(ctx context.Context, item string) (string, error) {
	answer, err := s.query(ctx, shopifyInventoryQuery, map[string]any{"id": "gid://shopify/InventoryItem/" + item})
	switch found := answer.Data.InventoryItem; {
	case err != nil:
		return "", err
	case found == nil || found.Variant == nil || found.Variant.Product.ID == "":
		return "", ErrGone
	default:
		return found.Variant.Product.ID.String(), nil
	}
}

// query sends a query and waits while the shop says that its bucket is empty.
func (s *Shopify) query(ctx context.Context, text string, variables map[string]any) (answer shopifyAnswer, err error) {
	body, err := json.Marshal(map[string]any{"query": text, "variables": variables})
	if err != nil {
		return answer, err
	}
	for try := 1; ; try++ {
		answer = shopifyAnswer{}
		if err := s.call(ctx, http.MethodPost, path.Join("admin/api", ShopifyVersion, "graphql.json"), nil, body, &answer); err != nil {
			if errors.Is(err, ErrGone) {
				return answer, fmt.Errorf("%w: there is no Admin API %s at the address", ErrAway, ShopifyVersion)
			}
			return answer, err
		}
		if len(answer.Errors) == 0 {
			return answer, nil
		}
		first := answer.Errors[0]
		switch first.Extensions.Code {
		case "THROTTLED":
			after := answer.restored()
			if try == maxTries || after > maxWait {
				return answer, &ThrottledError{After: after}
			}
			if err := sleep.For(ctx, after); err != nil {
				return answer, errors.Join(&ThrottledError{After: after}, err)
			}
		case "ACCESS_DENIED":
			return answer, fmt.Errorf("%w: %s", ErrKey, legible.Clip(first.Message, 200))
		default:
			return answer, fmt.Errorf("%w: %s", ErrAway, legible.Clip(first.Message, 200))
		}
	}
}

// restored is after how long the shop's bucket has what the query costs.
func (a shopifyAnswer) restored() time.Duration {
	cost := a.Extensions.Cost
	if cost.Throttle.Restore <= 0 {
		return 2 * time.Second
	}
	seconds := (cost.Requested - cost.Throttle.Available) / cost.Throttle.Restore
	return time.Duration(min(max(seconds, 0.5), 60) * float64(time.Second))
}

// asWebhook gives a product the form that it has in webhooks.
func (p *shopifyProduct) asWebhook() map[string]any {
	images, options := make([]any, 0, len(p.Media.Nodes)), make([]any, 0, len(p.Options))
	for _, node := range p.Media.Nodes {
		if node.Image.URL != "" {
			images = append(images, map[string]any{"id": node.ID, "src": node.Image.URL})
		}
	}
	for _, option := range p.Options {
		values := make([]any, len(option.Values))
		for i, value := range option.Values {
			values[i] = value.Name
		}
		options = append(options, map[string]any{"name": option.Name, "position": option.Position, "values": values})
	}
	return map[string]any{
		"id": p.ID, "title": p.Title, "body_html": p.Description, "vendor": p.Vendor, "product_type": p.Type, "handle": p.Handle,
		"status": strings.ToLower(p.Status), "tags": strings.Join(p.Tags, ", "), "created_at": p.CreatedAt, "updated_at": p.UpdatedAt,
		"published_at": p.PublishedAt, "template_suffix": p.Template, "images": images, "options": options,
	}
}

func (v *shopifyVariant) asWebhook() map[string]any {
	variant := map[string]any{
		"id": v.ID, "title": v.Title, "price": v.Price, "sku": v.SKU, "barcode": v.Barcode, "position": v.Position,
		"inventory_policy": strings.ToLower(v.Policy), "taxable": v.Taxable,
		"requires_shipping": v.Inventory.RequiresShipping,
	}
	if v.Quantity != "" {
		variant["inventory_quantity"] = v.Quantity
	}
	if v.CompareAtPrice != nil {
		variant["compare_at_price"] = *v.CompareAtPrice
	}
	if v.Inventory.Tracked {
		variant["inventory_management"] = "shopify"
	}
	for i, option := range v.Options {
		variant[fmt.Sprint("option", i+1)] = option.Value
	}
	if len(v.Media.Nodes) > 0 {
		variant["image_id"] = v.Media.Nodes[0].ID
	}
	return variant
}
