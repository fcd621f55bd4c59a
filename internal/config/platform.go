package config

import (
	"slices"
	"strings"

	"github.com/catalog-courier/catalog-courier/internal/setting"
)

// Platform is all that a configuration must know of an ad platform. Options.Platforms
// lists those that accounts can be of.
type Platform struct {
	Name  string // the value of platform, and of the label in views and metrics
	Title string // as people write it
	// MaxItems and MaxBytes are the platform's own limits of one request; MaxBytes is
	// of the body.
	MaxItems int
	MaxBytes int
	// Defaults suit the real platform. Zero fields have the values that suit all.
	Defaults Delivery
	// OAuthPath, after base_url, is where access tokens are asked for; "" where a
	// platform's accounts have no client_id.
	OAuthPath string
	// AccountKeys and CatalogKeys are the keys that only this platform's accounts and
	// catalogs have, or that it means in its own way.
	AccountKeys []setting.Key
	CatalogKeys []setting.Key
	// Check finds what is wrong between keys that are right each by itself. Nil finds
	// nothing.
	Check func(a Account) []setting.Problem
	// Target says where a catalog's changes end up.
	Target func(a Account, c Catalog) Target
	// AliasReason says how two catalogs with the same Target.MayBe can be one, as in
	// "as the platform takes the oldest one where catalog_id is left out".
	AliasReason string
}

// Target is where a catalog's changes end up on its platform. The values are compared
// within one platform and one server, and shown to nobody: they may hold secrets.
type Target struct {
	// Place is equal for two catalogs that are one and the same on the platform.
	Place string
	// Localizes is the Place whose items the changes only localize; "" for items of
	// their own.
	Localizes string
	// MayBe is equal for two catalogs that may be one and the same unless both are
	// Exact; "" where Place leaves no doubt.
	MayBe string
	Exact bool
}

// accountKeys are the keys of the platform's accounts, those of OAuth first.
func (p *Platform) accountKeys() []setting.Key {
	var keys []setting.Key
	if p.OAuthPath != "" {
		keys = oauthKeys(p.OAuthPath)
	}
	return append(keys, p.AccountKeys...)
}

func oauthKeys(path string) []setting.Key {
	return []setting.Key{
		setting.Text("client_id", "the app's id, with `client_secret` instead of an access token.", "text, not empty",
			func(text string) bool { return text != "" }),
		setting.Sensitive("client_secret", "the app's secret."),
		setting.Sensitive("refresh_token", "the user's refresh token. Without one the app acts in its own name (client credentials)."),
		setting.Address("oauth_url", "where access tokens are asked for. `base_url` with `"+path+"` when it is left out."),
	}
}

// merged is one key of several platforms: each may read it in its own way.
type merged struct {
	name   string
	owners []*Platform
	keys   []setting.Key // in the order of owners
}

// merge lists the keys of all platforms, each name once, at its first place.
func merge(platforms []Platform, keysOf func(*Platform) []setting.Key) []merged {
	var all []merged
	for i := range platforms {
		for _, key := range keysOf(&platforms[i]) {
			at := slices.IndexFunc(all, func(m merged) bool { return m.name == key.Name })
			if at < 0 {
				at = len(all)
				all = append(all, merged{name: key.Name})
			}
			all[at].owners = append(all[at].owners, &platforms[i])
			all[at].keys = append(all[at].keys, key)
		}
	}
	return all
}

func accountKeys(platforms []Platform) []merged { return merge(platforms, (*Platform).accountKeys) }

func catalogKeys(platforms []Platform) []merged {
	return merge(platforms, func(p *Platform) []setting.Key { return p.CatalogKeys })
}

// of is the key as a platform declares it; owned is false where it does not, and the
// key is then another's.
func (m *merged) of(platform string) (key setting.Key, owned bool) {
	for i, owner := range m.owners {
		if owner.Name == platform {
			return m.keys[i], true
		}
	}
	return m.keys[0], false
}

func (m *merged) titles() string {
	titles := make([]string, len(m.owners))
	for i, owner := range m.owners {
		titles[i] = owner.Title
	}
	return strings.Join(titles, " and ")
}

// described is the key for the reference: what holds for some of the platforms only
// begins with their names.
func (m *merged) described(platforms int) setting.Key {
	key := m.keys[0]
	docs, allowed := make([]string, len(m.keys)), make([]string, len(m.keys))
	for i := range m.keys {
		docs[i], allowed[i] = m.keys[i].Doc, m.keys[i].Allowed
	}
	everywhere := len(m.owners) == platforms
	switch {
	case !isSame(docs):
		key.Doc = m.perOwner(docs, " ")
	case !everywhere:
		key.Doc = strings.ReplaceAll(m.titles(), " and ", ", ") + ": " + key.Doc
	}
	if !isSame(allowed) {
		key.Allowed = m.perOwner(allowed, "; ")
	}
	return key
}

func (m *merged) perOwner(texts []string, between string) string {
	parts := make([]string, len(texts))
	for i, text := range texts {
		parts[i] = m.owners[i].Title + ": " + text
	}
	return strings.Join(parts, between)
}

func isSame(texts []string) bool {
	return !slices.ContainsFunc(texts, func(text string) bool { return text != texts[0] })
}

// fields reads merged keys into values, as the platform means them that an account is
// of by then.
func (l *loader) fields(keys []merged, a *Account, values setting.Values) []field {
	list := make([]field, 0, len(keys))
	for i := range keys {
		m := &keys[i]
		one := field{Key: m.described(len(l.options.Platforms))}
		one.assign = func(text string) error {
			key, owned := m.of(a.Platform)
			value, err := key.Read(text)
			if err == nil && (owned || a.Platform == "") {
				values[key.Name] = value
			}
			return err
		}
		list = append(list, one)
		if one.Secret {
			list = append(list, l.fileOf(one.Key, one.assign, nil))
		}
	}
	return list
}

// addDefaults gives the values that keys mean which are left out.
func addDefaults(keys []setting.Key, values setting.Values) {
	for _, key := range keys {
		if _, given := values[key.Name]; !given && key.Default != nil {
			values[key.Name] = key.Default
		}
	}
}

// platformOf finds the platform of an account; nil for none.
func (l *loader) platformOf(a *Account) *Platform { return find(l.options.Platforms, a.Platform) }

func find(platforms []Platform, name string) *Platform {
	for i := range platforms {
		if platforms[i].Name == name {
			return &platforms[i]
		}
	}
	return nil
}

func names(platforms []Platform) []string {
	list := make([]string, len(platforms))
	for i := range platforms {
		list[i] = platforms[i].Name
	}
	return list
}
