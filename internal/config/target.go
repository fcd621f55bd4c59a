package config

import (
	"cmp"
	"net/url"
	"regexp"
	"strings"
)

// place is where a catalog's changes end up, among all platforms.
type place struct {
	platform string
	server   string
	target   string
}

// version ends the path of an address: each version of an interface has the same catalogs.
var version = regexp.MustCompile(`/v[0-9]+(\.[0-9]+)?$`)

// serverOf is equal for two addresses that lead to the same catalogs: host, port and path
// without the version.
func serverOf(baseURL string) string {
	parsed, err := url.Parse(baseURL)
	if err != nil { // it was reported
		return baseURL
	}
	usual := "443"
	if strings.EqualFold(parsed.Scheme, "http") {
		usual = "80"
	}
	host := strings.TrimSuffix(strings.ToLower(parsed.Hostname()), ".")
	return host + ":" + cmp.Or(parsed.Port(), usual) + version.ReplaceAllString(strings.TrimRight(parsed.Path, "/"), "")
}

// named is a catalog with its account, its key in the file and where it is.
type named struct {
	catalog  Catalog
	account  Account
	at       string
	platform *Platform
	target   Target
}

func (n *named) place(target string) place {
	return place{platform: n.platform.Name, server: serverOf(n.account.BaseURL), target: target}
}

// everyCatalog lists the catalogs of all accounts, in alphabetical order, but those
// whose fault is reported already.
func (l *loader) everyCatalog() (list []named) {
	for _, accountName := range l.config.AccountNames() {
		account := l.config.Accounts[accountName]
		platform := l.platformOf(&account)
		if platform == nil || platform.Target == nil {
			continue
		}
		for _, catalogName := range sortedKeys(account.Catalogs) {
			entry := account.Catalogs[catalogName]
			if isComplete(platform, entry) {
				list = append(list, named{entry, account, "accounts." + accountName + ".catalogs." + catalogName, platform, platform.Target(account, entry)})
			}
		}
	}
	return list
}

// isComplete reports that the catalog has all that its platform requires.
func isComplete(platform *Platform, c Catalog) bool {
	for _, key := range platform.CatalogKeys {
		if _, given := c.Keys[key.Name]; key.Missing != "" && !given {
			return false
		}
	}
	return true
}

// checkDistinct refuses two names for one catalog: order is kept by name, so
// changes through two names could pass each other.
func (l *loader) checkDistinct() {
	type writer struct {
		place

		localizes string
	}
	first := map[writer]string{}
	for _, one := range l.everyCatalog() {
		where := writer{one.place(one.target.Place), one.target.Localizes}
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
	bases := map[place]named{}
	for _, one := range l.everyCatalog() {
		if one.target.Localizes == "" {
			bases[one.place(one.target.Place)] = one
		}
	}
	for _, one := range l.everyCatalog() {
		if one.target.Localizes == "" {
			continue
		}
		if base, found := bases[one.place(one.target.Localizes)]; found && base.account.Name != one.account.Name {
			l.reportAtf(one.at, "localizes items of %s, which is in another account; put both into one account, or the order of their changes is lost", base.at)
		}
	}
}

// warnOfAliases tells catalogs that may be one, as at least one of them does not say
// exactly which it is.
func (l *loader) warnOfAliases() {
	first := map[place]named{}
	for _, one := range l.everyCatalog() {
		if one.target.MayBe == "" {
			continue
		}
		where := one.place(one.target.MayBe)
		other, taken := first[where]
		if !taken {
			first[where] = one
			continue
		}
		if !one.target.Exact || !other.target.Exact {
			l.warnAtf(one.at, "may name the same platform catalog as %s, %s; if it does, the order of its changes is lost", other.at, one.platform.AliasReason)
		}
		if !one.target.Exact {
			first[where] = one // whatever comes next may be this one
		}
	}
}
