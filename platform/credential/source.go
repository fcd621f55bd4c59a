// Package credential gives accounts their current access token: one that never
// changes, one from a file that may be replaced, or one that is renewed by OAuth
// and shared by all workers through the database.
package credential

import (
	"context"
	"fmt"
	"io"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/platform"
)

// Source gives the access token of one or several accounts. It is safe for
// concurrent use and prints nothing secret, however it is printed.
type Source interface {
	// Token gives the present access token. It may wait while one is renewed, for no
	// longer than ctx. Where there is none, a platform.Error says whose failure
	// that is.
	Token(ctx context.Context) (string, error)
	// Refused tells that the platform did not take the token. It does not block;
	// what is to be done about it is done by the next Token.
	Refused(token string)
	// Name tells credentials apart without revealing them. It stays the same over
	// renewals, restarts and workers.
	Name() string
}

// fixed is a token that never changes.
type fixed struct{ token config.Secret }

// Fixed is a source of one token for ever.
func Fixed(token config.Secret) Source { return fixed{token} }

func (f fixed) Token(context.Context) (string, error) { return f.token.Reveal(), nil }

// Refused does nothing: there is no other token.
func (f fixed) Refused(string) {}

func (f fixed) Name() string { return platform.CredentialsHash(f.token.Reveal()) }

// Format keeps the token out of whatever is printed.
func (f fixed) Format(state fmt.State, _ rune) { printName(state, "access token", f.Name()) }

func printName(out io.Writer, kind, name string) { _, _ = fmt.Fprintf(out, "%s %s", kind, name) }
