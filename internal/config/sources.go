package config

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/catalog-courier/catalog-courier/internal/setting"
)

// Source is a shop, a PIM or another system whose items are kept true on platforms.
type Source struct {
	Name string
	// Feed and Webhook are how its items come in: one of them, or both, which then share
	// what is known of the items.
	Feed    *Feed
	Webhook *Webhook
	// ItemID is the template of the item ids, such as "{id}".
	ItemID string
	// Group, Currency, Decimal and Zone are those of the mapping, for all routes.
	Group, Currency, Decimal, Zone string
	// ChangedAt is the path of the item's own time of change; "" where it has none.
	ChangedAt string
	Routes    []Route
	Deletes   Deletes
	// SilentAfter is after how long without a good run or a webhook the source counts as
	// silent; 0 means never.
	SilentAfter time.Duration
}

// Feed is a file with all items of a source.
type Feed struct {
	// URL is a path or an address: file:, http(s):, sftp: or s3:.
	URL   string
	Every time.Duration // between two runs of enqueue serve; 0 means none of its own
	// What an address needs to be read; see docs/feeds.md.
	Username                            string
	Password                            Secret
	Header                              map[string]Secret
	PrivateKey                          Secret
	KnownHostsFile                      string
	AccessKey, SecretKey                Secret
	Region, Endpoint                    string
	Timeout                             time.Duration
	MaxBytes                            int64
	Format, Encoding, Delimiter, Member string
	Quoting                             string
	// MaxDuplicates is how many percent of the records may repeat an id.
	MaxDuplicates int
}

// Webhook is how a shop tells of single changes.
type Webhook struct {
	Kind string // shopify, woocommerce or standard
	// Secrets that may sign: the current one and those before it.
	Secrets   []Secret
	Tolerance time.Duration // of the time in a signature
	Keep      time.Duration // of deliveries
	Shop      Shop
}

// Shop is the shop's own interface, for what its webhooks leave out.
type Shop struct {
	URL                         string
	AccessToken                 Secret
	ConsumerKey, ConsumerSecret Secret
}

// Route is a destination of a source.
type Route struct {
	Account, Catalog, Type string
	// Platform is the account's, where the file does not have the account.
	Platform string
	// Mapping is the name of a preset or a file.
	Mapping string
	Filter  string
	// Currency wins over the source's.
	Currency string
	// StoreView, Market and Language choose what of a feed for several goes to this
	// destination; see docs/mapping.md.
	StoreView, Market, Language string
	// InheritPrice says that a price which the market leaves blank is the shop's.
	InheritPrice bool
	// RefreshAfter is after how long an unchanged item is sent again; 0 means never.
	RefreshAfter time.Duration
	// Missing and MissingRuns win over the source's where they are not zero.
	Missing     string
	MissingRuns int
}

// Deletes says what becomes of items that a source no longer has.
type Deletes struct {
	Missing     string // delete, out_of_stock or keep
	MissingRuns int    // in how many snapshots in a row an item must be missing
	// HoldOverItems and HoldOverPercent: more deletes than both wait for an approval.
	HoldOverItems, HoldOverPercent int
	AllowEmpty                     bool
}

// Serve is the HTTP interface of enqueue serve.
type Serve struct {
	Listen      string
	Metrics     string // where metrics are served; "" for nowhere
	CertFile    string
	KeyFile     string
	MaxBody     int64
	MaxRequests int
	DrainTime   time.Duration
	Tokens      []ServeToken
}

// ServeToken is who may publish by HTTP.
type ServeToken struct {
	Name string
	// SHA256 is the token's hash in hexadecimal: the token itself is nowhere.
	SHA256   string
	Accounts []string
}

// Destination is an account as far as a source needs it.
type Destination struct {
	Platform string
	Catalogs []string
}

// What becomes of missing items.
const (
	MissingDelete     = "delete"
	MissingOutOfStock = "out_of_stock"
	MissingKeep       = "keep"
)

var (
	hash256    = regexp.MustCompile(`^(sha256:)?[0-9a-f]{64}$`)
	notEmpty   = func(text string) bool { return strings.TrimSpace(text) != "" }
	formats    = []string{"table", "shopify", "woocommerce", "adobe"}
	delimiters = []string{"comma", "semicolon", "tab", "bar", "tilde"}
)

