package pinterest

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
)

// Name is how configuration, views and metrics name the platform.
const Name = "pinterest"

// defaultBaseURL is the production API.
const defaultBaseURL = "https://api.pinterest.com/v5"

// tokenShapes are the forms of access, client and refresh tokens: pina_, pinc_, pinr_.
var tokenShapes = regexp.MustCompile(`(?i)pin[a-z]_[A-Za-z0-9_\-.]{8,}`)

// An id with a zero before it would be a second name of one catalog or owner.
var (
	idDigits        = regexp.MustCompile(`^[1-9][0-9]{0,31}$`)
	adAccountDigits = regexp.MustCompile(`^[1-9][0-9]{0,17}$`) // maxLength in the OpenAPI file
)

// Descriptor is all that Courier knows of Pinterest.
func Descriptor() platform.Descriptor {
	return platform.Descriptor{
		Platform: config.Platform{
			Name: Name, Title: "Pinterest", MaxItems: maxItems, MaxBytes: maxBytes,
			Defaults: config.Delivery{
				BaseURL:     defaultBaseURL,
				Batch:       config.Batch{MaxItems: 1000, MaxBytes: 8_000_000, MaxAge: 5 * time.Second},
				Concurrency: 8,
			},
			OAuthPath: "/oauth/token",
			AccountKeys: []setting.Key{
				setting.Text("ad_account_id", "act for the owner of this ad account.", "1 to 18 digits that do not begin with 0", adAccountDigits.MatchString),
			},
			CatalogKeys: []setting.Key{
				setting.Text("country", "the country.", "two capital letters of Pinterest's list, such as US", ValidCountry).
					Required("Pinterest keeps items by country and language"),
				setting.Text("language", "the language.", "a locale of Pinterest's list such as en-US, or a language such as EN", ValidLanguage).
					Required("Pinterest keeps items by country and language"),
				setting.Text("catalog_id", "the id of the catalog; the oldest of the type when it is left out. LOCAL_INVENTORY needs it.", "digits that do not begin with 0", idDigits.MatchString),
				setting.Choice("body", "`legacy` for the retail-only request body; `vertical` when it is left out.", bodyVertical, bodyLegacy),
				setting.Boolean("feed_owned", "a feed fills this catalog, so CREATE and UPSERT are invalid here."),
				setting.Boolean("last_updated_time", "send `occurred_at`, where a mutation has it, as `last_updated_time`. "+
					"A producer whose clock is wrong makes Pinterest drop newer changes."),
			},
			Check: checkAccount, Target: target,
			AliasReason: "as Pinterest takes the oldest one where catalog_id is left out",
		},
		Types: []catalog.Type{"RETAIL", "HOTEL", "CREATIVE_ASSETS", localInventory},
		// Seen in x-ratelimit-limit of catalogs_write in 2024: 100 a minute.
		BatchesPerHour: 6000,
		Overlay:        overlay,
		Reasons:        reasons(),
		OAuth: platform.OAuth{
			// What the batch endpoints need (OpenAPI 5.23.0, items_batch/post).
			Scope: "catalogs:read,catalogs:write",
			// Apps made before 2025-09-25 get a refresh token that can be renewed for ever only
			// if they ask (OpenAPI 5.23.0, oauth/token).
			RefreshParameters: map[string]string{"continuous_refresh": "true"},
			// "The authorization grant is invalid" (seen: pinterest-python-sdk #114).
			InvalidGrant: 283,
			TokenShapes:  tokenShapes,
		},
		New:       New,
		Simulated: func(o sandbox.Options) sandbox.Platform { return pinterestsim.New(o) },
	}
}

// catalogSettings say which catalog of Pinterest a catalog name means.
type catalogSettings struct {
	Country, Language string
	CatalogID         string // "" for the oldest of the type
	Body              string // "" or vertical, or legacy
	FeedOwned         bool   // a feed fills the catalog, which then refuses CREATE and UPSERT
	LastUpdatedTime   bool   // occurred_at goes along as last_updated_time
}

func settingsOf(keys setting.Values) catalogSettings {
	return catalogSettings{
		Country: keys.Text("country"), Language: keys.Text("language"), CatalogID: keys.Text("catalog_id"), Body: keys.Text("body"),
		FeedOwned: keys.Boolean("feed_owned"), LastUpdatedTime: keys.Boolean("last_updated_time"),
	}
}

func checkAccount(a config.Account) (problems []setting.Problem) {
	for _, name := range slices.Sorted(maps.Keys(a.Catalogs)) {
		if s := settingsOf(a.Catalogs[name].Keys); s.Body == bodyLegacy && s.CatalogID != "" {
			problems = append(problems, setting.Problem{
				Key: "catalogs." + name + ".catalog_id", Text: "cannot be chosen with body: legacy, which always writes to the oldest catalog",
			})
		}
	}
	return problems
}

// target tells catalogs apart: by id, or else by owner, country and language. en-US and
// EN are two spellings for a catalog that is named by its id.
func target(a config.Account, c config.Catalog) config.Target {
	s := settingsOf(c.Keys)
	owner := strings.Join([]string{a.Keys.Text("ad_account_id"), a.AccessToken.Reveal(), a.ClientID, a.RefreshToken.Reveal()}, " ")
	folded := strings.ToLower(s.Language[:min(len(s.Language), 2)])
	where := config.Target{MayBe: strings.Join([]string{owner, s.Country, folded}, "/"), Exact: s.CatalogID != ""}
	if where.Exact {
		where.Place = strings.Join([]string{"id", s.CatalogID, s.Country, folded}, "/")
	} else {
		where.Place = strings.Join([]string{owner, s.Country, s.Language}, "/")
	}
	return where
}
