package config

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nkeys"
)

// hostAndPort is an address that lacks nothing but its scheme. A user or password it
// cannot have.
var hostAndPort = regexp.MustCompile(`^[A-Za-z0-9.-]+:[0-9]{1,5}$`)

func (l *loader) checkInfrastructure() {
	for address := range strings.SplitSeq(l.config.NATS.URL.Reveal(), ",") {
		if address = strings.TrimSpace(address); !isNATSServer(address) {
			hint := ""
			if hostAndPort.MatchString(address) { // and no secret
				hint = "; did you mean nats://" + address + "?"
			}
			l.reportAtf("nats.url", "is not a NATS address: nats://, tls://, ws:// or wss://, then host and port; %s%s", encoded, hint)
			break
		}
	}
	if address := l.config.Database.URL; !address.IsZero() && !isDatabase(address.Reveal()) {
		l.reportAtf("database.url", "is not a Postgres address: postgres://user:password@host:5432/name; %s", encoded)
	}
	if seed := l.config.NATS.NkeySeed; !seed.IsZero() && !isUserSeed(seed.Reveal()) {
		l.reportAtf("nats.nkey_seed", "is not the seed of a user's nkey: 58 letters and digits that begin with SU")
	}
	if n := l.config.NATS; n.CredsFile != "" && !n.NkeySeed.IsZero() {
		l.reportAtf("nats.nkey_seed", "give either nkey_seed or creds_file")
	}
	if tls := l.config.NATS.TLS; (tls.CertFile == "") != (tls.KeyFile == "") {
		l.reportAtf("nats.tls", "cert_file and key_file are only of use together")
	}
}

// isUserSeed reports a seed that the client can sign with.
func isUserSeed(seed string) bool {
	pair, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		return false
	}
	defer pair.Wipe()
	public, err := pair.PublicKey()
	return err == nil && nkeys.IsValidPublicUserKey(public)
}

const encoded = "what is special in a user or password is percent-encoded (@ is %40)"

// isNATSServer reports the address of a server. What it lets through the client can
// read: the client's own errors quote the address, with the password.
func isNATSServer(address string) bool {
	parsed, err := url.Parse(address)
	return err == nil && parsed.Hostname() != "" && !strings.Contains(parsed.Path, "@") &&
		slices.Contains([]string{"nats", "tls", "ws", "wss"}, parsed.Scheme)
}

// isDatabase reports an address of Postgres. With an @ in a password the rest of it
// would be taken for a part of the host's name, which errors tell.
func isDatabase(address string) bool {
	scheme, rest, found := strings.Cut(address, "://")
	if !found || rest == "" || !slices.Contains([]string{"postgres", "postgresql"}, scheme) {
		return false
	}
	_, host, _ := strings.Cut(rest, "@")
	host, _, _ = strings.Cut(host, "?")
	return !strings.Contains(host, "@")
}

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
		if account.ClientID != "" && account.OAuthURL == "" {
			account.OAuthURL = strings.TrimRight(account.BaseURL, "/") + "/oauth/token"
		}
		if account.Platform == Meta && account.QuotaWindow == 0 {
			account.QuotaWindow = time.Hour
		}
		for name, entry := range catalogs[account.Name] {
			if account.Platform == Meta && entry.Endpoint == "" {
				entry.Endpoint = "items_batch"
			}
			account.Catalogs[name] = *entry
		}
		l.config.Accounts[account.Name] = *account
	}
}

func (l *loader) checkAccounts() {
	for _, name := range l.config.AccountNames() {
		account := l.config.Accounts[name]
		at := "accounts." + name
		if account.Platform == "" {
			if _, isSet := l.lines[at+".platform"]; !isSet {
				l.reportAtf(at, "platform is missing: one of pinterest, meta")
			}
			continue
		}
		l.checkCredentials(at, account)
		l.checkAddresses(at, account)
		l.checkDelivery(at, account)
		if len(account.Catalogs) == 0 {
			l.reportAtf(at, "catalogs is missing: an account needs at least one catalog")
		}
		for _, catalogName := range sortedKeys(account.Catalogs) {
			l.checkCatalog(at+".catalogs."+catalogName, account, account.Catalogs[catalogName])
		}
	}
	l.checkSharedBaseURL()
	l.checkDistinct()
	l.checkBases()
	l.warnOfAliases()
}

