package webhook

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

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
	d.TrueAt = d.At
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
