// Package natsconn connects to NATS as the configuration says. Workers and enqueue use
// it; a producer of its own connects with nats.go.
package natsconn

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/catalog-courier/catalog-courier/internal/config"
)

// Connect connects to NATS as the settings say. The connection comes back by
// itself for as long as it is not closed.
func Connect(settings config.NATS, logger *slog.Logger, more ...nats.Option) (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name("catalog-courier"),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(500 * time.Millisecond),
		nats.Timeout(natsTimeout),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				logger.Warn("NATS is disconnected, trying again", slog.Any("error", err))
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrPermissionViolation) {
				// The call itself only runs out of time, which says nothing of the reason.
				logger.Error("NATS permission violation", slog.Any("error", err))
				return
			}
			logger.Debug("NATS reported an error", slog.Any("error", err))
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			logger.Info("NATS is connected again")
		}),
	}
	if settings.CredsFile != "" {
		if err := checkCredentials(settings.CredsFile); err != nil {
			return nil, err
		}
		options = append(options, nats.UserCredentials(settings.CredsFile))
	}
	if !settings.Token.IsZero() {
		options = append(options, nats.Token(settings.Token.Reveal()))
	}
	if !settings.NkeySeed.IsZero() {
		option, err := signing(settings.NkeySeed)
		if err != nil {
			return nil, err
		}
		options = append(options, option)
	}
	if settings.InboxPrefix != "" {
		options = append(options, nats.CustomInboxPrefix(settings.InboxPrefix))
	}
	if settings.TLS.CAFile != "" {
		options = append(options, nats.RootCAs(settings.TLS.CAFile))
	}
	if settings.TLS.CertFile != "" {
		options = append(options, nats.ClientCert(settings.TLS.CertFile, settings.TLS.KeyFile))
	}
	return nats.Connect(settings.URL.Reveal(), append(options, more...)...)
}

// checkCredentials refuses a file without a JWT, such as one of an nkey seed alone: the
// client sends whatever is in it, and the server says no more than that it is refused.
func checkCredentials(path string) error {
	const jwtParts = 3
	text, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return fmt.Errorf("nats.creds_file: %w", err)
	}
	token, err := nkeys.ParseDecoratedJWT(text)
	if err == nil && strings.Count(token, ".") == jwtParts-1 {
		return nil
	}
	if _, err := nkeys.FromSeed(bytes.TrimSpace(text)); err == nil {
		return fmt.Errorf("nats.creds_file: %s has an nkey seed and is not a credentials file; name it as nats.nkey_seed_file", path)
	}
	if _, err := nkeys.ParseDecoratedNKey(text); err == nil {
		return fmt.Errorf("nats.creds_file: %s has an nkey and no user JWT; a credentials file has both, "+
			"and a seed alone belongs into a file of its own, named as nats.nkey_seed_file", path)
	}
	return fmt.Errorf("nats.creds_file: %s has no user JWT, so it is not a NATS credentials file", path)
}

// signing answers the server's challenge with an nkey.
func signing(seed config.Secret) (nats.Option, error) {
	pair, err := nkeys.FromSeed([]byte(seed.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("nats.nkey_seed: %w", err) // without the seed
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("nats.nkey_seed: %w", err)
	}
	return nats.Nkey(public, pair.Sign), nil
}

// JetStream opens JetStream in the domain of the settings.
func JetStream(settings config.NATS, conn *nats.Conn) (jetstream.JetStream, error) {
	if settings.Domain == "" {
		return jetstream.New(conn)
	}
	return jetstream.NewWithDomain(conn, settings.Domain)
}
