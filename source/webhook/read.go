package webhook

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/instant"
)

// Delivery is what a sender told: items that changed, or what was deleted.
type Delivery struct {
	// ID is the same for a delivery that is repeated.
	ID    string
	Topic string
	// At is the sender's own time of the change, by which the changes of an item are ordered.
	At time.Time
	// Unclear says what of the delivery could not be read and was taken in another way; "" for
	// nothing.
	Unclear string
	// TrueAt is when the sender made the body. What it says was true then, also where the
	// last change was long before.
	TrueAt time.Time
	// Product is the shop's id of the product that all items belong to; "" where the sender
	// has no products.
	Product string
	// Items are records, one for each variant, with the names that a feed reader gives to
	// the shop's export. What a sender leaves out of a list of variants is not deleted.
	Items []map[string]any
	// DeletedGroup is the id of a product whose items are deleted, DeletedItem that of an
	// item that has no others beside it.
	DeletedGroup, DeletedItem string
	// Ignored says why there is nothing to do, for a topic that is not about items.
	Ignored string
	// Incomplete is the product whose items have to be fetched from the shop, as the body
	// does not have all of them; Lacks says which. InventoryItem is what a delivery about
	// stock names instead of a product; it is ignored where nothing can be fetched.
	Incomplete, Lacks, InventoryItem string
}

// ErrBody says that a body is not what its topic promises.
var ErrBody = errors.New("the body is not what its topic promises")

// Read reads a body whose signature was checked. now is when it was received: the time of a
// delivery whose sender names none. home is the zone of times that name none, UTC where it is
// nil; shops write UTC always. The error is ErrBody; the delivery has an id even so.
func Read(kind Kind, header http.Header, body []byte, now time.Time, home *time.Location) (d Delivery, err error) {
	if home == nil {
		home = time.UTC
	}
	switch kind {
	case Shopify:
		d, err = readShopify(header, body, now)
	case WooCommerce:
		d, err = readWooCommerce(header, body, now)
	case Standard:
		d, err = readStandard(header, body, now, home)
	default:
		err = fmt.Errorf("%w: unknown kind %q", ErrBody, kind)
	}
	d.ID, d.Topic = legible(d.ID, maxID), legible(d.Topic, maxTopic)
	if d.ID == "" {
		d.ID = digest(d.Topic, string(body))
	}
	d.At, d.TrueAt = orNow(d.At, now), orNow(d.TrueAt, now)
	return d, err
}

// maxID and maxTopic bound what is kept of a sender's own names, in bytes.
const maxID, maxTopic = 200, 100

// legible makes a text out of a header that can be kept: Postgres takes neither bytes that are
// no text nor zeros. One that is too long is digested, so that different ones stay so.
func legible(value string, most int) string {
	value = strings.ToValidUTF8(strings.ReplaceAll(value, "\x00", "\uFFFD"), "\uFFFD")
	if len(value) > most {
		return digest(value)
	}
	return value
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
			kept[name] = legible(value, maxID)
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
		return nil, fmt.Errorf("%w: it has no whole JSON object: %w", ErrBody, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: something follows the object", ErrBody)
	}
	if object == nil {
		return nil, fmt.Errorf("%w: it is not an object", ErrBody)
	}
	return object, nil
}

// text is a string or a number as a string, that can be kept; "" for everything else.
func text(value any) string {
	switch value := value.(type) {
	case string:
		return strings.ReplaceAll(strings.TrimSpace(value), "\x00", "\uFFFD")
	case json.Number:
		return value.String()
	}
	return ""
}

// shopTime reads the first of the values that is a time. Shops name the zone, or write UTC.
func shopTime(values ...any) time.Time {
	for _, value := range values {
		if at, ok := instant.Parse(text(value), time.UTC); ok && !at.IsZero() {
			return at.UTC()
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
	return at.UTC()
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

// digest makes an id of what a delivery is.
func digest(parts ...string) string {
	sum := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	return "sha256-" + hex.EncodeToString(sum.Sum(nil)[:16])
}
