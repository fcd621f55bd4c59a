package config

import (
	"crypto/sha256"
	"slices"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/setting"
)

// Config is everything a worker is told. After Load every field has its
// effective value: what the file leaves out has its default.
type Config struct {
	NATS     NATS
	Database Database
	HTTP     HTTP
	Worker   Worker
	Console  Console
	Outcomes Outcomes
	Notices  Notices
	// Accounts by the name that stands in the subject.
	Accounts map[string]Account
	// Sources by name, Serve and Destinations are there with Options.WithSources.
	Sources map[string]Source
	Serve   Serve
	// Destinations are the accounts that the file has, by name, as far as sources need them.
	Destinations map[string]Destination
	// Warnings are what may be wrong. They keep nothing from starting.
	Warnings Problems
	// Fingerprint is that of the file it was read from, see the function Fingerprint; zero
	// without a file.
	Fingerprint [sha256.Size]byte

	origins map[string][]string // by key, the one that overrides the others last
}

// NATS is the connection to the stream and the stream's own settings.
type NATS struct {
	// URL is one server or several, separated by commas. It may hold a password.
	URL       Secret
	CredsFile string
	Token     Secret
	// NkeySeed is the seed of a user's nkey; it signs what the server asks.
	NkeySeed Secret
	// Domain is the JetStream domain; "" is that of the server.
	Domain string
	// InboxPrefix begins the subjects that answers come to; "" is NATS's _INBOX.
	// With one of their own, clients can be kept from reading each other's answers.
	InboxPrefix string
	TLS         TLS
	Stream      Stream
	// Partitions is how many parts the stream is cut into. It is fixed by the first
	// start against a database and can never change.
	Partitions int
}

// TLS names the files of a TLS connection; all empty means the system's roots
// and no client certificate.
type TLS struct {
	CAFile   string
	CertFile string
	KeyFile  string
}

// Stream is the JetStream stream that holds the mutations.
type Stream struct {
	Name string
	// MaxBytes is the size at which the stream refuses new messages.
	MaxBytes int64
	// Replicas of the stream in a cluster of NATS servers.
	Replicas int
	// ReplayWindow is how long recorded messages are kept in the stream.
	ReplayWindow time.Duration
}

// Database is the connection to Postgres.
type Database struct {
	URL      Secret
	MaxConns int
}

// HTTP is the worker's own listener: health and metrics. It has no log-in: keep
// it away from the outside.
type HTTP struct {
	Listen string
}

// Worker is how a worker process behaves.
type Worker struct {
	// LeaseTTL is how long a silent worker keeps its partitions.
	LeaseTTL time.Duration
	// RecordWithin is how long a received mutation may stay without a row.
	RecordWithin time.Duration
	// MemoryLimit is how many bytes of waiting mutations one worker holds before it
	// moves some to Postgres.
	MemoryLimit int64
	// UnknownAccountGrace is how long mutations of an account that the config does
	// not know wait before they are invalid.
	UnknownAccountGrace time.Duration
	// DrainTimeout is how long a stopping worker settles what is under way.
	DrainTimeout time.Duration
	// Retention is how long rows of finished mutations are kept.
	Retention time.Duration
	// DeadLetters is what is kept of dead letters.
	DeadLetters DeadLetters
	// EncryptionKey protects the tokens that the database keeps: 32 bytes in base64
	// or hex. Needed where an account has a client id.
	EncryptionKey Secret
	// FormerEncryptionKeys, separated by commas, still open what they closed.
	FormerEncryptionKeys Secret
}

// DeadLetters is how much is kept of mutations that will not be sent again by
// themselves.
type DeadLetters struct {
	// MaxBytes is how many bytes the messages of one account's may take. Past it those
	// of the oldest are dropped, and their rows stay.
	MaxBytes int64
}

// RuleLevel is what becomes of a mutation that breaks a rule about its values.
type RuleLevel string

// The levels.
const (
	RulesWarn   RuleLevel = "warn"   // sent, with a warning
	RulesStrict RuleLevel = "strict" // invalid
	RulesOff    RuleLevel = "off"    // not looked at
)

// Account is one connection to a platform: credentials and settings.
type Account struct {
	Name     string
	Platform string // the Name of one of Options.Platforms
	// AccessToken, or else a client id and secret with which access tokens are asked
	// for: with a refresh token in a user's name, without one in the app's own.
	AccessToken Secret
	// AccessTokenFile, when not empty, is where AccessToken came from. It may be
	// replaced while a worker runs.
	AccessTokenFile string
	ClientID        string
	ClientSecret    Secret
	RefreshToken    Secret
	// OAuthURL is where access tokens are asked for; "" without a client id.
	OAuthURL string
	// AppID names the app whose quotas the account draws on; "" where it follows from
	// the credentials.
	AppID string
	// Keys are the values of the platform's AccountKeys.
	Keys     setting.Values
	Catalogs map[string]Catalog

	Delivery
}

// Delivery is what both an account and the defaults section can set.
type Delivery struct {
	// BaseURL is the platform's address up to and with the version.
	BaseURL string
	// Rules says what a broken rule about a value does.
	Rules RuleLevel
	Batch Batch
	Poll  Poll
	Retry Retry
	// Settle is how long newer changes of an item are held after a POST whose end
	// is not known; 0 means that it follows from how slow the platform has been.
	Settle time.Duration
	// Concurrency is the most requests of the account under way at once.
	Concurrency int
}

// Batch says when a batch is full or old enough.
type Batch struct {
	MaxItems int
	MaxBytes int
	MaxAge   time.Duration
}

// Poll says how a handle is followed.
type Poll struct {
	Min    time.Duration
	Max    time.Duration
	GiveUp time.Duration
}

// Retry says how often and when a mutation is sent again.
type Retry struct {
	MaxAttempts int
	Min         time.Duration
	Max         time.Duration
}

// Catalog is one place to write to inside an account.
type Catalog struct {
	Name string
	// Keys are the values of the platform's CatalogKeys.
	Keys setting.Values
}

// AccountNames lists the accounts in alphabetical order.
func (c *Config) AccountNames() []string {
	return sortedKeys(c.Accounts)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
