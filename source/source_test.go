package source_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/source"
	"github.com/catalog-courier/catalog-courier/source/difference"
	"github.com/catalog-courier/catalog-courier/source/run"
)

// types are two destinations: one that replaces items, one that overlays them.
func types(platform string, t catalog.Type) (source.Destination, bool) {
	switch platform + "/" + string(t) {
	case "pinterest/RETAIL":
		return source.Destination{Replaces: true, OutOfStock: `{"availability":"out of stock"}`}, true
	case "meta/PRODUCT_ITEM":
		return source.Destination{Clears: func(name string) bool { return name != "title" }, OutOfStock: `{"availability":"out of stock"}`}, true
	case "meta/HOTEL":
		return source.Destination{}, true
	}
	return source.Destination{}, false
}

func settings(path string) config.Source {
	return config.Source{
		Name: "shop", ItemID: "{id}", Currency: "EUR", ChangedAt: "updated_at", Zone: "Europe/Warsaw",
		Feed:    &config.Feed{URL: path, Timeout: time.Minute, MaxBytes: 1 << 20, MaxDuplicates: 20},
		Deletes: config.Deletes{Missing: "delete", MissingRuns: 1, HoldOverItems: 50, HoldOverPercent: 10},
		Routes: []config.Route{
			{Account: "m", Catalog: "c", Type: "PRODUCT_ITEM", Platform: "meta", Mapping: "google"},
			{Account: "p", Catalog: "c", Type: "RETAIL", Platform: "pinterest", Mapping: "google", Currency: "USD", Missing: "out_of_stock", MissingRuns: 3},
		},
	}
}

const header = "id,title,description,link,image_link,availability,price,condition,updated_at\n"

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "feed.csv")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(path, old, old))
	return path
}

func TestASourceReadsAndMaps(t *testing.T) {
	t.Parallel()
	path := write(t, header+
		"1,Cup,A cup,https://shop.example/1,https://shop.example/1.jpg,in_stock,5,new,2026-11-01 12:00\n"+
		"2,Mug,A mug,https://shop.example/2,https://shop.example/2.jpg,in_stock,6,new,\n"+
		"3,Jar,A jar,https://shop.example/3,https://shop.example/3.jpg,in_stock,free,new,yesterday\n"+
		"4,Pot,A pot,https://shop.example/4,https://shop.example/4.jpg,in_stock,7,new,2026-11-01T10:00+0100\n")
	made, err := source.New(settings(path), types, t.TempDir())
	require.NoError(t, err)
	require.Equal(t, difference.Delete, made.Routes[0].Missing)
	require.Equal(t, difference.OutOfStock, made.Routes[1].Missing)
	require.Equal(t, 3, made.Routes[1].MissingRuns)
	require.True(t, made.Routes[1].Replaces)

	snapshot, err := made.Open(t.Context(), "")
	require.NoError(t, err)
	var mapped []run.Mapped
	var seen []run.Finding
	for {
		record, err := snapshot.Next()
		seen = append(seen, snapshot.Findings()...)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		require.NotEmpty(t, record.Place.String())
		mapped = append(mapped, made.Routes[0].Map(record.Item), made.Routes[1].Map(record.Item))
	}
	require.NoError(t, snapshot.Close())
	require.Empty(t, seen)
	require.Len(t, mapped, 8)
	require.Contains(t, string(mapped[0].Item.Attributes), `"price":"5 EUR"`)
	require.Contains(t, string(mapped[1].Item.Attributes), `"price":"5 USD"`, "the route's own currency")
	require.Equal(t, "2026-11-01T11:00:00Z", mapped[0].Item.ChangedAt.Format(time.RFC3339), "in the zone of the source")
	require.Equal(t, "2026-11-01T09:00:00Z", mapped[6].Item.ChangedAt.Format(time.RFC3339), "in its own zone")
	require.Zero(t, mapped[2].Item.ChangedAt, "the time of the file counts")
	require.True(t, mapped[4].Invalid)
	require.Equal(t, "3", mapped[4].Item.ID, "it is in the feed, and not missing")
	kinds := map[string]bool{}
	for _, finding := range mapped[4].Findings {
		kinds[finding.Kind] = true
	}
	require.True(t, kinds["PRICE"], "%v", mapped[4].Findings)
	require.True(t, kinds["CHANGED_AT"], "%v", mapped[4].Findings)

	_, err = made.Open(t.Context(), snapshot.Fingerprint())
	require.ErrorIs(t, err, run.ErrUnchanged)
}

