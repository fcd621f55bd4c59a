package mapping

import (
	"errors"
	"strings"
)

var errShipping = errors.New("not a shipping entry: country:region:service:price, or its parts as elements")

// shipment is one entry of an item's shipping.
type shipment struct {
	country, region, service string
	price                    price
}

// maxShipments bounds the entries of an item.
const maxShipments = 100

// parseShipping reads both forms of feeds: elements with parts, and text, where a comma
// separates entries.
func parseShipping(value any, decimal byte, home string) ([]shipment, error) {
	var found []shipment
	switch value := value.(type) {
	case []any:
		for _, element := range value {
			entries, err := parseShipping(element, decimal, home)
			if err != nil {
				return nil, err
			}
			if found = append(found, entries...); len(found) > maxShipments {
				return nil, errors.New("more than 100 shipping entries")
			}
		}
	case map[string]any:
		part := func(name string) string {
			text, _ := scalar(value[name])
			return text
		}
		amount, err := parsePrice(value["price"], decimal, home)
		if err != nil {
			return nil, err
		}
		found = append(found, shipment{part("country"), part("region"), part("service"), amount})
	case string:
		for _, entry := range shippingEntries(value) {
			parts := strings.Split(entry, ":")
			if len(parts) < 4 {
				return nil, errShipping
			}
			amount, err := parsePrice(strings.TrimSpace(parts[3]), decimal, home)
			if err != nil {
				return nil, err
			}
			found = append(found, shipment{strings.TrimSpace(parts[0]), strings.TrimSpace(parts[1]), strings.TrimSpace(parts[2]), amount})
			if len(found) > maxShipments {
				return nil, errors.New("more than 100 shipping entries")
			}
		}
	default:
		return nil, errShipping
	}
	return found, nil
}

// shippingEntries splits at commas, except at those of an amount: what has no colon
// belongs to the entry before it.
func shippingEntries(text string) []string {
	var entries []string
	for part := range strings.SplitSeq(text, ",") {
		if len(entries) > 0 && !strings.Contains(part, ":") {
			entries[len(entries)-1] += "," + part
			continue
		}
		entries = append(entries, part)
	}
	return entries
}

func (s shipment) text() string {
	return strings.Join([]string{s.country, s.region, s.service, s.price.String()}, ":")
}

// object is an entry in Meta's form.
func (s shipment) object() object {
	parts := [...]struct{ name, value string }{
		{"shipping_country", s.country},
		{"shipping_price_currency", s.price.currency},
		{"shipping_price_value", s.price.amount},
		{"shipping_region", s.region},
		{"shipping_service", s.service},
	}
	entry := make(object, 0, len(parts))
	for _, part := range parts {
		if part.value != "" {
			entry = append(entry, member{part.name, part.value})
		}
	}
	return entry
}
