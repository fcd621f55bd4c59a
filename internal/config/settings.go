package config

import (
	"errors"
	"regexp"
	"time"
)

var (
	// token is what may stand between two dots of a subject.
	token        = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
	digits       = regexp.MustCompile(`^[0-9]{1,32}$`)
	countryCode  = regexp.MustCompile(`^[A-Z]{2}$`)
	languageCode = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,4})?$`)
	streamName   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	webAddress   = regexp.MustCompile(`^https?://[^\s?#@]+$`)
	subType      = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)
	listener     = regexp.MustCompile(`^(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9_.-]*):[0-9]{1,5}$`)
)

// settings declares every key outside of accounts and defaults.
func (l *loader) settings() []setting {
	c := l.config
	return []setting{
		section("nats", "The stream that producers publish to.", l.natsSettings()...),
		section("database", "Where it is written what became of each mutation.",
			append(l.secret("url", "A Postgres address, such as `postgres://user:password@host:5432/name`.", &c.Database.URL, "DATABASE_URL"),
				integer("max_conns", "The most connections of one worker.", &c.Database.MaxConns, 4, 500))...),
		section("http", "The worker's own listener, for probes and metrics. It has no log-in.",
			text("listen", "Where it listens.", "host:port, or :port for all interfaces", &c.HTTP.Listen, listener.MatchString)),
		section("worker", "How a worker process behaves.", l.workerSettings()...),
	}
}

func (l *loader) natsSettings() []setting {
	n := &l.config.NATS
	list := l.secret("url", "One server or several, separated by commas.", &n.URL, "NATS_URL")
	list = append(list, text("creds_file", "A NATS credentials file.", "the path of a file", &n.CredsFile, nil))
	list = append(list, l.secret("token", "A NATS token.", &n.Token, "")...)
	list = append(list, l.secret("nkey_seed", "The seed of a NATS user's nkey, which begins with SU.", &n.NkeySeed, "")...)
	return append(list,
		text("domain", "The JetStream domain that the stream is in, where it is not the server's own, such as a hub's behind a leaf node.",
			"letters, digits, _ and -, at most 64", &n.Domain, streamName.MatchString),
		text("inbox_prefix", "Where answers of NATS come to, instead of `_INBOX`: one prefix for each NATS user keeps users from reading each other's.",
			"letters, digits, _ and -, at most 64", &n.InboxPrefix, streamName.MatchString),
		section("tls", "Files of a TLS connection.",
			text("ca_file", "The authorities to trust instead of the system's.", "the path of a file", &n.TLS.CAFile, nil),
			text("cert_file", "The client's certificate.", "the path of a file", &n.TLS.CertFile, nil),
			text("key_file", "The key of the client's certificate.", "the path of a file", &n.TLS.KeyFile, nil)),
		section("stream", "The JetStream stream.",
			text("name", "Its name.", "letters, digits, _ and -, at most 64", &n.Stream.Name, streamName.MatchString),
			size("max_bytes", "At this size it refuses new messages.", &n.Stream.MaxBytes, 1<<20, 1<<50),
			integer("replicas", "How many servers of a cluster keep it.", &n.Stream.Replicas, 1, 5),
			duration("replay_window", "How long recorded messages stay in it.", &n.Stream.ReplayWindow, time.Minute, 90*24*time.Hour)),
		integer("partitions", "How many parts the stream is cut into. The first start against a database fixes it for ever.", &n.Partitions, 1, 1024))
}

