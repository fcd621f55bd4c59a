package meta

import (
	"regexp"
	"slices"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
	"github.com/catalog-courier/catalog-courier/platform/rules"
)

// localizedBatch is the dialect of localized_items_batch: records that say how an
// existing item reads in a language, in a country, or both.
// Source: Meta's reference of product catalog localized_items_batch, 2026-02.
type localizedBatch struct {
	baseCatalog string
}

func (localizedBatch) edge() string                   { return localizedBatchEdge }
func (localizedBatch) group(catalog.Operation) string { return "" } // allow_upsert is no parameter there
func (d localizedBatch) base() string                 { return d.baseCatalog }
func (localizedBatch) lasting() string                { return "" }

func (localizedBatch) fields(row *catalogType) *rules.Table { return row.table }

// carries reports whether Meta lists fields of the item type that can be localized.
func (localizedBatch) carries(row *catalogType) bool {
	return slices.ContainsFunc(row.table.Fields, func(f rules.Field) bool { return f.Has(rules.Localizable) })
}

func (localizedBatch) split(change catalog.Change) (first catalog.Change, rest *catalog.Change) {
	return change, nil
}

// The kinds of localization, as the contract and Meta write them.
const (
	byLanguage           = "LANGUAGE"
	byCountry            = "COUNTRY"
	byLanguageAndCountry = "LANGUAGE_AND_COUNTRY"
)

// The forms of a localization's value: Meta's list has languages such as pl_PL and
// en_XX, and countries such as GB. Other spellings of the same would be other
// items to everyone but Meta, so that their order would be lost.
var (
	languageValue = regexp.MustCompile(`^[a-z]{2,3}_[A-Z]{2}$`)
	countryValue  = regexp.MustCompile(`^[A-Z]{2}$`)
	bothValue     = regexp.MustCompile(`^[a-z]{2,3}_[A-Z]{2}\|[A-Z]{2}$`)
)

func (localizedBatch) check(m *catalog.Mutation) *catalog.Problem {
	if m.Localization.IsZero() {
		return &catalog.Problem{
			Reason: catalog.MissingField, Field: "localization",
			Text: "localization is required: this catalog has the endpoint " + localizedBatchEdge + ", which changes no item itself",
		}
	}
	form, example := languageValue, "pl_PL"
	switch m.Localization.Type {
	case byLanguage:
	case byCountry:
		form, example = countryValue, "GB"
	case byLanguageAndCountry:
		form, example = bothValue, "en_XX|US"
	default:
		return invalidLocalization("localization.type", "localization.type must be LANGUAGE, COUNTRY or LANGUAGE_AND_COUNTRY")
	}
	if !form.MatchString(m.Localization.Value) {
		return invalidLocalization("localization.value",
			"localization.value must be written as "+example+" with the type "+m.Localization.Type)
	}
	return nil
}

func invalidLocalization(field, text string) *catalog.Problem {
	return &catalog.Problem{Reason: catalog.InvalidValue, Field: field, Text: text}
}

func (localizedBatch) headSize(row *catalogType) int {
	return len(`{"item_type":"","requests":[`) + len(row.name)
}

func (localizedBatch) appendHead(dst []byte, row *catalogType, _ string) []byte {
	return append(append(append(dst, `{"item_type":"`...), row.name...), `","requests":[`...)
}

func (localizedBatch) recordSize(row *catalogType, key catalog.ItemKey, change catalog.Change) int {
	const frame = len(`{"method":"UPDATE","localization":{"type":,"value":},"data":}`)
	return frame + rawjson.StringSize(key.Localization.Type) + rawjson.StringSize(key.Localization.Value) + dataSize(row, key, change)
}

// appendRecord writes every change but a DELETE as UPDATE, with which Meta's own
// example makes a localization. Its CREATE asks for all required fields of the
// item type, most of which the edge does not let be localized; and it creates no
// item anyway.
func (localizedBatch) appendRecord(dst []byte, row *catalogType, record *catalog.Record) ([]byte, error) {
	method := catalog.Update
	if record.Change.Operation == catalog.Delete {
		method = catalog.Delete
	}
	dst = append(append(append(dst, `{"method":"`...), method.String()...), `","localization":{"type":`...)
	dst = rawjson.AppendString(dst, record.Key.Localization.Type)
	dst = rawjson.AppendString(append(dst, `,"value":`...), record.Key.Localization.Value)
	dst, err := appendData(append(dst, `},"data":`...), row, record)
	if err != nil {
		return nil, err
	}
	return append(dst, '}'), nil
}
