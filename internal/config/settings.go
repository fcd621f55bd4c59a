package config

import (
	"errors"
	"regexp"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/setting"
)

var (
	// token is what may stand between two dots of a subject.
	token      = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
	digits     = regexp.MustCompile(`^[0-9]{1,32}$`)
	streamName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	listener   = regexp.MustCompile(`^(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9_.-]*):[0-9]{1,5}$`)
)

// settings declares every key outside of accounts and defaults.
func (l *loader) settings() []field {
	c := l.config
	return []field{
		section("nats", "The stream that producers publish to.", l.natsSettings()...),
		section("database", "Where it is written what became of each mutation.",
			append(l.secret(setting.Sensitive("url", "A Postgres address, such as `postgres://user:password@host:5432/name`.").WithEnv("DATABASE_URL"), &c.Database.URL, nil),
				bind(setting.Integer("max_conns", "The most connections of one worker.", 4, 500), &c.Database.MaxConns))...),
		section("http", "The worker's own listener, for probes and metrics. It has no log-in.",
			bind(setting.Text("listen", "Where it listens.", "host:port, or :port for all interfaces", listener.MatchString), &c.HTTP.Listen)),
		section("worker", "How a worker process behaves.", l.workerSettings()...),
		section("console", consoleHelp, l.consoleSettings()...),
		section("outcomes", "What became of changes, told to others.", l.outcomesSettings()...),
	}
}

func (l *loader) natsSettings() []field {
	n := &l.config.NATS
	list := l.secret(setting.Sensitive("url", "One server or several, separated by commas.").WithEnv("NATS_URL"), &n.URL, nil)
	list = append(list, bind(setting.Text("creds_file", "A NATS credentials file.", "the path of a file", nil), &n.CredsFile))
	list = append(list, l.secret(setting.Sensitive("token", "A NATS token."), &n.Token, nil)...)
	list = append(list, l.secret(setting.Sensitive("nkey_seed", "The seed of a NATS user's nkey, which begins with SU."), &n.NkeySeed, nil)...)
	return append(list,
		bind(setting.Text("domain", "The JetStream domain that the stream is in, where it is not the server's own, such as a hub's behind a leaf node.", "letters, digits, _ and -, at most 64", streamName.MatchString), &n.Domain),
		bind(setting.Text("inbox_prefix", "Where answers of NATS come to, instead of `_INBOX`: one prefix for each NATS user keeps users from reading each other's.", "letters, digits, _ and -, at most 64", streamName.MatchString), &n.InboxPrefix),
		section("tls", "Files of a TLS connection.",
			bind(setting.Text("ca_file", "The authorities to trust instead of the system's.", "the path of a file", nil), &n.TLS.CAFile),
			bind(setting.Text("cert_file", "The client's certificate.", "the path of a file", nil), &n.TLS.CertFile),
			bind(setting.Text("key_file", "The key of the client's certificate.", "the path of a file", nil), &n.TLS.KeyFile)),
		section("stream", "The JetStream stream.",
			bind(setting.Text("name", "Its name.", "letters, digits, _ and -, at most 64", streamName.MatchString), &n.Stream.Name),
			bind(setting.Size("max_bytes", "At this size it refuses new messages.", 1<<20, 1<<50), &n.Stream.MaxBytes),
			bind(setting.Integer("replicas", "How many servers of a cluster keep it.", 1, 5), &n.Stream.Replicas),
			bind(setting.Duration("replay_window", "How long recorded messages stay in it.", time.Minute, 90*24*time.Hour), &n.Stream.ReplayWindow)),
		bind(setting.Integer("partitions", "How many parts the stream is cut into. The first start against a database fixes it for ever.", 1, 1024), &n.Partitions))
}

func (l *loader) workerSettings() []field {
	w := &l.config.Worker
	list := []field{
		bind(setting.Duration("lease_ttl", "How long a silent worker keeps its partitions. At least 2.5 times as long as the slowest commit of the database takes: else no partition can be kept, and `/readyz` and the log say so.", time.Second, 5*time.Minute), &w.LeaseTTL),
		bind(setting.Duration("record_within", "How long a received mutation may be without a row.", 10*time.Millisecond, 10*time.Second), &w.RecordWithin),
		bind(setting.Size("memory_limit", "Memory for messages: half for open batches, an eighth for waiting mutations, the rest for what belongs to them. What waits beyond that is kept in Postgres alone.", 1<<20, 1<<40), &w.MemoryLimit),
		bind(setting.Duration("unknown_account_grace", "How long mutations of an unknown account wait before they are invalid.", 0, 24*time.Hour), &w.UnknownAccountGrace),
		bind(setting.Duration("drain_timeout", "How long a stopping worker settles what is under way.", 0, 10*time.Minute), &w.DrainTimeout),
		bind(setting.Duration("retention", "How long rows of finished mutations are kept.", 24*time.Hour, 10*365*24*time.Hour), &w.Retention),
		section("dead_letters", "Mutations that are not sent again automatically.",
			bind(setting.Size("max_bytes", "What the messages of one account's dead letters may take. Past it those of the oldest are dropped; their rows stay.", 1<<20, 1<<50), &w.DeadLetters.MaxBytes)),
	}
	list = append(list, l.secret(setting.Sensitive("encryption_key", "Protects the tokens that the database keeps: 32 bytes in base64 or hex. Needed where an account has a `client_id`.").WithEnv("COURIER_ENCRYPTION_KEY"), &w.EncryptionKey, nil)...)
	return append(list, l.secret(setting.Sensitive("former_encryption_keys", "Keys used before, separated by commas: they still open what they closed.").WithEnv("COURIER_FORMER_ENCRYPTION_KEYS"), &w.FormerEncryptionKeys, nil)...)
}