// TestRevisionsSayWhatAnItemDependsOn: a run reads an unchanged file again when the items
// would be others.
func TestRevisionsSayWhatAnItemDependsOn(t *testing.T) {
	t.Parallel()
	revision := func(edit func(*config.Source)) string {
		s := settings("feed.csv")
		edit(&s)
		made, err := source.New(s, types, "")
		require.NoError(t, err)
		return made.Routes[0].Revision
	}
	base := revision(func(*config.Source) {})
	require.Equal(t, base, revision(func(s *config.Source) { s.Deletes.HoldOverItems = 1 }))
	for name, edit := range map[string]func(*config.Source){
		"currency": func(s *config.Source) { s.Currency = "PLN" },
		"item id":  func(s *config.Source) { s.ItemID = "a-{id}" },
		"filter":   func(s *config.Source) { s.Routes[0].Filter = "true" },
		"format":   func(s *config.Source) { s.Feed.Delimiter = "semicolon" },
		"changed":  func(s *config.Source) { s.ChangedAt = "" },
		"preset":   func(s *config.Source) { s.Routes[0].Mapping = "meta" },
	} {
		require.NotEqual(t, base, revision(edit), name)
	}
}

func TestMistakesAreSaidAllAtOnce(t *testing.T) {
	t.Parallel()
	s := settings("gopher://feed")
	s.Routes[0].Mapping = "nowhere.yaml"
	s.Routes[1].Filter = "price ="
	s.Routes = append(s.Routes,
		config.Route{Account: "m", Catalog: "h", Type: "HOTEL", Platform: "meta", Mapping: "meta", Missing: "out_of_stock"},
		config.Route{Account: "m", Catalog: "h", Type: "HOTLE", Platform: "meta", Mapping: "meta"})
	s.Zone = "Mars/Crater"
	_, err := source.New(s, types, "")
	require.Error(t, err)
	for _, said := range []string{
		"sources.shop.routes[0]: mapping: there is no file \"nowhere.yaml\"", "sources.shop.routes[1]:", "not a CEL expression",
		"sources.shop.routes[2]: ", "no state that says out of stock", `routes[3]: type: meta has no catalog type "HOTLE"`, "sources.shop.zone",
		"sources.shop.feed:",
	} {
		require.ErrorContains(t, err, said)
	}
	require.NotContains(t, strings.ToLower(err.Error()), "panic")
}

// TestLanguagesOfRoutes: runs know of which language a route's records are, also where the
// mapping says it.
func TestLanguagesOfRoutes(t *testing.T) {
	t.Parallel()
	configured := settings(write(t, header))
	configured.Routes[0].Language = "de"
	configured.Routes[1].Mapping = filepath.Join(t.TempDir(), "english.yaml")
	require.NoError(t, os.WriteFile(configured.Routes[1].Mapping, []byte("extends: google\nlanguage: en\n"), 0o600))
	made, err := source.New(configured, types, t.TempDir())
	require.NoError(t, err)
	for i, language := range []string{"de", "en"} {
		require.Equal(t, language, made.Routes[i].Language)
		for spoken, foreign := range map[string]bool{"de_AT": language != "de", "en": language != "en", "fr": true} {
			mapped := made.Routes[i].Map(map[string]any{"id": "1", "language": spoken})
			require.Equal(t, "1", mapped.Item.ID)
			require.Equal(t, foreign, mapped.Foreign, "%s in %s", spoken, language)
			require.Equal(t, foreign, mapped.Skipped)
		}
		require.False(t, made.Routes[i].Map(map[string]any{"id": "1"}).Foreign, "a record that names none may be of any")
	}
}
