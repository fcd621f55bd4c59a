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

// shipments are the entries of an item.
type shipments []shipment

// maxShipments bounds the entries of an item.
const maxShipments = 100

// parseShipping reads both forms of feeds: elements with parts, and text, where a comma
// separates entries.
func parseShipping(value any, decimal byte, home string) (shipments, error) {
	return appendShipping(make(shipments, 0, 2), value, decimal, home, 0)
}

func appendShipping(found shipments, value any, decimal byte, home string, depth int) (shipments, error) {
	var err error
	switch value := value.(type) {
	case []any:
		if depth > 0 {
			return nil, errShipping
		}
		for _, element := range value {
			if found, err = appendShipping(found, element, decimal, home, depth+1); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		part := func(name string) string {
			text, _ := scalar(value[name])
			return text
		}
		return found.add(part("country"), part("region"), part("service"), value["price"], decimal, home)
	case string:
		for _, entry := range shippingEntries(value) {
			parts := strings.SplitN(entry, ":", 5)
			if len(parts) < 4 {
				return nil, errShipping
			}
			if found, err = found.add(strings.TrimSpace(parts[0]), strings.TrimSpace(parts[1]), strings.TrimSpace(parts[2]), strings.TrimSpace(parts[3]), decimal, home); err != nil {
				return nil, err
			}
		}
	default:
		return nil, errShipping
	}
	return found, nil
}

func (s shipments) add(country, region, service string, amount any, decimal byte, home string) (shipments, error) {
	if len(s) == maxShipments {
		return nil, errors.New("more than 100 shipping entries")
	}
	parsed, err := parsePrice(amount, decimal, home)
	if err != nil {
		return nil, err
	}
	return append(s, shipment{country, region, service, parsed}), nil
}

// shippingEntries splits at commas, except at those of an amount: what has no colon
// belongs to the entry before it.
func shippingEntries(text string) []string {
	var entries []string
	start, at := 0, 0
	for part := range strings.SplitSeq(text, ",") {
		if at > 0 && strings.Contains(part, ":") {
			entries = append(entries, text[start:at-1])
			start = at
		}
		if at += len(part) + 1; len(entries) > maxShipments {
			break
		}
	}
	return append(entries, text[start:])
}

func (s shipment) text() string {
	return strings.Join([]string{s.country, s.region, s.service, s.price.String()}, ":")
}

// appendJSON writes an entry in Meta's form.
func (s shipment) appendJSON(to []byte) []byte {
	to = append(to, '{')
	for _, part := range [...]struct{ name, value string }{
		{"shipping_country", s.country},
		{"shipping_price_currency", s.price.currency},
		{"shipping_price_value", s.price.amount},
		{"shipping_region", s.region},
		{"shipping_service", s.service},
	} {
		if part.value == "" {
			continue
		}
		if to[len(to)-1] != '{' {
			to = append(to, ',')
		}
		to = append(appendText(to, part.name), ':')
		to = appendText(to, part.value)
	}
	return append(to, '}')
}
