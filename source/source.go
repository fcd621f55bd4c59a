package source

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/source/difference"
	"github.com/catalog-courier/catalog-courier/source/fetch"
	"github.com/catalog-courier/catalog-courier/source/mapping"
	"github.com/catalog-courier/catalog-courier/source/run"
)

// Destination is what a source must know of a catalog type of a platform.
type Destination struct {
	// KeyParts is of how many parts an item's id is made; Replaces, Clears and OutOfStock
	// are those of platform.Overlay.
	KeyParts   int
	Replaces   bool
	Clears     func(attribute string) bool
	OutOfStock string
	// BatchItems and BatchesPerHour say how long changes take there, about.
	BatchItems, BatchesPerHour int
}

// Destinations finds the type of a platform; known is false where the platform has no such
// type.
type Destinations func(platform string, t catalog.Type) (destination Destination, known bool)

// Source is a source that is ready to run.
type Source struct {
	run.Source
	// Config is what it is made of.
	Config config.Source
	// Mappings are those of the routes, in their order.
	Mappings []*mapping.Mapping

	now func() time.Time
}

// Errors are all that is wrong with a source, a line each.
type Errors []error

func (e Errors) Error() string { return errors.Join(e...).Error() }

// Unwrap gives each of them.
func (e Errors) Unwrap() []error { return e }

// New compiles a source. The error is [Errors]. Nothing is read but the files of mappings.
// folder is for temporary files, "" for the system's.
func New(settings config.Source, destinations Destinations, folder string) (*Source, error) {
	s := &Source{
		Config: settings,
		Source: run.Source{Name: settings.Name, ItemID: settings.ItemID, SilentAfter: settings.SilentAfter},
		now:    time.Now,
	}
	var wrong Errors
	for i, route := range settings.Routes {
		made, compiled, err := s.route(route, destinations)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("sources.%s.routes[%d]: %w", settings.Name, i, err))
			continue
		}
		s.Routes, s.Mappings = append(s.Routes, made), append(s.Mappings, compiled)
	}
	if len(settings.Routes) > run.MaxRoutes {
		wrong = append(wrong, fmt.Errorf("sources.%s has %d routes, and a source can have %d", settings.Name, len(settings.Routes), run.MaxRoutes))
	}
	if _, err := zoneOf(settings.Zone); err != nil {
		wrong = append(wrong, fmt.Errorf("sources.%s.zone: %w", settings.Name, err))
	}
	if settings.Feed != nil {
		s.MaxDuplicates = float64(settings.Feed.MaxDuplicates)
		fetcher, err := newFetcher(*settings.Feed, folder)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("sources.%s.feed: %w", settings.Name, err))
		}
		s.Open = opener{fetcher: fetcher, feed: *settings.Feed, folder: folder}.open
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return s, nil
}