// platformOnly are the keys that only accounts of one platform have.
var platformOnly = []struct {
	key      string
	platform Platform
}{
	{"client_id", Pinterest},
	{"client_secret", Pinterest},
	{"refresh_token", Pinterest},
	{"oauth_url", Pinterest},
	{"ad_account_id", Pinterest},
	{"app_secret", Meta},
	{"quota_window", Meta},
}

func (l *loader) checkCredentials(at string, a Account) {
	foreign := false
	for _, only := range platformOnly {
		if only.platform != a.Platform && l.isSet(at, only.key) {
			foreign = true
			l.reportAtf(at+"."+only.key, "is for %s accounts only", only.platform.title())
		}
	}
	for _, key := range []string{"access_token", "client_secret", "refresh_token", "app_secret"} {
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

// isSet reports that the file has the key or its file, whatever came of it.
func (l *loader) isSet(at, key string) bool {
	return l.lines[at+"."+key] != 0 || l.lines[at+"."+key+"_file"] != 0
}

func (l *loader) checkDelivery(at string, a Account) {
	if a.Poll.Min > a.Poll.Max {
		l.reportAtf(at+".poll", "min (%s) must not be longer than max (%s)", shortDuration(a.Poll.Min), shortDuration(a.Poll.Max))
	}
	if a.Poll.GiveUp < a.Poll.Min {
		l.reportAtf(at+".poll", "give_up (%s) must not be shorter than min (%s)", shortDuration(a.Poll.GiveUp), shortDuration(a.Poll.Min))
	}
	// Where the account sets them itself: its platform is not known yet when its keys are
	// declared. Out of the defaults they are looked at for each account.
	if most := capsOf(a.Platform); a.Batch.MaxItems > most.items && l.lines[at+".batch.max_items"] != 0 {
		l.reportAtf(at+".batch.max_items", "%d is not allowed: a request to %s has at most %d records", a.Batch.MaxItems, a.Platform.title(), most.items)
	}
	if most := capsOf(a.Platform); a.Batch.MaxBytes > most.bytes && l.lines[at+".batch.max_bytes"] != 0 {
		l.reportAtf(at+".batch.max_bytes", "%s is not allowed: a request to %s has at most %s", shortSize(int64(a.Batch.MaxBytes)), a.Platform.title(), shortSize(int64(most.bytes)))
	}
	if a.Retry.Min > a.Retry.Max {
		l.reportAtf(at+".retry", "min (%s) must not be longer than max (%s)", shortDuration(a.Retry.Min), shortDuration(a.Retry.Max))
	}
}

func (l *loader) checkCatalog(at string, a Account, c Catalog) {
	switch a.Platform {
	case Meta:
		if c.CatalogID == "" && l.lines[at+".catalog_id"] == 0 {
			l.reportAtf(at, "catalog_id is missing: the digits that Commerce Manager shows")
		}
		l.rejectKeys(at, "is for Pinterest catalogs only", "country", "language", "body", "feed_owned", "last_updated_time")
	case Pinterest:
		l.checkPinterestCatalog(at, c)
	}
}

func (l *loader) checkPinterestCatalog(at string, c Catalog) {
	for _, key := range []string{"country", "language"} {
		if l.lines[at+"."+key] == 0 {
			l.reportAtf(at, "%s is missing: Pinterest keeps items by country and language", key)
		}
	}
	l.rejectKeys(at, "is for Meta catalogs only", "endpoint", "item_sub_type")
	if c.Body == "legacy" && c.CatalogID != "" {
		l.reportAtf(at+".catalog_id", "cannot be chosen with body: legacy, which always writes to the oldest catalog")
	}
}

func (l *loader) rejectKeys(at, why string, keys ...string) {
	for _, key := range keys {
		if l.lines[at+"."+key] != 0 {
			l.reportAtf(at+"."+key, "%s", why)
		}
	}
}

// checkSharedBaseURL refuses one address for accounts of both platforms.
func (l *loader) checkSharedBaseURL() {
	if l.lines["defaults.base_url"] == 0 {
		return
	}
	users := map[Platform]string{}
	for _, name := range l.config.AccountNames() {
		if l.lines["accounts."+name+".base_url"] == 0 {
			users[l.config.Accounts[name].Platform] = name
		}
	}
	if users[Pinterest] != "" && users[Meta] != "" {
		l.reportAtf("defaults.base_url", "would hold for accounts of both platforms (%s, %s); give them their own base_url",
			users[Pinterest], users[Meta])
	}
}
