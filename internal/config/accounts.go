package config

import (
	"strings"

	"github.com/catalog-courier/catalog-courier/internal/setting"
)

// finishAccounts puts the accounts that were read into the configuration.
func (l *loader) finishAccounts() {
	catalogs := map[string]map[string]*Catalog{} // by account
	for key, entry := range l.catalogs {
		account, name, _ := strings.Cut(key, ".") // names have no dots
		if catalogs[account] == nil {
			catalogs[account] = map[string]*Catalog{}
		}
		catalogs[account][name] = entry
	}
	for _, account := range l.accounts {
		account.Catalogs = map[string]Catalog{}
		platform := l.platformOf(account)
		account.takeOAuth(platform)
		if platform != nil {
			addDefaults(platform.AccountKeys, account.Keys)
		}
		for name, entry := range catalogs[account.Name] {
			if platform != nil {
				addDefaults(platform.CatalogKeys, entry.Keys)
			}
			account.Catalogs[name] = *entry
		}
		l.config.Accounts[account.Name] = *account
	}
}

// takeOAuth moves the values of the OAuth keys from the platform's own to their fields.
func (a *Account) takeOAuth(platform *Platform) {
	a.ClientID, a.OAuthURL = a.Keys.Text("client_id"), a.Keys.Text("oauth_url")
	a.ClientSecret, a.RefreshToken = a.Keys.Secret("client_secret"), a.Keys.Secret("refresh_token")
	for _, key := range oauthKeys("") {
		delete(a.Keys, key.Name)
	}
	if a.ClientID != "" && a.OAuthURL == "" && platform != nil {
		a.OAuthURL = strings.TrimRight(a.BaseURL, "/") + platform.OAuthPath
	}
}

func (l *loader) checkAccounts() {
	for _, name := range l.config.AccountNames() {
		account := l.config.Accounts[name]
		at := "accounts." + name
		platform := l.platformOf(&account)
		if platform == nil {
			if _, isSet := l.lines[at+".platform"]; !isSet {
				l.reportAtf(at, "platform is missing: one of %s", strings.Join(names(l.options.Platforms), ", "))
			}
			continue
		}
		if l.options.WithoutTokens {
			continue
		}
		l.checkCredentials(at, account)
		l.checkRequired(at, platform.AccountKeys)
		l.checkAddresses(at, account)
		l.checkDelivery(at, account, platform)
		if len(account.Catalogs) == 0 {
			l.reportAtf(at, "catalogs is missing: an account needs at least one catalog")
		}
		for _, catalogName := range sortedKeys(account.Catalogs) {
			catalog := at + ".catalogs." + catalogName
			l.checkRequired(catalog, platform.CatalogKeys)
			l.rejectKeys(catalog, account.Platform, l.catalogKeys, "catalogs")
		}
		if platform.Check != nil {
			for _, problem := range platform.Check(account) {
				l.reportAtf(at+"."+problem.Key, "%s", problem.Text)
			}
		}
	}
	if l.options.WithoutTokens {
		return
	}
	l.checkSharedBaseURL()
	l.checkDistinct()
	l.checkBases()
	l.warnOfAliases()
}

func (l *loader) checkCredentials(at string, a Account) {
	foreign := l.rejectKeys(at, a.Platform, l.accountKeys, "accounts")
	for _, key := range l.secretKeys(a.Platform) {
		if l.lines[at+"."+key] != 0 && l.lines[at+"."+key+"_file"] != 0 {
			l.reportAtf(at+"."+key, "give either %s or %s_file", key, key)
		}
	}
	id, secret := l.isSet(at, "client_id"), l.isSet(at, "client_secret")
	oauth := id || secret || l.isSet(at, "refresh_token") || l.isSet(at, "oauth_url")
	switch {
	case foreign:
	case oauth && l.isSet(at, "access_token"):
		l.reportAtf(at, "give either access_token, or client_id and client_secret with or without refresh_token")
	case oauth && (!id || !secret):
		l.reportAtf(at, "client_id and client_secret are needed together to ask for access tokens")
	case !oauth && !l.isSet(at, "access_token"):
		l.reportAtf(at, "access_token is missing; access_token: ${VARIABLE} takes it from the environment")
	}
}