// route makes a route with its mapping.
func (s *Source) route(r config.Route, destinations Destinations) (run.Route, *mapping.Mapping, error) {
	settings := s.Config
	lane := catalog.Lane{Account: r.Account, Catalog: r.Catalog, Type: catalog.Type(r.Type)}
	destination, known := destinations(r.Platform, lane.Type)
	if !known {
		return run.Route{}, nil, fmt.Errorf("type: %s has no catalog type %q", r.Platform, r.Type)
	}
	missing := cmp.Or(r.Missing, settings.Deletes.Missing)
	if missing == config.MissingOutOfStock && destination.OutOfStock == "" {
		return run.Route{}, nil, fmt.Errorf("missing: %s of %s has no state that says out of stock; use delete or keep", r.Type, r.Platform)
	}
	spec := mapping.Spec{
		ItemID: settings.ItemID, Group: settings.Group, Currency: cmp.Or(r.Currency, settings.Currency), Decimal: settings.Decimal, Zone: settings.Zone,
		KeyParts: destination.KeyParts, Filter: r.Filter, StoreView: r.StoreView, Market: r.Market, Language: r.Language, InheritPrice: r.InheritPrice,
	}
	if slices.Contains(mapping.Presets(), r.Mapping) {
		spec.File, spec.Preset = "the preset "+r.Mapping, r.Mapping
	} else {
		data, err := os.ReadFile(r.Mapping)
		if errors.Is(err, os.ErrNotExist) {
			return run.Route{}, nil, fmt.Errorf("mapping: there is no file %q, and no preset of that name: the presets are %s", r.Mapping, strings.Join(mapping.Presets(), ", "))
		}
		if err != nil {
			return run.Route{}, nil, fmt.Errorf("mapping: %w", err)
		}
		spec.File, spec.Data = r.Mapping, data
	}
	compiled, err := mapping.Compile(spec, mapping.Target{Platform: r.Platform, Type: lane.Type})
	if err != nil {
		return run.Route{}, nil, err
	}
	made := run.Route{
		Lane: lane, Revision: s.revision(compiled), Language: compiled.Language(), Operation: catalog.Upsert,
		Replaces: destination.Replaces, Clears: destination.Clears, Refresh: r.RefreshAfter,
		MissingRuns: cmp.Or(r.MissingRuns, settings.Deletes.MissingRuns),
		Guard: difference.Guard{
			Items: settings.Deletes.HoldOverItems, Percent: float64(settings.Deletes.HoldOverPercent), AllowEmpty: settings.Deletes.AllowEmpty,
		},
	}
	switch missing {
	case config.MissingKeep:
		made.Missing = difference.Keep
	case config.MissingOutOfStock:
		made.Missing, made.Unavailable = difference.OutOfStock, json.RawMessage(destination.OutOfStock)
	default:
		made.Missing = difference.Delete
	}
	made.Map = func(record map[string]any) run.Mapped { return s.mapRecord(compiled, record) }
	return made, compiled, nil
}

// revision digests all that the items depend on besides the file.
func (s *Source) revision(compiled *mapping.Mapping) string {
	digest := sha256.New()
	parts := []string{compiled.Revision(), s.Config.ChangedAt}
	if feed := s.Config.Feed; feed != nil {
		parts = append(parts, feed.Format, feed.Encoding, feed.Delimiter, feed.Quoting, feed.Member)
	}
	for _, part := range parts {
		fmt.Fprintf(digest, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(digest.Sum(nil)[:16])
}

// mapRecord makes the item of a record.
func (s *Source) mapRecord(m *mapping.Mapping, record map[string]any) run.Mapped {
	item, found := m.Map(record)
	mapped := run.Mapped{
		Item:    difference.Item{ID: item.ID, Group: item.Group, Attributes: item.Attributes},
		Skipped: item.Skipped, Foreign: item.Foreign,
	}
	for _, finding := range found {
		mapped.Invalid = mapped.Invalid || finding.Severity == mapping.Error
		mapped.Findings = append(mapped.Findings, run.Finding{
			Kind: finding.Kind, Severity: string(finding.Severity), Field: finding.Field, Value: finding.Value, Rule: finding.Rule,
		})
	}
	if path := s.Config.ChangedAt; path != "" {
		at, finding := s.changedAt(path, record)
		mapped.Item.ChangedAt = at
		if finding != nil {
			mapped.Findings = append(mapped.Findings, *finding)
		}
	}
	return mapped
}

// newFetcher makes what brings the feed.
func newFetcher(f config.Feed, folder string) (*fetch.Fetcher, error) {
	options := fetch.Options{
		Username: f.Username, Password: f.Password.Reveal(), PrivateKey: []byte(f.PrivateKey.Reveal()),
		AccessKey: f.AccessKey.Reveal(), SecretKey: f.SecretKey.Reveal(), Region: f.Region, Endpoint: f.Endpoint,
		Timeout: f.Timeout, MaxBytes: f.MaxBytes, Spool: folder,
	}
	if f.KnownHostsFile != "" {
		known, err := os.ReadFile(f.KnownHostsFile)
		if err != nil {
			return nil, fmt.Errorf("known_hosts_file: %w", err)
		}
		options.KnownHosts = known
	}
	if len(f.Header) > 0 {
		options.Header = make(map[string]string, len(f.Header))
		for name, value := range f.Header {
			options.Header[name] = value.Reveal()
		}
	}
	return fetch.Parse(f.URL, options)
}
