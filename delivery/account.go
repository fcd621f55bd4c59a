package delivery

import (
	"context"
	"time"

	"github.com/catalog-courier/catalog-courier/platform"
)

// Account is one configured account as the engine uses it.
type Account struct {
	Name     string
	Platform string
	Client   platform.Account
	Policy   Policy
	// Catalogs are the configured ones, for people who mistype one. May be nil.
	Catalogs []string
	// Credential names the present access token without revealing it, "" when there is
	// none: another one is tried at once where the last was refused. It waits no longer
	// than ctx. Nil where the token never changes.
	Credential func(ctx context.Context) string
}

// Policy is how an account is served. Every field must be set, except Settle.
type Policy struct {
	// MaxItems and MaxBytes lower the platform's caps for one request; 0 keeps them.
	MaxItems int
	MaxBytes int
	// MaxAge is how long the oldest mutation of a group waits for company.
	MaxAge time.Duration
	// PollMin and PollMax bound the growing interval between polls of a handle.
	PollMin time.Duration
	PollMax time.Duration
	// PollGiveUp is how long a handle is followed before its items go again.
	PollGiveUp time.Duration
	// MaxAttempts is how many records may carry a mutation before it is given up.
	MaxAttempts int
	// RetryMin and RetryMax bound the delay before the next attempt.
	RetryMin time.Duration
	RetryMax time.Duration
	// Settle is how long after an ambiguous POST its items' newer changes are held.
	// 0 means three times the slowest recent batch, 2 to 30 minutes.
	Settle time.Duration
	// Concurrency is the most POSTs at a time; the engine starts lower and adapts.
	Concurrency int
}