// destinations reads the accounts' platforms and catalogs, and nothing else of them: their
// tokens need not be at hand.
func (l *loader) destinations(node *yaml.Node, at string) {
	for _, member := range l.mapping(node, at) {
		destination := Destination{}
		for _, own := range l.mapping(member.node, joinKey(at, member.key)) {
			switch own.key {
			case "platform":
				destination.Platform, _ = l.scalar(own.node, joinKey(at, member.key+".platform"))
			case "catalogs":
				for _, entry := range l.mapping(own.node, joinKey(at, member.key+".catalogs")) {
					destination.Catalogs = append(destination.Catalogs, entry.key)
				}
			}
		}
		l.config.Destinations[member.key] = destination
	}
}

// sourcesSettings declares the two sections that only enqueue reads.
func (l *loader) sourcesSettings() []field {
	if !l.options.WithSources {
		return []field{{Key: setting.Key{Name: "sources"}, ignored: true}, {Key: setting.Key{Name: "serve"}, ignored: true}}
	}
	return []field{
		{Key: setting.Key{Name: "sources", Doc: "Shops and other systems whose items are kept true on platforms, by name."}, entries: l.sourceEntry},
		l.serveSection(),
	}
}

func (l *loader) serveSection() field {
	return section("serve", "The HTTP interface of `enqueue serve`.", l.serveFields()...)
}

func (l *loader) sourceEntry(name string) ([]field, error) {
	if !token.MatchString(name) {
		return nil, errName
	}
	source := &Source{Name: name, Deletes: Deletes{Missing: MissingDelete, MissingRuns: 1, HoldOverItems: 50, HoldOverPercent: 10}}
	l.sources = append(l.sources, source)
	return l.sourceFields(source), nil
}

func (l *loader) sourceFields(s *Source) []field {
	return []field{
		{Key: setting.Key{Name: "feed", Doc: "A file with all items."}, children: l.feedFields(s)},
		{Key: setting.Key{Name: "webhook", Doc: "Single changes that a shop sends."}, children: l.webhookFields(s)},
		bind(setting.Text("item_id", "Template of the item ids, such as `{id}` or `{sku}-{color}`. The first run fixes it; `enqueue feed migrate` changes it.", "text with placeholders in braces", notEmpty), &s.ItemID),
		bind(setting.Text("group", "Path of the id that the variants of a product share. The preset's when it is left out.", "a path such as item_group_id", notEmpty), &s.Group),
		bind(setting.Text("changed_at", "Path of the item's own time of change, where the feed has one: a change that came in by a webhook later is then not undone.", "a path such as updated_at", notEmpty), &s.ChangedAt),
		bind(setting.Text("currency", "Of prices that name none.", "a code of ISO 4217, such as EUR", notEmpty), &s.Currency),
		bind(setting.Choice("decimal", "Of prices that can be read in two ways.", "point", "comma"), &s.Decimal),
		bind(setting.Text("zone", "Of dates that name none.", "a time zone such as Europe/Warsaw", notEmpty), &s.Zone),
		bind(setting.Duration("silent_after", "Without a run that read the feed, or a webhook, for so long the source counts as silent: `source_status` and the metrics say so. Three times `feed.every` when it is left out.", time.Minute, 90*24*time.Hour), &s.SilentAfter),
		l.list("routes", "Where the items go.", func() []field {
			s.Routes = append(s.Routes, Route{})
			return l.routeFields(&s.Routes[len(s.Routes)-1])
		}),
		section("deletes", "What becomes of items that the source no longer has.",
			bind(setting.Choice("missing", "`delete` deletes them, `out_of_stock` leaves them and says that they cannot be bought, `keep` leaves them as they are.", MissingDelete, MissingOutOfStock, MissingKeep), &s.Deletes.Missing),
			bind(setting.Integer("missing_runs", "In how many snapshots in a row, each newer than the one before, an item must be missing.", 1, 100), &s.Deletes.MissingRuns),
			section("hold_over", "More deletes than both wait until somebody approves them.",
				bind(setting.Integer("items", "More deletes than this, and than the percentage below, wait.", 0, 100_000_000), &s.Deletes.HoldOverItems),
				bind(setting.Integer("percent", "Percent of what the destination has.", 0, 100), &s.Deletes.HoldOverPercent)),
			bind(setting.Boolean("allow_empty", "Lets a feed without items delete everything, within the limits of `hold_over`."), &s.Deletes.AllowEmpty)),
	}
}

