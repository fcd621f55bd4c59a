package delivery

import (
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/quota"
)

// Config is what an Engine works with. All fields are required unless said.
type Config struct {
	Lease  ledger.Lease
	Store  ledger.Store
	Source Source
	// Accounts finds an account by name. Its client's transport must be guarded by
	// this lease (lease.GuardedTransport).
	Accounts func(name string) (*Account, bool)
	// AccountNames, when not nil, names the accounts of the configuration, so that a
	// mistyped name can be told which one it may have been.
	AccountNames func() []string
	Scopes       *quota.Scopes
	Budget       *Budget
	Observer     Observer // NopObserver{} for none
	Tracer       trace.Tracer
	Logger       *slog.Logger

	// RecordWithin is how long a message may be in memory alone before it gets a
	// row that people can see (the contract says 10 s; leave room).
	RecordWithin time.Duration
	// UnknownAccountGrace is how long mutations of unknown accounts and catalogs
	// wait before they are invalid: workers may be between two configurations.
	UnknownAccountGrace time.Duration
	// LostTail says that the database lost its last commits, so that batches may be
	// under way that nobody knows of: nothing is sent until Quiet has passed.
	LostTail bool
	// Quiet is how long that is: the longest Settle of the partition's accounts, and no
	// less than ShortestQuiet. Owners of the partition show that they are alive in a
	// quarter of it.
	Quiet time.Duration
	// Mirror, when not nil, notes outside the database what was sent, before it is. One
	// that cannot be reached for a minute stops the sending.
	Mirror Mirror
	// Noted is what the mirror has, where the database knows it.
	Noted ledger.Sent
	// Random draws from [0, 1) to spread what would happen at the same time; many
	// goroutines call it. Defaults to math/rand/v2's Float64.
	Random func() float64
	// DrainTimeout bounds how long Run goes on after drain for POSTs under way.
	DrainTimeout time.Duration
}
