// Package meta writes to Meta catalogs through the Catalog Batch API.
package meta

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

var digits = regexp.MustCompile(`^[1-9][0-9]{0,31}$`)

type account struct {
	name     string
	catalogs map[string]catalogSettings
	types    map[catalog.Type]*catalogType
	level    platform.RuleLevel
	rest     *rest.Client
	base     string
	appScope string
	window   time.Duration
}

// New makes the connection of one account. The error lists every setting that
// breaks a rule, with its name and the rule. New makes no call.
func New(settings platform.Settings) (platform.Account, error) {
	if settings.BaseURL == "" {
		settings.BaseURL = defaultBaseURL
	}
	settings.BaseURL = strings.TrimRight(settings.BaseURL, "/")
	catalogs := make(map[string]catalogSettings, len(settings.Catalogs))
	for name, keys := range settings.Catalogs {
		catalogs[name] = settingsOf(keys)
	}
	if err := check(settings); err != nil {
		return nil, err
	}
	appSecret := settings.Keys.Secret("app_secret")
	app := cmp.Or(settings.App, appOf(appSecret), settings.Credentials, platform.CredentialsHash("account", settings.Name))
	return &account{
		name: settings.Name, catalogs: catalogs, types: catalogTypes(), level: settings.Rules,
		rest: rest.New(settings, authOf(appSecret)), base: settings.BaseURL,
		appScope: "meta/app/" + platform.CredentialsHash(settings.BaseURL, app),
		window:   cmp.Or(settings.Keys.Duration("quota_window"), defaultWindow),
	}, nil
}

// check finds everything wrong with the settings.
func check(settings platform.Settings) error {
	var wrong []error
	complain := func(field, rule string) { wrong = append(wrong, fmt.Errorf("%s: %s", field, rule)) }
	if settings.Token == nil {
		complain("access_token", "is required")
	}
	descriptor := Descriptor()
	descriptor.CheckSettings(settings, complain)
	return errors.Join(wrong...)
}

// Endpoint implements platform.Account.
func (a *account) Endpoint(catalogName string, catalogType catalog.Type) (platform.Endpoint, *catalog.Problem) {
	settings, ok := a.catalogs[catalogName]
	if !ok {
		return nil, &catalog.Problem{
			Reason: catalog.UnknownCatalog, Field: "subject",
			Text: fmt.Sprintf("account %s has no catalog %.128q; it has: %s", a.name, catalogName, strings.Join(slices.Sorted(maps.Keys(a.catalogs)), ", ")),
		}
	}
	dialect := dialectOf(settings, a.baseOf(settings))
	row, ok := a.types[catalogType]
	if !ok || !dialect.carries(row) {
		return nil, &catalog.Problem{
			Reason: catalog.UnknownType, Field: "subject",
			Text: fmt.Sprintf("Meta's %s takes no item type %.128q; it takes: %s", dialect.edge(), string(catalogType), a.typesOf(dialect)),
		}
	}
	return &endpoint{
		dialect: dialect, row: row, level: a.level, rest: a.rest, address: a.base + "/" + settings.CatalogID, scopes: a.scopesOf(settings),
		localized: a.localizes(settings),
	}, nil
}

// baseOf names the account's catalog that writes the items which a catalog with
// localizations only overlays, "" when there is none.
func (a *account) baseOf(localized catalogSettings) string {
	if localized.Endpoint != localizedBatchEdge {
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(a.catalogs)) {
		if c := a.catalogs[name]; c.CatalogID == localized.CatalogID && c.Endpoint != localizedBatchEdge {
			return name
		}
	}
	return ""
}

// localizes reports whether a catalog of the account overlays the items that this
// one writes.
func (a *account) localizes(written catalogSettings) bool {
	for _, c := range a.catalogs {
		if c.CatalogID == written.CatalogID && c.Endpoint == localizedBatchEdge {
			return written.Endpoint != localizedBatchEdge
		}
	}
	return false
}

func (a *account) typesOf(d dialect) string {
	names := make([]string, 0, len(a.types))
	for name, row := range a.types {
		if d.carries(row) {
			names = append(names, string(name))
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// Scopes implements platform.Account.
func (a *account) Scopes() []string {
	all := make([]string, 0, 1+2*len(a.catalogs))
	all = append(all, a.appScope)
	for _, name := range slices.Sorted(maps.Keys(a.catalogs)) {
		of := a.scopesOf(a.catalogs[name])
		all = append(all, of.batch, of.management)
	}
	return all
}

func (a *account) scopesOf(c catalogSettings) scopes {
	prefix := "meta/catalog/" + c.CatalogID
	return scopes{batch: prefix + "/batch", management: prefix + "/management", app: a.appScope, window: a.window}
}