// secretKeys are the keys of an account that can be in a file.
func (l *loader) secretKeys(platform string) []string {
	keys := []string{"access_token"}
	for i := range l.accountKeys {
		if key, owned := l.accountKeys[i].of(platform); owned && key.Secret {
			keys = append(keys, key.Name)
		}
	}
	return keys
}

// isSet reports that the file has the key or its file, whatever came of it.
func (l *loader) isSet(at, key string) bool {
	return l.lines[at+"."+key] != 0 || l.lines[at+"."+key+"_file"] != 0
}

func (l *loader) checkRequired(at string, keys []setting.Key) {
	for _, key := range keys {
		if key.Missing != "" && !l.isSet(at, key.Name) {
			l.reportAtf(at, "%s is missing: %s", key.Name, key.Missing)
		}
	}
}

// rejectKeys reports keys that only other platforms have.
func (l *loader) rejectKeys(at, platform string, keys []merged, of string) (rejected bool) {
	for i := range keys {
		m := &keys[i]
		if _, owned := m.of(platform); owned {
			continue
		}
		for _, name := range []string{m.name, m.name + "_file"} {
			if l.lines[at+"."+name] != 0 {
				rejected = true
				l.reportAtf(at+"."+name, "is for %s %s only", m.titles(), of)
			}
		}
	}
	return rejected
}

func (l *loader) checkDelivery(at string, a Account, most *Platform) {
	if a.Poll.Min > a.Poll.Max {
		l.reportAtf(at+".poll", "min (%s) must not be longer than max (%s)", setting.ShortDuration(a.Poll.Min), setting.ShortDuration(a.Poll.Max))
	}
	if a.Poll.GiveUp < a.Poll.Min {
		l.reportAtf(at+".poll", "give_up (%s) must not be shorter than min (%s)", setting.ShortDuration(a.Poll.GiveUp), setting.ShortDuration(a.Poll.Min))
	}
	// Where the account sets them itself: its platform is not known yet when its keys are
	// declared. Out of the defaults they are looked at for each account.
	if a.Batch.MaxItems > most.MaxItems && l.lines[at+".batch.max_items"] != 0 {
		l.reportAtf(at+".batch.max_items", "%d is not allowed: a request to %s has at most %d records", a.Batch.MaxItems, most.Title, most.MaxItems)
	}
	if a.Batch.MaxBytes > most.MaxBytes && l.lines[at+".batch.max_bytes"] != 0 {
		l.reportAtf(at+".batch.max_bytes", "%s is not allowed: a request to %s has at most %s",
			setting.ShortSize(int64(a.Batch.MaxBytes)), most.Title, setting.ShortSize(int64(most.MaxBytes)))
	}
	if a.Retry.Min > a.Retry.Max {
		l.reportAtf(at+".retry", "min (%s) must not be longer than max (%s)", setting.ShortDuration(a.Retry.Min), setting.ShortDuration(a.Retry.Max))
	}
}

// checkSharedBaseURL refuses one address for accounts of several platforms.
func (l *loader) checkSharedBaseURL() {
	if l.lines["defaults.base_url"] == 0 {
		return
	}
	last := map[string]string{} // account by platform
	for _, name := range l.config.AccountNames() {
		if l.lines["accounts."+name+".base_url"] == 0 {
			last[l.config.Accounts[name].Platform] = name
		}
	}
	var users []string
	for _, platform := range names(l.options.Platforms) {
		if name := last[platform]; name != "" {
			users = append(users, name)
		}
	}
	if len(users) < 2 {
		return
	}
	several := "both"
	if len(users) > 2 {
		several = "several"
	}
	l.reportAtf("defaults.base_url", "would hold for accounts of %s platforms (%s); give them their own base_url", several, strings.Join(users, ", "))
}
