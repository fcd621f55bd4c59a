package pinterestsim

import (
	"fmt"
	"regexp"
	"slices"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

const maxPinterestItems = 1000

// bodyForm is one of the two request bodies of POST catalogs/items/batch.
type bodyForm struct {
	members []string // all that may stand at the top; additionalProperties is false
	// operation is that of every record; 0 where each record has its own.
	operation  catalog.Operation
	operations []catalog.Operation
	// list is the member that has the records.
	list string
	// unbounded reports that the schema sets no bounds to the number of items.
	unbounded bool
}

var (
	verticalMembers    = []string{"catalog_type", "country", "language", "catalog_id", "items"}
	legacyMembers      = []string{"country", "language", "operation", "items"}
	verticalOperations = []catalog.Operation{catalog.Create, catalog.Upsert, catalog.Update, catalog.Delete}
)

// formOf tells which body this is: the legacy one has an operation at its top.
func formOf(members map[string]gjson.Result) (form bodyForm, wrong string) {
	said, legacy := members["operation"]
	if !legacy {
		form = bodyForm{members: verticalMembers, operations: verticalOperations, list: "items"}
	} else {
		operation, known := catalog.ParseOperation(said.Str)
		if !known {
			return bodyForm{}, "operation is not in the enumeration"
		}
		form = bodyForm{
			members: legacyMembers, operation: operation, operations: catalog.Operations(), list: "items",
			unbounded: operation == catalog.Delete || operation == catalog.DeleteDiscontinued,
		}
	}
	for name := range members {
		if !slices.Contains(form.members, name) {
			return form, fmt.Sprintf("additional property %.40q", name)
		}
	}
	return form, ""
}

// membersOf reads the top of a body. wrong says why it is refused as a whole.
func (p pinterestFace) membersOf(body []byte) (members map[string]gjson.Result, wrong string) {
	if !p.Options.SkipValidation && !gjson.ValidBytes(body) {
		return nil, "the body is not JSON"
	}
	//nolint:gosec // read-only view: nobody writes to the body any more
	top := gjson.Parse(unsafe.String(unsafe.SliceData(body), len(body)))
	if !top.IsObject() {
		return nil, "the body is not an object"
	}
	members = map[string]gjson.Result{}
	top.ForEach(func(name, value gjson.Result) bool {
		members[name.Str] = value
		return len(members) <= len(verticalMembers)
	})
	return members, ""
}

// readPinterest reads a body. wrong says why it is refused as a whole.
func (p pinterestFace) readPinterest(body []byte) (b *sandbox.Batch, wrong string) {
	members, wrong := p.membersOf(body)
	if wrong != "" {
		return nil, wrong
	}
	form, wrong := formOf(members)
	if wrong != "" {
		return nil, wrong
	}
	itemType := catalog.Type(members["catalog_type"].Str)
	if form.operation != 0 {
		itemType = "RETAIL"
	}
	known := p.types[itemType]
	if known == nil || itemType == localInventory {
		return nil, "catalog_type is not one of RETAIL, HOTEL, CREATIVE_ASSETS"
	}
	if wrong := headIsWrong(members); wrong != "" {
		return nil, wrong
	}
	b = &sandbox.Batch{Key: sandbox.TableKey{
		Catalog:  Catalog(members["country"].Str, members["language"].Str, members["catalog_id"].Str),
		ItemType: itemType,
	}}
	reader := recordReader{
		face: p, form: form, known: known, itemType: itemType,
		feedOwned: !p.Options.FeedRefusesBatch && p.feedOwns(b.Key.Catalog),
	}
	return b, reader.readAll(b, members[form.list])
}

func headIsWrong(members map[string]gjson.Result) string {
	id := members["catalog_id"]
	switch {
	case !slices.Contains(countries, members["country"].Str):
		return "country is not in the enumeration"
	case !slices.Contains(languages, members["language"].Str):
		return "language is not in the enumeration"
	case id.Exists() && (id.Type != gjson.String || !digits.MatchString(id.Str)):
		return "catalog_id does not match ^\\d+$"
	case !members["items"].IsArray():
		return fmt.Sprintf("('%.40s' is not of type array)", members["items"].Raw)
	default:
		return ""
	}
}

var digits = regexp.MustCompile(`^[0-9]+$`)

// feedOwns reports whether a feed fills the catalog, so that CREATE and UPSERT are
// refused. What Pinterest answers there is not documented: an option chooses
// between the item and the batch.
func (p pinterestFace) feedOwns(catalogKey string) bool {
	return slices.Contains(p.Options.FeedOwned, catalogKey)
}

// refusedByFeed reports whether the batch has what is not for a catalog that a
// feed fills.
func (p pinterestFace) refusedByFeed(b *sandbox.Batch) bool {
	return p.Options.FeedRefusesBatch && p.feedOwns(b.Key.Catalog) && slices.ContainsFunc(b.Changes, isForFeeds)
}

// isForFeeds: "Available with feed?" is "no" for CREATE and UPSERT.
func isForFeeds(one sandbox.Change) bool {
	return one.Operation == catalog.Create || one.Operation == catalog.Upsert
}
