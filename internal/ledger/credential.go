package ledger

import (
	"time"

	"github.com/google/uuid"
)

// Credential is what is kept of credentials whose tokens change: the tokens,
// sealed, and how their renewal goes. Durations count from the moment of reading
// or writing by the database's clock, so that no worker's own clock matters.
type Credential struct {
	Name string // reveals nothing
	// Version counts the changes of Sealed. It is 1 for a new row.
	Version int64
	// KeyID names the key that sealed the tokens.
	KeyID  string
	Sealed []byte
	// ExpiresIn is how long the access token still holds; 0 or less when there is
	// none or it has expired.
	ExpiresIn time.Duration
	// RefreshIn is when it should be renewed; 0 or less: now.
	RefreshIn time.Duration
	// Age is how long ago the tokens were renewed; years when they never were.
	Age time.Duration
	// RetryIn, when positive, is how long nobody should try to renew it.
	RetryIn time.Duration
	// Failures is how many attempts in a row gave no token.
	Failures int
	// Refused says that the platform does not take the refresh token any more.
	Refused bool
	// Problem is why the last attempt gave no token, for people. Never a secret.
	Problem string
}

// CredentialClaim is the wish to be the one that renews a credential.
type CredentialClaim struct {
	Name    string
	Version int64 // as seen
	By      uuid.UUID
	// Hold is how long the claim keeps others off: a claimer that is gone by then
	// is not waited for.
	Hold time.Duration
	// Rest is how long ago the last renewal must be at least.
	Rest time.Duration
}