func (l *loader) feedFields(s *Source) []field {
	f := &Feed{Timeout: 30 * time.Minute, MaxBytes: 4 << 30, MaxDuplicates: 20}
	s.Feed = f
	list := []field{
		bind(setting.Text("url", "A path, or an address: `file:`, `http:`, `https:`, `sftp:` or `s3:`.", "a path or an address without a password", notEmpty), &f.URL),
		bind(setting.Duration("every", "How often `enqueue serve` reads it. Without it, nothing runs by itself.", time.Minute, 31*24*time.Hour), &f.Every),
		bind(setting.Text("username", "For `http:` and `sftp:`.", "text", notEmpty), &f.Username),
	}
	list = append(list, l.secret(setting.Sensitive("password", "For `http:` and `sftp:`."), &f.Password, nil)...)
	list = append(list, l.secrets("header", "Headers of the request for `http:`.", &f.Header))
	list = append(list, l.fileOf(setting.Key{Name: "private_key", Doc: ""}, func(text string) error { f.PrivateKey = NewSecret(text + "\n"); return nil }, nil))
	list = append(list, bind(setting.Text("known_hosts_file", "The keys of `sftp:` servers, as ssh-keyscan prints them.", "the path of a file", notEmpty), &f.KnownHostsFile))
	list = append(list, l.secret(setting.Sensitive("access_key", "For `s3:`."), &f.AccessKey, nil)...)
	list = append(list, l.secret(setting.Sensitive("secret_key", "For `s3:`."), &f.SecretKey, nil)...)
	return append(list,
		bind(setting.Text("region", "For `s3:`.", "text", notEmpty), &f.Region),
		bind(setting.Text("endpoint", "The server of `s3:` where it is not Amazon's.", "host, or an address", notEmpty), &f.Endpoint),
		bind(setting.Duration("timeout", "How long the file may take to come.", time.Second, 24*time.Hour), &f.Timeout),
		bind(setting.Size("max_bytes", "The largest file.", 1<<10, 1<<40), &f.MaxBytes),
		bind(setting.Choice("format", "What a table is, where its header leaves a doubt.", formats...), &f.Format),
		bind(setting.Text("encoding", "The encoding of text, where the file does not show it.", "a name of the web, such as windows-1252", notEmpty), &f.Encoding),
		bind(setting.Choice("delimiter", "Of a table, where the header leaves a doubt.", delimiters...), &f.Delimiter),
		bind(setting.Choice("quoting", "`none`: quotes in a table are text.", "double", "none"), &f.Quoting),
		bind(setting.Text("member", "The file in a zip archive that has several.", "a pattern such as *.csv", notEmpty), &f.Member),
		bind(setting.Integer("max_duplicates", "How many percent of the records may repeat an id before the run stops.", 1, 100), &f.MaxDuplicates))
}

func (l *loader) webhookFields(s *Source) []field {
	w := &Webhook{Tolerance: 5 * time.Minute, Keep: 7 * 24 * time.Hour}
	s.Webhook = w
	addAll := func(text string) error {
		before := len(w.Secrets)
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" {
				w.Secrets = append(w.Secrets, NewSecret(line))
			}
		}
		if len(w.Secrets) == before {
			return errors.New("is empty")
		}
		return nil
	}
	var one Secret
	own := bind(setting.Sensitive("secret", "What the shop signs with."), &one)
	assign := own.assign
	own.assign = func(text string) error {
		if err := assign(text); err != nil {
			return err
		}
		return addAll(text)
	}
	own.shown = nil
	file := l.fileOf(setting.Key{Name: "secret"}, addAll, nil)
	file.Doc = "A file that holds `secret`, one a line: the present one and, after a change, the former."
	shop := make([]field, 0, 7)
	shop = append(shop, bind(setting.Address("url", "The shop's address."), &w.Shop.URL))
	shop = append(shop, l.secret(setting.Sensitive("access_token", "Of Shopify's Admin API."), &w.Shop.AccessToken, nil)...)
	shop = append(shop, l.secret(setting.Sensitive("consumer_key", "Of WooCommerce's REST API."), &w.Shop.ConsumerKey, nil)...)
	shop = append(shop, l.secret(setting.Sensitive("consumer_secret", "Of WooCommerce's REST API."), &w.Shop.ConsumerSecret, nil)...)
	return []field{
		bind(setting.Choice("kind", "Who sends.", "shopify", "woocommerce", "standard"), &w.Kind), own, file,
		bind(setting.Duration("tolerance", "How far the time in a signature of Standard Webhooks may be from now.", time.Second, time.Hour), &w.Tolerance),
		bind(setting.Duration("keep", "How long deliveries are kept, so that they can be looked at and replayed.", time.Hour, 90*24*time.Hour), &w.Keep),
		section("shop", "The shop's own interface, for what its webhooks leave out.", shop...),
	}
}

