package simulation

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/publish"
)

// change is a mutation that was published.
type change struct {
	number   int
	at       time.Time
	sequence uint64
	line     int // of a pack
	mutation publish.Mutation
	bad      bool // the platform refuses it for its content
	invalid  bool // no request can say it
	vanished bool // the stream was restored from before it

	behind   int  // changes of its item that had no end when it was published, with it
	doubtful int  // of those, as behind counts them
	final    bool // at the last look
	late     bool // which was said already
}

// draft makes up a mutation.
func (w *world) draft() *change {
	account, _ := w.account(w.random.IntN(w.plan.accounts))
	c := w.draftOf(account, fmt.Sprint("i", w.random.IntN(w.plan.items)))
	w.count(c)
	return c
}

func (w *world) draftOf(account, item string) *change {
	r := w.random
	i := len(w.published) + len(w.unsent)
	c := &change{mutation: publish.Mutation{Account: account, Catalog: "c", Type: w.typeOf(account), ItemID: item}}
	say := func(operation catalog.Operation, format string, values ...any) {
		c.mutation.Operation = operation
		if format != "" {
			c.mutation.Attributes = json.RawMessage(fmt.Sprintf(format, values...))
		}
	}
	if w.plan.restoresLedger && r.IntN(6) == 0 {
		c.mutation.Type, c.invalid = "NO_SUCH_TYPE", true // what is read again is recorded again, valid or not
		say(catalog.Upsert, `{"title":"t%d"}`, i)
		return c
	}
	settings := w.config.Accounts[account].Catalogs
	if _, localizes := settings["l"]; localizes && r.IntN(3) == 0 {
		c.mutation.Catalog = "l"
		c.mutation.Localization = catalog.Localization{Type: "LANGUAGE", Value: []string{"pl_PL", "fr_FR"}[r.IntN(2)]}
		c.invalid = w.localize(i, say)
		return c
	}
	if settings["c"].Keys.Text("body") != "" && r.IntN(8) == 0 {
		say(catalog.DeleteDiscontinued, "")
		return c
	}
	switch r.IntN(14) {
	case 0, 1, 2:
		say(catalog.Upsert, `{"title":"t%d","color":"c%d"}`, i, i)
	case 3:
		say(catalog.Upsert, `{"title":"t%d"}`, i)
	case 4:
		say(catalog.Upsert, `{"title":"t%d","price":"cheap"}`, i)
		c.bad = true
	case 5:
		say(catalog.Create, `{"title":"t%d","brand":"b%d"}`, i, i)
	case 6, 7:
		say(catalog.Update, `{"brand":"b%d"}`, i)
	case 8:
		say(catalog.Update, `{"color":null,"brand":"b%d"}`, i)
	case 9:
		say(catalog.Update, `{"price":"cheap %d"}`, i)
		c.bad = true
	case 10:
		say(catalog.Update, `{"material":"m%d","size":"%d"}`, i, i)
	default:
		say(catalog.Delete, "")
	}
	return c
}

// localize makes up what is said of a localization, of which nothing can be cleared.
func (w *world) localize(i int, say func(operation catalog.Operation, format string, values ...any)) (invalid bool) {
	switch w.random.IntN(6) {
	case 0, 1:
		say(catalog.Upsert, `{"title":"l%d","description":"d%d"}`, i, i)
	case 2:
		say(catalog.Create, `{"title":"l%d"}`, i)
	case 3:
		say(catalog.Update, `{"description":"d%d"}`, i)
	case 4:
		say(catalog.Update, `{"description":null,"title":"l%d"}`, i)
		return true
	default:
		say(catalog.Delete, "")
	}
	return false
}

// typeOf is the catalog type of all items of an account.
func (w *world) typeOf(account string) catalog.Type {
	if w.isMeta(account) {
		return "PRODUCT_ITEM"
	}
	return "RETAIL"
}

// asRead is the mutation as a worker reads it.
func (c *change) asRead() *catalog.Mutation {
	attributes, _ := c.mutation.Attributes.(json.RawMessage)
	return &catalog.Mutation{
		ID: c.mutation.ID, Lane: catalog.Lane{Account: c.mutation.Account, Catalog: c.mutation.Catalog, Type: c.mutation.Type},
		ItemID: c.mutation.ItemID, Operation: c.mutation.Operation, Attributes: attributes,
		HasNull: strings.Contains(string(attributes), "null"), Localization: c.mutation.Localization,
	}
}

// item is how platforms call the item, or the localization of it.
func (c *change) item() string {
	if c.mutation.Localization.IsZero() {
		return c.mutation.ItemID
	}
	return sandbox.LocalizedID(c.mutation.ItemID, c.mutation.Localization)
}