func (l *loader) workerSettings() []setting {
	w := &l.config.Worker
	list := []setting{
		duration("lease_ttl", "How long a silent worker keeps its partitions. At least 2.5 times as long as the slowest commit of the database takes: else no partition can be kept, and `/readyz` and the log say so.", &w.LeaseTTL, time.Second, 5*time.Minute),
		duration("record_within", "How long a received mutation may be without a row.", &w.RecordWithin, 10*time.Millisecond, 10*time.Second),
		size("memory_limit", "Waiting mutations held in memory; more are kept in Postgres.", &w.MemoryLimit, 1<<20, 1<<40),
		duration("unknown_account_grace", "How long mutations of an unknown account wait before they are invalid.", &w.UnknownAccountGrace, 0, 24*time.Hour),
		duration("drain_timeout", "How long a stopping worker settles what is under way.", &w.DrainTimeout, 0, 10*time.Minute),
		duration("retention", "How long rows of finished mutations are kept.", &w.Retention, 24*time.Hour, 10*365*24*time.Hour),
		section("dead_letters", "Mutations that are not sent again automatically.",
			size("max_bytes", "What the messages of one account's dead letters may take. Past it those of the oldest are dropped; their rows stay.",
				&w.DeadLetters.MaxBytes, 1<<20, 1<<50)),
	}
	list = append(list, l.secret("encryption_key", "Protects the tokens that the database keeps: 32 bytes in base64 or hex. Needed where an account has a `client_id`.",
		&w.EncryptionKey, "COURIER_ENCRYPTION_KEY")...)
	return append(list, l.secret("former_encryption_keys", "Keys used before, separated by commas: they still open what they closed.",
		&w.FormerEncryptionKeys, "COURIER_FORMER_ENCRYPTION_KEYS")...)
}

// secret declares a secret and its file, the first with a variable of its own.
func (l *loader) secret(key, doc string, into *Secret, env string) []setting {
	pair := secret(key, doc, into, l.readFile)
	pair[0].env = env
	return pair
}

// remember keeps the path of a secret's file, for who reads it again.
func remember(pair []setting, path *string) []setting {
	assign := pair[1].assign
	pair[1].assign = func(value string) error {
		*path = value
		return assign(value)
	}
	return pair
}

// accountSettings declares the keys of one account. The platform comes first: the
// defaults of the rest depend on it.
func (l *loader) accountSettings(a *Account) []setting {
	platform := choice("platform", "Which platform it is.", &a.Platform, Pinterest, Meta)
	assign := platform.assign
	platform.assign = func(value string) error {
		if err := assign(value); err != nil {
			return err
		}
		l.applyDefaults(a)
		return nil
	}
	list := []setting{platform}
	accessToken := l.secret("access_token", "The access token.", &a.AccessToken, "")
	accessToken[1].doc += " It is read again when it changes, or when the platform refuses the token."
	list = append(list, remember(accessToken, &a.AccessTokenFile)...)
	list = append(list, text("client_id", "Pinterest: the app's id, with `client_secret` instead of an access token.", "text", &a.ClientID, nil))
	list = append(list, l.secret("client_secret", "Pinterest: the app's secret.", &a.ClientSecret, "")...)
	list = append(list, l.secret("refresh_token", "Pinterest: the user's refresh token. Without one the app acts in its own name (client credentials).", &a.RefreshToken, "")...)
	list = append(list,
		address("oauth_url", "Pinterest: where access tokens are asked for. `base_url` with `/oauth/token` when it is left out.", &a.OAuthURL))
	list = append(list, l.secret("app_secret", "Meta: the app's secret, to prove with each call that the token is the app's (`appsecret_proof`).", &a.AppSecret, "")...)
	list = append(list,
		text("app_id", "The id of the app that the credentials are of: accounts of one app share its quotas, and a new token finds those of the old one.",
			"digits", &a.AppID, digits.MatchString),
		duration("quota_window", "Meta: the time that its percentages of a quota are of. `1h` when it is left out, the rolling hour of Meta's page Rate limits; "+
			"the reference of items_batch speaks of minutes. Shorter for simulated platforms.", &a.QuotaWindow, time.Second, 24*time.Hour))
	list = append(list, text("ad_account_id", "Pinterest: act for the owner of this ad account.", "digits", &a.AdAccountID, digits.MatchString))
	list = append(list, setting{
		key: "catalogs", doc: "The account's catalogs, by the name that is in the subject.",
		entries: func(name string) ([]setting, error) { return l.catalogEntry(a, name) },
	})
	return append(list, deliverySettings(&a.Delivery, capsOf(a.Platform))...)
}

