package shelf

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

type account struct {
	name     string
	base     string
	catalogs map[string]setting.Values
	rest     *rest.Client
	scope    string
}

// New makes the connection of one account. It makes no call.
func New(s platform.Settings) (platform.Account, error) {
	descriptor := Descriptor()
	var wrong []error
	complain := func(field, rule string) { wrong = append(wrong, fmt.Errorf("%s: %s", field, rule)) }
	descriptor.CheckSettings(s, complain)
	if s.Token == nil {
		complain("access_token", "is required")
	}
	owner := cmp.Or(s.App, s.Credentials, platform.CredentialsHash("account", s.Name))
	return &account{
		name: s.Name, catalogs: s.Catalogs,
		base:  strings.TrimRight(cmp.Or(s.BaseURL, descriptor.Defaults.BaseURL), "/"),
		rest:  rest.New(s, rest.Header("Shelf-Key", tokenShapes)),
		scope: descriptor.Name + "/" + owner,
	}, errors.Join(wrong...)
}

// Endpoint implements platform.Account.
func (a *account) Endpoint(catalogName string, catalogType catalog.Type) (platform.Endpoint, *catalog.Problem) {
	keys, found := a.catalogs[catalogName]
	if !found {
		return nil, &catalog.Problem{
			Reason: catalog.UnknownCatalog, Field: "subject", Text: fmt.Sprintf("account %s has no catalog %.128q", a.name, catalogName),
		}
	}
	if types := Descriptor().Types; !slices.Contains(types, catalogType) {
		return nil, &catalog.Problem{
			Reason: catalog.UnknownType, Field: "subject", Text: fmt.Sprintf("Shelf takes no type %.128q; it takes: %v", string(catalogType), types),
		}
	}
	return &endpoint{rest: a.rest, address: a.base + "/shelves/" + keys.Text("shelf") + "/batches", scope: a.scope}, nil
}

// Scopes implements platform.Account.
func (a *account) Scopes() []string { return []string{a.scope} }