// accountFields declares the keys of one account. The platform comes first: the
// defaults and the meaning of the rest depend on it.
func (l *loader) accountFields(a *Account) []field {
	platform := bind(setting.Choice("platform", "Which platform it is.", names(l.options.Platforms)...), &a.Platform)
	assign := platform.assign
	platform.assign = func(value string) error {
		if err := assign(value); err != nil {
			return err
		}
		l.applyDefaults(a)
		return nil
	}
	list := []field{platform}
	accessToken := l.secret(setting.Sensitive("access_token", "The access token."), &a.AccessToken, &a.AccessTokenFile)
	accessToken[1].Doc += " It is read again when it changes, or when the platform refuses the token."
	list = append(list, accessToken...)
	list = append(list, l.fields(l.accountKeys, a, a.Keys)...)
	list = append(list,
		bind(setting.Text("app_id", "The id of the app that the credentials are of: accounts of one app share its quotas, and a new token finds those of the old one.", "digits", digits.MatchString), &a.AppID),
		field{
			Key:     setting.Key{Name: "catalogs", Doc: "The account's catalogs, by the name that is in the subject."},
			entries: func(name string) ([]field, error) { return l.catalogEntry(a, name) },
		})
	items, bytes := widest(l.options.Platforms)
	return append(list, deliverySettings(&a.Delivery, items, bytes)...)
}

func (l *loader) catalogEntry(a *Account, name string) ([]field, error) {
	if !token.MatchString(name) {
		return nil, errName
	}
	entry := &Catalog{Name: name, Keys: setting.Values{}}
	l.catalogs[a.Name+"."+name] = entry
	return l.fields(l.catalogKeys, a, entry.Keys), nil
}

var errName = errors.New("is not allowed as a name: letters, digits, _ and -, at most 128")

// deliverySettings declares what an account and the defaults section share.
func deliverySettings(d *Delivery, mostItems, mostBytes int) []field {
	return []field{
		bind(setting.Address("base_url", "The platform's address, up to and with the version."), &d.BaseURL),
		bindName(setting.Choice("rules", "What a change does that breaks a rule about its values: `warn` sends it and notes a warning, `strict` makes it invalid, `off` does not look. "+
			"What would make the platform refuse the whole request is invalid with all three.", string(RulesWarn), string(RulesStrict), string(RulesOff)), &d.Rules),
		section("batch", "When a batch is full or old enough.",
			bind(setting.Integer("max_items", "Records in one request.", 1, mostItems), &d.Batch.MaxItems),
			bindSize(setting.Size("max_bytes", "Bytes of one request.", 1<<10, int64(mostBytes)), &d.Batch.MaxBytes),
			bind(setting.Duration("max_age", "How long a change may wait for others to share its request.", 0, time.Hour), &d.Batch.MaxAge)),
		section("poll", "How a handle is followed.",
			bind(setting.Duration("min", "The first pause between two looks.", 10*time.Millisecond, time.Hour), &d.Poll.Min),
			bind(setting.Duration("max", "The longest pause.", 10*time.Millisecond, time.Hour), &d.Poll.Max),
			bind(setting.Duration("give_up", "When the batch counts as never answered.", time.Second, 7*24*time.Hour), &d.Poll.GiveUp)),
		section("retry", "How often and when a change is sent again.",
			bind(setting.Integer("max_attempts", "Sends of one change, the first included.", 1, 100), &d.Retry.MaxAttempts),
			bind(setting.Duration("min", "The first pause.", 10*time.Millisecond, time.Hour), &d.Retry.Min),
			bind(setting.Duration("max", "The longest pause.", 10*time.Millisecond, 24*time.Hour), &d.Retry.Max)),
		bind(setting.AutoDuration("settle", "How long newer changes of an item are held after a request whose end is not known. "+
			"auto: three times the slowest recent batch, 2m to 30m.", 24*time.Hour), &d.Settle),
		bind(setting.Integer("concurrency", "The most requests of the account at once.", 1, 256), &d.Concurrency),
	}
}
