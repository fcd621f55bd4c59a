package meta

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
	"github.com/catalog-courier/catalog-courier/platform/rest"
)

// Name is how configuration, views and metrics name the platform.
const Name = "meta"

// defaultBaseURL is the Graph API in the version that the sources of this package
// describe.
const defaultBaseURL = "https://graph.facebook.com/v25.0"

// proofParameter carries the proof that a token is the app's.
const proofParameter = "appsecret_proof"

// tokenShapes are access tokens, EAA…, and the proof where it is named.
var tokenShapes = regexp.MustCompile(`(?i)\bEAA[A-Za-z0-9]{12,}|` + proofParameter + `["']?\s*[=:]\s*["']?[^\s"'&,;]+`)

// Descriptor is all that Courier knows of Meta.
func Descriptor() platform.Descriptor {
	return platform.Descriptor{
		Platform: config.Platform{
			Name: Name, Title: "Meta", MaxItems: maxItems, MaxBytes: maxBytes,
			Defaults: config.Delivery{
				BaseURL: defaultBaseURL,
				// Meta recommends fewer than 3000 records. A new catalog has about 200 POSTs an
				// hour, one each 18 s: younger batches would use them up half empty.
				Batch:       config.Batch{MaxItems: 2900, MaxBytes: 27_000_000, MaxAge: 30 * time.Second},
				Concurrency: 4,
			},
			AccountKeys: []setting.Key{
				setting.Sensitive("app_secret", "the app's secret, to prove with each call that the token is the app's (`"+proofParameter+"`)."),
				setting.Duration("quota_window", "the time that its percentages of a quota are of. `1h` when it is left out, the rolling hour of Meta's page Rate limits; "+
					"the reference of items_batch speaks of minutes. Shorter for simulated platforms.", time.Second, 24*time.Hour).Else(defaultWindow),
			},
			CatalogKeys: []setting.Key{
				setting.Text("catalog_id", "the id that Commerce Manager shows; required.", "digits that do not begin with 0", digits.MatchString).
					Required("the digits that Commerce Manager shows"),
				setting.Choice("endpoint", "which endpoint takes the changes.", itemsBatchEdge, legacyBatchEdge, localizedBatchEdge).Else(itemsBatchEdge),
				setting.Text("item_sub_type", "`item_sub_type` of each request to items_batch.", "a sub type of Meta's reference, such as CLOTHING",
					func(text string) bool { return slices.Contains(itemSubTypes, text) }),
			},
			Check: checkAccount, Target: target,
		},
		Types: typeNames(),
		// Meta, Rate limits: 200 and a share of the users an hour.
		BatchesPerHour: 200,
		Overlay:        overlay,
		Reasons:        reasons(),
		New:            New,
		Simulated:      func(o sandbox.Options) sandbox.Platform { return metasim.New(o) },
	}
}

func checkAccount(a config.Account) (problems []setting.Problem) {
	for _, name := range slices.Sorted(maps.Keys(a.Catalogs)) {
		keys := a.Catalogs[name].Keys
		if edge := keys.Text("endpoint"); keys.Text("item_sub_type") != "" && edge != "" && edge != itemsBatchEdge {
			problems = append(problems, setting.Problem{
				Key: "catalogs." + name + ".item_sub_type", Text: "is a parameter of items_batch only, not of endpoint: " + edge,
			})
		}
	}
	return problems
}

func typeNames() []catalog.Type {
	return []catalog.Type{
		"PRODUCT_ITEM", "STORE_PRODUCT_ITEM", "HOTEL", "HOTEL_ROOM", "FLIGHT", "DESTINATION", "HOME_LISTING", "VEHICLE", "VEHICLE_OFFER",
		"APP_AND_SOFTWARE", "MEDIA_TITLE",
	}
}

// catalogSettings say which catalog of Meta a catalog name means.
type catalogSettings struct {
	CatalogID   string
	Endpoint    string // "" or items_batch, batch or localized_items_batch
	ItemSubType string // item_sub_type of each request, "" for none
}

func settingsOf(keys setting.Values) catalogSettings {
	return catalogSettings{CatalogID: keys.Text("catalog_id"), Endpoint: keys.Text("endpoint"), ItemSubType: keys.Text("item_sub_type")}
}

func target(_ config.Account, c config.Catalog) config.Target {
	s := settingsOf(c.Keys)
	where := config.Target{Place: s.CatalogID}
	if s.Endpoint == localizedBatchEdge {
		where.Localizes = s.CatalogID
	}
	return where
}

// appOf names the app by its secret, "" without one.
func appOf(appSecret setting.Secret) string {
	if appSecret.IsZero() {
		return ""
	}
	return platform.CredentialsHash("app secret", appSecret.Reveal())
}

// authOf is how a token travels. With the app's secret appsecret_proof goes along: the
// token's HMAC-SHA256 under the secret, in hex, a parameter of each call (Graph API,
// Securing API requests).
func authOf(appSecret setting.Secret) rest.Auth {
	auth := rest.Bearer(tokenShapes)
	if appSecret.IsZero() {
		return auth
	}
	auth.ProofParameter = proofParameter
	auth.Proof = func(token string) string {
		mac := hmac.New(sha256.New, []byte(appSecret.Reveal()))
		mac.Write([]byte(token))
		return hex.EncodeToString(mac.Sum(nil))
	}
	return auth
}