func (l *loader) routeFields(r *Route) []field {
	return []field{
		bind(setting.Text("account", "The account's name.", "letters, digits, _ and -, at most 128", token.MatchString), &r.Account),
		bind(setting.Text("catalog", "The catalog's name in the account.", "letters, digits, _ and -, at most 128", token.MatchString), &r.Catalog),
		bind(setting.Text("type", "The catalog type, such as `RETAIL` or `PRODUCT_ITEM`.", "letters, digits, _ and -, at most 128", token.MatchString), &r.Type),
		bind(setting.Choice("platform", "The account's platform, where the file does not have the account.", names(l.options.Platforms)...), &r.Platform),
		bind(setting.Text("mapping", "A preset of docs/mapping.md, or the path of a mapping.", "a preset's name or a path", notEmpty), &r.Mapping),
		bind(setting.Text("filter", "A CEL expression: items for which it is false do not belong there.", "an expression", notEmpty), &r.Filter),
		bind(setting.Text("currency", "Of prices that name none, instead of the source's.", "a code of ISO 4217, such as EUR", notEmpty), &r.Currency),
		bind(setting.Text("store_view", "Code of the store view of an Adobe Commerce export whose texts and prices are sent.", "text", notEmpty), &r.StoreView),
		bind(setting.Text("market", "Name of the market of a Shopify export whose prices are sent.", "text", notEmpty), &r.Market),
		bind(setting.Text("language", "Language of the records that are sent; the others do not belong there.", "a code such as de or pl-PL", notEmpty), &r.Language),
		bind(setting.Boolean("inherit_price", "With `market`: a price that the market leaves blank is the shop's."), &r.InheritPrice),
		bind(setting.Duration("refresh_after", "Sends an item again that was not sent for so long, changed or not.", time.Hour, 365*24*time.Hour), &r.RefreshAfter),
		bind(setting.Choice("missing", "As `deletes.missing`, for this route.", MissingDelete, MissingOutOfStock, MissingKeep), &r.Missing),
		bind(setting.Integer("missing_runs", "As `deletes.missing_runs`, for this route.", 1, 100), &r.MissingRuns),
	}
}

func (l *loader) serveFields() []field {
	s := &l.config.Serve
	return []field{
		bind(setting.Text("listen", "Where it listens.", "host:port, or :port for all interfaces", listener.MatchString), &s.Listen),
		bind(setting.Text("metrics_listen", "Where metrics are served, without a log-in: keep it away from the outside.", "host:port, or :port for all interfaces", listener.MatchString), &s.Metrics),
		bind(setting.Text("tls_cert_file", "The server's certificate; without it the connection is not encrypted.", "the path of a file", notEmpty), &s.CertFile),
		bind(setting.Text("tls_key_file", "The certificate's key.", "the path of a file", notEmpty), &s.KeyFile),
		bind(setting.Size("max_body", "The largest body, unpacked.", 1<<10, 16<<20), &s.MaxBody),
		bind(setting.Integer("max_requests", "The most requests at once; more get 503.", 1, 10_000), &s.MaxRequests),
		bind(setting.Duration("drain_timeout", "How long requests that are under way may take to end when it stops.", time.Second, 10*time.Minute), &s.DrainTime),
		l.list("tokens", "Who may publish.", func() []field {
			s.Tokens = append(s.Tokens, ServeToken{})
			t := &s.Tokens[len(s.Tokens)-1]
			return []field{
				bind(setting.Text("name", "Who it is, for the log.", "letters, digits, _ and -, at most 128", token.MatchString), &t.Name),
				bind(setting.Text("sha256", "The token's hash, as `enqueue token` prints it.", "64 hexadecimal digits in lower case", hash256.MatchString), &t.SHA256),
				l.texts(setting.Text("accounts", "The accounts that it may publish to; `*` is all.", "names of accounts, or *", func(text string) bool { return text == "*" || token.MatchString(text) }), &t.Accounts),
			}
		}),
	}
}

