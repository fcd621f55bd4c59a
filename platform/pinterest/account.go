// Package pinterest writes to Pinterest catalogs through the catalogs items batch
// of API v5.
package pinterest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

type account struct {
	name     string
	catalogs map[string]catalogSettings
	types    map[catalog.Type]*catalogType
	level    platform.RuleLevel
	userless bool
	client   *client
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
	adAccount := settings.Keys.Text("ad_account_id")
	if err := check(settings); err != nil {
		return nil, err
	}
	owner := cmp.Or(settings.Credentials, platform.CredentialsHash("account", settings.Name))
	// Hashed together: the same credentials have other quotas at another address.
	app := "pinterest/app/" + platform.CredentialsHash(settings.BaseURL, cmp.Or(settings.App, owner))
	owner = platform.CredentialsHash(settings.BaseURL, owner)
	return &account{
		name:     settings.Name,
		catalogs: catalogs,
		types:    catalogTypes(),
		level:    settings.Rules,
		userless: settings.Userless,
		client: &client{
			rest: rest.New(settings, rest.Bearer(tokenShapes)), base: settings.BaseURL, adAccount: adAccount,
			write: scopes{category: "pinterest/" + owner + "/catalogs_write", app: app},
			read:  scopes{category: "pinterest/" + owner + "/catalogs_read", app: app},
		},
	}, nil
}

// check finds everything wrong with the settings.
func check(settings platform.Settings) error {
	var wrong []error
	complain := func(field, rule string) { wrong = append(wrong, fmt.Errorf("%s: %s", field, rule)) }
	if settings.Token == nil {
		complain("access_token", "is required, or client_id, client_secret and refresh_token")
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
	row, ok := a.types[catalogType]
	if !ok {
		return nil, &catalog.Problem{
			Reason: catalog.UnknownType, Field: "subject",
			Text: fmt.Sprintf("Pinterest catalogs take no catalog type %.128q; they take: %s", string(catalogType), a.typeNames()),
		}
	}
	form := formOf(row, settings)
	if catalogType == localInventory {
		if reason := a.refuseLocalInventory(catalogName, settings); reason != "" {
			return nil, &catalog.Problem{Reason: catalog.UnknownType, Field: "subject", Text: reason}
		}
	}
	if form == nil {
		return nil, &catalog.Problem{
			Reason: catalog.UnknownType, Field: "subject",
			Text: fmt.Sprintf("a catalog with body: legacy takes %s items only, not %s", legacyType, catalogType),
		}
	}
	return &endpoint{
		row: row, form: form, feedOwned: settings.FeedOwned, timed: settings.LastUpdatedTime && row.timed(),
		level: a.level, client: a.client,
	}, nil
}

// refuseLocalInventory says why the catalog takes no local inventory, "" where it does.
// The requests name the catalog by its id alone: of several names for one id, which differ
// in country or language, one writes, or the order of changes would be lost.
func (a *account) refuseLocalInventory(catalogName string, settings catalogSettings) string {
	switch {
	case a.userless: // its refusal would be one of the account
		return fmt.Sprintf("Pinterest takes %s items in a user's name only: give account %s a refresh_token or a user's access_token", localInventory, a.name)
	case settings.CatalogID == "" && settings.Body == bodyLegacy:
		return fmt.Sprintf("%s items need a catalog with catalog_id, which body: legacy cannot have", localInventory)
	case settings.CatalogID == "":
		return fmt.Sprintf("%s items need the catalog's id: set catalogs.%.128s.catalog_id of account %s", localInventory, catalogName, a.name)
	}
	for _, name := range slices.Sorted(maps.Keys(a.catalogs)) {
		if a.catalogs[name].CatalogID != settings.CatalogID {
			continue
		}
		if name == catalogName {
			break
		}
		return fmt.Sprintf("%s items have no country and no language: send those of catalog_id %s to catalog %s, which has the same one",
			localInventory, settings.CatalogID, name)
	}
	return ""
}

func (a *account) typeNames() string {
	names := make([]string, 0, len(a.types))
	for name := range a.types {
		names = append(names, string(name))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// Scopes implements platform.Account.
func (a *account) Scopes() []string {
	return []string{a.client.write.category, a.client.read.category, a.client.write.app}
}
