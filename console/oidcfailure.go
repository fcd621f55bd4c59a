package console

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/catalog-courier/catalog-courier/internal/httpfail"
)

// The steps of a login, as the log names them.
const (
	stepState    = "state"    // the browser comes back to a login that it began
	stepProvider = "provider" // the provider lets somebody in
	stepExchange = "exchange" // the code is traded for an id token
	stepVerify   = "verify"   // the id token is the provider's, for this console, and of now
	stepNonce    = "nonce"    // the id token is of this login
	stepIdentity = "identity" // the id token says who it is, and the console lets them in
)

// loginError is why a login failed, with the step.
type loginError struct {
	step string
	err  error
}

func (f loginError) Error() string { return f.err.Error() }
func (f loginError) Unwrap() error { return f.err }

var (
	errAttempt  = errors.New("the login was begun elsewhere, or too long ago")
	errNoToken  = errors.New("the provider gave no id token")
	errStranger = errors.New("it is in none of the groups that may")
)

// logFailure writes why a login failed. Nothing that the provider answered is in it but the
// status and the error's code: an answer may hold parts of a token.
func (l *OIDC) logFailure(ctx context.Context, err error) {
	attrs := []slog.Attr{slog.String("step", "unknown")}
	if failed, ok := errors.AsType[loginError](err); ok {
		attrs[0] = slog.String("step", failed.step)
	}
	level := slog.LevelWarn
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		attrs = append(attrs, slog.String("code", errorCode(refused.ErrorCode)))
		if refused.Response != nil {
			attrs = append(attrs, slog.Int("status", refused.Response.StatusCode))
		}
	} else {
		attrs = append(attrs, slog.String("error", told(err)))
	}
	if errors.Is(err, errAttempt) || errors.Is(err, errStranger) {
		level = slog.LevelInfo // everyday, and anybody can cause it
	}
	l.options.Logger.LogAttrs(ctx, level, "a login to the console failed", attrs...)
}

var errorCodeForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// errorCode is a code as OAuth has them, such as invalid_client; anything else is not repeated.
func errorCode(code string) string {
	if !errorCodeForm.MatchString(code) {
		return "unknown"
	}
	return code
}

// told is what the log may have of an error.
func told(err error) string {
	for _, own := range []error{errAttempt, errNoToken, errStranger} {
		if errors.Is(err, own) {
			return own.Error()
		}
	}
	if expired, ok := errors.AsType[*oidc.TokenExpiredError](err); ok {
		return "the id token expired at " + expired.Expiry.UTC().Format(time.RFC3339) + ": compare the clock of this machine with the provider's"
	}
	if _, ok := errors.AsType[*url.Error](err); ok { // there is no answer
		return httpfail.Cause(err).Error()
	}
	// Those that have nothing but the issuer, the audience or times have no kind of their own.
	for _, open := range []string{"oidc: id token issued by a different provider", "oidc: expected audience", "oidc: current time"} {
		if text := err.Error(); strings.HasPrefix(text, open) {
			return text
		}
	}
	return "the answer of the provider cannot be used: it is malformed, its signature is wrong, or its keys cannot be read"
}
