package metasim

import (
	"regexp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

// The localizations of a catalog's items are kept in a table of their own, whose
// catalog has this suffix. Each is named by its item and its localization, with a
// separator that no id has.
const (
	overlaySuffix    = " localized"
	overlaySeparator = "\x00"
)

func overlayOf(key sandbox.TableKey) sandbox.TableKey {
	return sandbox.TableKey{Catalog: key.Catalog + overlaySuffix, ItemType: key.ItemType}
}

// catalogOf is the id of the catalog that a table belongs to.
func catalogOf(key sandbox.TableKey) string { return strings.TrimSuffix(key.Catalog, overlaySuffix) }

func overlayID(itemID string, localization catalog.Localization) string {
	return itemID + overlaySeparator + localization.Type + overlaySeparator + localization.Value
}

// itemOf is the item that a localization is of; an item's own id stays as it is.
func itemOf(id string) string {
	item, _, _ := strings.Cut(id, overlaySeparator)
	return item
}

func localizedID(id string) string {
	parts := strings.SplitN(id, overlaySeparator, 3)
	return sandbox.LocalizedID(parts[0], catalog.Localization{Type: parts[1], Value: parts[2]})
}

// localizedOnly turns what operations do to items into what they do to their
// localizations: any part of an item will do, and it only overlays.
func localizedOnly(key sandbox.TableKey, rules *sandbox.Meaning) {
	if strings.HasSuffix(key.Catalog, overlaySuffix) {
		rules.Required, rules.Existing = nil, sandbox.LayOver
	}
}

// itemless is what is wrong with a localization of an item that does not exist. The
// caller holds the lock.
func (m *Platform) itemless(key sandbox.TableKey, id string) []sandbox.Issue {
	if !strings.HasSuffix(key.Catalog, overlaySuffix) {
		return nil
	}
	base := m.Tables[sandbox.TableKey{Catalog: catalogOf(key), ItemType: key.ItemType}]
	if base != nil {
		if item := base.Items[itemOf(id)]; item != nil && item.Exists {
			return nil
		}
	}
	return []sandbox.Issue{noSuchItem(itemOf(id))}
}

// dropLocalizations lets go of the localizations of an item that is no more. The
// caller holds the lock.
func (m *Platform) dropLocalizations(key sandbox.TableKey, itemID string) {
	overlay := m.Tables[overlayOf(key)]
	if overlay == nil {
		return
	}
	for id, localized := range overlay.Items {
		if itemOf(id) == itemID {
			localized.Exists, localized.Attributes = false, ""
			overlay.Forget(id, localized)
		}
	}
}

var (
	languageForm = regexp.MustCompile(`^[a-z]{2,3}_[A-Z]{2}$`)
	countryForm  = regexp.MustCompile(`^[A-Z]{2}$`)
	bothForm     = regexp.MustCompile(`^[a-z]{2,3}_[A-Z]{2}\|[A-Z]{2}$`)
)

// readLocalizedRecord reads {"method","data","localization"}. No method creates an
// item, and each may make a localization.
func (m *Platform) readLocalizedRecord(head *metaHead, record gjson.Result) metaRecord {
	one := m.readItemsRecord(head, record)
	if one.keyless {
		return one
	}
	if one.Operation != catalog.Delete {
		one.Operation = catalog.Upsert
	}
	where := catalog.Localization{
		Type: strings.ToUpper(record.Get("localization.type").String()), Value: record.Get("localization.value").String(),
	}
	form := map[string]*regexp.Regexp{"LANGUAGE": languageForm, "COUNTRY": countryForm, "LANGUAGE_AND_COUNTRY": bothForm}[where.Type]
	if form == nil || !form.MatchString(where.Value) {
		one.Errors = append(one.Errors, sandbox.Issue{Message: "the localization is not valid"})
	}
	one.ID = overlayID(one.ID, where)
	if !m.Options.SkipValidation {
		checkLocalized(head.known, &one.Change, where.Type, record.Get("data"))
	}
	return one
}

var (
	countryOnly  = []string{"price", "sale_price", "unit_price", "base_price", "status", "availability"}
	appLinkParts = []string{
		"ios_url", "ios_app_store_id", "ios_app_name", "android_url", "android_package", "android_app_name",
		"windows_phone_url", "windows_phone_app_id", "windows_phone_app_name", "ipad_url", "ipad_app_store_id", "ipad_app_name",
	}
)

func checkLocalized(known *metaType, one *sandbox.Change, kind string, data gjson.Result) {
	data.ForEach(func(name, value gjson.Result) bool {
		switch {
		case slices.Contains(known.keys, name.Str):
		case one.Operation == catalog.Delete:
			one.Errors = append(one.Errors, sandbox.Issue{Message: "a DELETE has only the id"})
		case !slices.Contains(known.localizable, name.Str):
			if known.knows(name.Str) {
				one.Errors = append(one.Errors, sandbox.Issue{Message: "the field " + name.Str + " cannot be localized"})
			}
		case kind != "COUNTRY" && slices.Contains(countryOnly, name.Str):
			one.Errors = append(one.Errors, sandbox.Issue{Message: "the field " + name.Str + " must only be provided in a country feed"})
		case name.Str == "applink" && value.IsObject():
			for _, part := range appLinkParts {
				if !value.Get(part).Exists() {
					one.Errors = append(one.Errors, sandbox.Issue{Message: "the field applink lacks " + part})
					break
				}
			}
		}
		return true
	})
}