// finishSources puts the sources that were read into the configuration, and checks what
// only all keys together show.
func (l *loader) finishSources() {
	for _, source := range l.sources {
		at := "sources." + source.Name
		if l.lines[at+".feed"] == 0 {
			source.Feed = nil
		}
		if l.lines[at+".webhook"] == 0 {
			source.Webhook = nil
		}
		if source.SilentAfter == 0 && source.Feed != nil {
			source.SilentAfter = 3 * source.Feed.Every
		}
		l.checkSource(at, source)
		l.config.Sources[source.Name] = *source
	}
	l.warnOfSharedCatalogs()
	serve := l.config.Serve
	if (serve.CertFile == "") != (serve.KeyFile == "") {
		l.reportAtf("serve", "tls_cert_file and tls_key_file are only of use together")
	}
	seen := map[string]bool{}
	for i, t := range serve.Tokens {
		at := "serve.tokens[" + strconv.Itoa(i) + "]"
		for key, missing := range map[string]bool{"name": t.Name == "", "sha256": t.SHA256 == "", "accounts": len(t.Accounts) == 0} {
			if missing && l.lines[at+"."+key] == 0 {
				l.reportAtf(at, "%s is missing", key)
			}
		}
		if t.Name != "" && seen[t.Name] {
			l.reportAtf(at+".name", "%q is the name of two tokens", t.Name)
		}
		seen[t.Name] = true
	}
}

// warnOfSharedCatalogs names catalogs that two sources write to: an item that both have is
// deleted when one of them loses it.
func (l *loader) warnOfSharedCatalogs() {
	first := map[[3]string]string{}
	for _, name := range sortedKeys(l.config.Sources) {
		for i, route := range l.config.Sources[name].Routes {
			at := "sources." + name + ".routes[" + strconv.Itoa(i) + "]"
			lane := [3]string{route.Account, route.Catalog, route.Type}
			if other, shared := first[lane]; shared {
				l.warnAtf(at, "writes to the same catalog as %s: that is fine while no item is in both; an item of both is deleted when one of them loses it", other)
				continue
			}
			first[lane] = at
		}
	}
}

func (l *loader) checkSource(at string, s *Source) {
	if s.Feed == nil && s.Webhook == nil {
		l.reportAtf(at, "feed or webhook is missing: where the items come from")
	}
	if s.Feed != nil && s.Feed.URL == "" && l.lines[at+".feed.url"] == 0 {
		l.reportAtf(at+".feed", "url is missing: the path or the address of the feed")
	}
	if w := s.Webhook; w != nil {
		if w.Kind == "" && l.lines[at+".webhook.kind"] == 0 {
			l.reportAtf(at+".webhook", "kind is missing: shopify, woocommerce or standard")
		}
		if len(w.Secrets) == 0 && l.lines[at+".webhook.secret"] == 0 && l.lines[at+".webhook.secret_file"] == 0 {
			l.reportAtf(at+".webhook", "secret is missing: without it anybody could change the catalogs")
		}
	}
	if s.ItemID == "" && l.lines[at+".item_id"] == 0 {
		l.reportAtf(at, `item_id is missing: the template of the item ids, such as item_id: "{id}"`)
	}
	if len(s.Routes) == 0 && l.lines[at+".routes"] == 0 {
		l.reportAtf(at, "routes is missing: where the items go")
	}
	seen := map[[3]string]bool{}
	for i := range s.Routes {
		l.checkRoute(at+".routes["+strconv.Itoa(i)+"]", &s.Routes[i], seen)
	}
}

func (l *loader) checkRoute(at string, r *Route, seen map[[3]string]bool) {
	for _, each := range []struct{ key, value string }{{"account", r.Account}, {"catalog", r.Catalog}, {"type", r.Type}, {"mapping", r.Mapping}} {
		if each.value == "" && l.lines[at+"."+each.key] == 0 {
			l.reportAtf(at, "%s is missing", each.key)
		}
	}
	lane := [3]string{r.Account, r.Catalog, r.Type}
	if seen[lane] && r.Account != "" {
		l.reportAtf(at, "is the second route of the source to %s/%s/%s: its items would undo each other; use one route with one filter", r.Account, r.Catalog, r.Type)
	}
	seen[lane] = true
	account, known := l.config.Destinations[r.Account]
	switch {
	case r.Account == "":
	case known && r.Platform != "" && r.Platform != account.Platform:
		l.reportAtf(at+".platform", "is not that of the account, which is %s", account.Platform)
	case known && r.Catalog != "" && len(account.Catalogs) > 0 && !slices.Contains(account.Catalogs, r.Catalog):
		l.reportAtf(at+".catalog", "the account %s has no catalog %q; it has: %s", r.Account, r.Catalog, strings.Join(account.Catalogs, ", "))
	case known:
		r.Platform = account.Platform
	case r.Platform == "" && l.lines[at+".platform"] == 0:
		l.reportAtf(at+".account", "accounts has no %q; it has: %s. Where the accounts are in another file, set platform", r.Account, strings.Join(sortedKeys(l.config.Destinations), ", "))
	}
}
