package config

import (
	"strings"
)

// target is where a catalog's changes end up on the platform.
type target struct {
	platform  Platform
	baseURL   string
	owner     string // when nothing else names the catalog; holds a secret
	country   string
	language  string
	catalogID string
	localized bool
}

func targetOf(a Account, c Catalog) target {
	t := target{
		platform: a.Platform, baseURL: strings.TrimRight(a.BaseURL, "/"), country: c.Country, language: c.Language,
		catalogID: c.CatalogID, localized: c.Endpoint == localizedEndpoint,
	}
	if t.catalogID == "" {
		t.owner = strings.Join([]string{a.AdAccountID, a.AccessToken.Reveal(), a.ClientID, a.RefreshToken.Reveal()}, " ")
	} else {
		// en-US and EN are two spellings for a catalog that is named by its id.
		t.language = foldLanguage(c.Language)
	}
	return t
}

const localizedEndpoint = "localized_items_batch"

func foldLanguage(language string) string {
	return strings.ToLower(language[:min(len(language), 2)])
}

// named is a catalog with its account and its key in the file.
type named struct {
	Catalog

	account Account
	at      string
}

// everyCatalog lists the catalogs of all accounts, in alphabetical order, but those
// whose fault is reported already.
func (l *loader) everyCatalog() (list []named) {
	for _, accountName := range l.config.AccountNames() {
		account := l.config.Accounts[accountName]
		for _, catalogName := range sortedKeys(account.Catalogs) {
			entry := account.Catalogs[catalogName]
			if account.Platform != Meta || entry.CatalogID != "" {
				list = append(list, named{entry, account, "accounts." + accountName + ".catalogs." + catalogName})
			}
		}
	}
	return list
}

// checkDistinct refuses two names for one catalog: order is kept by name, so
// changes through two names could pass each other.
func (l *loader) checkDistinct() {
	first := map[target]string{}
	for _, one := range l.everyCatalog() {
		where := targetOf(one.account, one.Catalog)
		if other, taken := first[where]; taken {
			l.reportAtf(one.at, "names the same platform catalog as %s; one catalog has one name, or the order of its changes is lost", other)
			continue
		}
		first[where] = one.at
	}
}

// checkBases refuses localizations of items that another account writes: they would
// not wait for them.
func (l *loader) checkBases() {
	bases := map[target]named{}
	for _, one := range l.everyCatalog() {
		if where := targetOf(one.account, one.Catalog); one.account.Platform == Meta && !where.localized {
			bases[where] = one
		}
	}
	for _, one := range l.everyCatalog() {
		where := targetOf(one.account, one.Catalog)
		if one.account.Platform != Meta || !where.localized {
			continue
		}
		where.localized = false
		if base, found := bases[where]; found && base.account.Name != one.account.Name {
			l.reportAtf(one.at, "localizes items of %s, which is in another account; put both into one account, or the order of their changes is lost", base.at)
		}
	}
}

// warnOfAliases tells Pinterest catalogs that may be one: of the same country and
// language, and one of them without an id, which means the oldest catalog.
func (l *loader) warnOfAliases() {
	first := map[target]named{}
	for _, one := range l.everyCatalog() {
		if one.account.Platform != Pinterest {
			continue
		}
		unnamed := one.Catalog
		unnamed.CatalogID = ""
		where := targetOf(one.account, unnamed)
		where.language = foldLanguage(where.language)
		other, taken := first[where]
		if !taken {
			first[where] = one
			continue
		}
		if one.CatalogID == "" || other.CatalogID == "" {
			l.warnAtf(one.at, "may name the same platform catalog as %s, as Pinterest takes the oldest one where catalog_id is left out; "+
				"if it does, the order of its changes is lost", other.at)
		}
		if one.CatalogID == "" {
			first[where] = one // whatever comes next may be this one
		}
	}
}
