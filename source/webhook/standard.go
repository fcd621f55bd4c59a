package webhook

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/instant"
)

// ItemTopics are how types of Standard Webhooks begin that are about items, in lower case:
// one system sends those of orders and customers to the same address, and a customer that is
// deleted must not delete the product with that number.
var ItemTopics = []string{"product", "item", "variant", "sku", "listing", "hotel", "flight", "destination", "vehicle", "home"}

// about reports whether a type begins with one of the topics. A body without a type is about
// items.
func about(topic string, topics []string) bool {
	topic = strings.ToLower(topic)
	return topic == "" || slices.ContainsFunc(topics, func(beginning string) bool { return strings.HasPrefix(topic, strings.ToLower(beginning)) })
}

// readStandard reads {"type": "…", "timestamp": "…", "data": {…}}. A type that ends in
// .deleted deletes the item of data; every other is a change of it.
func readStandard(header http.Header, body []byte, now time.Time, home *time.Location) (Delivery, error) {
	d := Delivery{ID: first(header, "Webhook-Id", "Svix-Id")}
	envelope, err := decode(body)
	if err != nil {
		return d, err
	}
	d.Topic = text(envelope["type"])
	said := text(envelope["timestamp"])
	at, _ := instant.Parse(said, home)
	d.At = orNow(at, now)
	d.TrueAt = d.At
	if said != "" && at.IsZero() {
		d.Unclear = "timestamp is neither a time of ISO 8601 nor seconds since 1970: the time of arrival counts, and a late delivery may undo a newer one"
	}
	if !about(d.Topic, ItemTopics) {
		d.Ignored = "the type is not about items: types about items begin with " + strings.Join(ItemTopics, ", ")
		return d, nil
	}
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

// Deletes reports whether a delivery of Standard Webhooks says that its items are deleted, in
// any letter case.
func (d Delivery) Deletes(kind Kind) bool {
	topic := strings.ToLower(d.Topic)
	return kind == Standard && slices.ContainsFunc([]string{".deleted", "/deleted", ".delete", "/delete"}, func(end string) bool { return strings.HasSuffix(topic, end) })
}
