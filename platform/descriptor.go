package platform

import (
	"cmp"
	"maps"
	"net/url"
	"regexp"
	"slices"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/reason"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

// Descriptor is all that Courier knows of a platform. The platform's own folder makes
// it, and one line in platform/builtin lists it: nothing else names a platform.
type Descriptor struct {
	// Platform is what the configuration must know: name, limits, defaults and keys.
	config.Platform

	// Types are the catalog types that accounts can write to.
	Types []catalog.Type
	// BatchesPerHour is about how many requests with changes one account may send an hour
	// where nothing else is known, to say how long many changes will take.
	BatchesPerHour int
	// Overlay says what an UPSERT of one of Types does to an item that exists, for programs
	// that compare what a shop has with what they sent before.
	Overlay func(t catalog.Type) Overlay
	// Reasons are the platform's own codes with what to do about them. Of two that fit, the
	// first counts.
	Reasons []reason.PlatformCode
	// OAuth is how access tokens are asked for; only where OAuthPath says that they are.
	OAuth OAuth
	// New makes the connection of one account. Its error lists every setting that
	// breaks a rule. It makes no call.
	New func(Settings) (Account, error)
	// Simulated makes an empty simulation of the platform, for development and tests.
	Simulated func(sandbox.Options) sandbox.Platform
}

// Overlay is what becomes of an item's former attributes when an UPSERT changes it.
type Overlay struct {
	// KeyParts is of how many parts an item's id is made, joined by "/"; 0 means 1.
	KeyParts int
	// Replaces says that an UPSERT is the whole item. Without it, what an UPSERT leaves
	// out stays on the platform, or may stay.
	Replaces bool
	// Clears reports whether null in an UPSERT takes an attribute away.
	Clears func(attribute string) bool
	// OutOfStock are the attributes, a JSON object, that say of an item that it cannot be
	// bought; "" where items have no such state.
	OutOfStock string
}

// OAuth is what a platform's token endpoint has beyond RFC 6749.
type OAuth struct {
	// Scope is asked for in the app's own name: there is no consent that names it.
	Scope string
	// RefreshParameters go with a refresh token.
	RefreshParameters map[string]string
	// InvalidGrant is the code of an error that refuses the refresh token, besides the
	// error invalid_grant; 0 for none.
	InvalidGrant int
	// TokenShapes matches tokens in the platform's words, so that they are never shown;
	// nil for none.
	TokenShapes *regexp.Regexp
}

// CheckSettings complains of a base_url that is not an address, and of what the platform's
// declarations forbid: unknown keys, missing ones, values that are not allowed, and what is
// wrong between keys. The configuration goes by the same declarations, so that nothing passes
// there and is refused by a client.
func (d *Descriptor) CheckSettings(s Settings, complain func(field, rule string)) {
	if base, err := url.Parse(cmp.Or(s.BaseURL, d.Defaults.BaseURL)); err != nil || base.Host == "" ||
		(base.Scheme != "https" && base.Scheme != "http") || base.User != nil || base.RawQuery != "" {
		complain("base_url", "must be an http or https address up to and with the version, such as "+d.Defaults.BaseURL)
	}
	checkValues(s.Keys, d.AccountKeys, d.Title+" accounts", complain)
	account := config.Account{Keys: s.Keys, Catalogs: make(map[string]config.Catalog, len(s.Catalogs))}
	for _, name := range slices.Sorted(maps.Keys(s.Catalogs)) {
		account.Catalogs[name] = config.Catalog{Name: name, Keys: s.Catalogs[name]}
		checkValues(s.Catalogs[name], d.CatalogKeys, d.Title+" catalogs", func(field, rule string) {
			complain("catalogs."+name+"."+field, rule)
		})
	}
	if d.Check == nil {
		return
	}
	for _, problem := range d.Check(account) {
		complain(problem.Key, problem.Text)
	}
}

func checkValues(values setting.Values, keys []setting.Key, whose string, complain func(field, rule string)) {
	for _, name := range values.Undeclared(keys) {
		complain(name, "is not a key of "+whose)
	}
	for _, key := range keys {
		value, given := values[key.Name]
		given = given && value != "" // as left out, in code
		switch {
		case !given && key.Missing != "":
			complain(key.Name, "is missing: "+key.Missing)
		case given && key.Show != nil: // a secret may be any text
			if _, err := key.Read(key.Show(value)); err != nil {
				complain(key.Name, err.Error())
			}
		}
	}
}

// Configs are what a configuration must know of the platforms: config.Options.Platforms.
func Configs(platforms []Descriptor) []config.Platform {
	list := make([]config.Platform, len(platforms))
	for i := range platforms {
		list[i] = platforms[i].Platform
	}
	return list
}

// Reasons is the registry of all codes: those of Courier and those of the platforms.
func Reasons(platforms []Descriptor) *reason.Registry {
	registry := &reason.Registry{}
	for i := range platforms {
		registry.Add(platforms[i].Name, platforms[i].Title, platforms[i].Reasons)
	}
	return registry
}

// Find gives the platform with the name.
func Find(platforms []Descriptor, name string) (d Descriptor, found bool) {
	for i := range platforms {
		if platforms[i].Name == name {
			return platforms[i], true
		}
	}
	return Descriptor{}, false
}