func (l *loader) catalogEntry(a *Account, name string) ([]setting, error) {
	if !token.MatchString(name) {
		return nil, errName
	}
	entry := &Catalog{Name: name}
	l.catalogs[a.Name+"."+name] = entry
	return catalogSettings(entry), nil
}

var errName = errors.New("is not allowed as a name: letters, digits, _ and -, at most 128")

func catalogSettings(c *Catalog) []setting {
	return []setting{
		text("country", "Pinterest: the country.", "two capital letters, such as US", &c.Country, countryCode.MatchString),
		text("language", "Pinterest: the language.", "a language such as en-US or EN", &c.Language, languageCode.MatchString),
		text("catalog_id", "The platform's id of the catalog. Pinterest takes the oldest of the type when it is left out.", "digits", &c.CatalogID, digits.MatchString),
		choice("body", "Pinterest: `legacy` for the retail-only request body; `vertical` when it is left out.", &c.Body, "vertical", "legacy"),
		boolean("feed_owned", "Pinterest: a feed fills this catalog, so CREATE and UPSERT are invalid here.", &c.FeedOwned),
		boolean("last_updated_time", "Pinterest: send `occurred_at`, where a mutation has it, as `last_updated_time`. "+
			"A producer whose clock is wrong makes Pinterest drop newer changes.", &c.LastUpdatedTime),
		choice("endpoint", "Meta: which endpoint takes the changes.", &c.Endpoint, "items_batch", "batch", "localized_items_batch"),
		text("item_sub_type", "Meta: `item_sub_type` of each request.", "capital letters and _", &c.ItemSubType, subType.MatchString),
	}
}

// deliverySettings declares what an account and the defaults section share.
func deliverySettings(d *Delivery, most caps) []setting {
	return []setting{
		address("base_url", "The platform's address, up to and with the version.", &d.BaseURL),
		choice("rules", "What a change does that breaks a rule about its values: `warn` sends it and notes a warning, `strict` makes it invalid, `off` does not look. "+
			"What would make the platform refuse the whole request is invalid with all three.",
			&d.Rules, RulesWarn, RulesStrict, RulesOff),
		section("batch", "When a batch is full or old enough.",
			integer("max_items", "Records in one request.", &d.Batch.MaxItems, 1, most.items),
			size("max_bytes", "Bytes of one request.", &d.Batch.MaxBytes, 1<<10, most.bytes),
			duration("max_age", "How long a change may wait for others to share its request.", &d.Batch.MaxAge, 0, time.Hour)),
		section("poll", "How a handle is followed.",
			duration("min", "The first pause between two looks.", &d.Poll.Min, 10*time.Millisecond, time.Hour),
			duration("max", "The longest pause.", &d.Poll.Max, 10*time.Millisecond, time.Hour),
			duration("give_up", "When the batch counts as never answered.", &d.Poll.GiveUp, time.Second, 7*24*time.Hour)),
		section("retry", "How often and when a change is sent again.",
			integer("max_attempts", "Sends of one change, the first included.", &d.Retry.MaxAttempts, 1, 100),
			duration("min", "The first pause.", &d.Retry.Min, 10*time.Millisecond, time.Hour),
			duration("max", "The longest pause.", &d.Retry.Max, 10*time.Millisecond, 24*time.Hour)),
		autoDuration("settle", "How long newer changes of an item are held after a request whose end is not known. "+
			"auto: three times the slowest recent batch, 2m to 30m.", &d.Settle, 24*time.Hour),
		integer("concurrency", "The most requests of the account at once.", &d.Concurrency, 1, 256),
	}
}
