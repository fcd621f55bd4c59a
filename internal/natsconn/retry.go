package natsconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go"

	"github.com/catalog-courier/catalog-courier/internal/config"
)

// natsTimeout bounds one attempt to reach one server.
const natsTimeout = 5 * time.Second

// ConnectWithin connects as Connect does, and tries again for the time of budget while no
// server answers. waiting hears once, of the first failure that is followed by another
// attempt. What another attempt does not change is returned at once: refused credentials,
// a name that does not exist, a certificate that is not trusted, a file that is missing.
// It returns the last failure, of each address, when the budget is used up.
func ConnectWithin(
	ctx context.Context, settings config.NATS, budget time.Duration, waiting func(error), logger *slog.Logger, more ...nats.Option,
) (*nats.Conn, error) {
	const firstPause, longestPause = 100 * time.Millisecond, 2 * time.Second
	schedule := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(firstPause), backoff.WithMaxInterval(longestPause), backoff.WithMaxElapsedTime(0))
	limited, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	var conn *nats.Conn
	var last error
	var once sync.Once
	_ = backoff.RetryNotify(func() error {
		dialled := &dialler{}
		conn, last = Connect(settings, logger, append(slices.Clone(more), nats.SetCustomDialer(dialled))...)
		if last == nil {
			return nil
		}
		failures := dialled.failures()
		// The client returns what the last address failed with, and tries them in any order:
		// one that is refused is the last one soon. A name that does not exist keeps nobody
		// from waiting for the other addresses.
		passing := mayPass(last) || slices.Contains(failures, last) && slices.ContainsFunc(failures, mayPass)
		if last = withFailures(last, failures); !passing {
			return backoff.Permanent(last)
		}
		return last
	}, backoff.WithContext(schedule, limited), func(err error, _ time.Duration) { once.Do(func() { waiting(err) }) })
	switch {
	case last == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, errors.Join(context.Cause(ctx), last)
	case limited.Err() != nil:
		return nil, fmt.Errorf("tried for %s in vain: %w", budget, last)
	default:
		return nil, last
	}
}

// dialler keeps why addresses could not be reached: the client tells only that none could.
type dialler struct {
	mu     sync.Mutex
	failed []error
}

// maxDialFailures bounds what is kept of one attempt.
const maxDialFailures = 8

// Dial implements nats.CustomDialer, also for later connections of the client.
func (d *dialler) Dial(network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: natsTimeout}).Dial(network, address)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil && len(d.failed) < maxDialFailures {
		d.failed = append(d.failed, err)
	}
	return conn, err
}

func (d *dialler) failures() []error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.failed)
}

// withFailures adds why no server could be reached to an error that says only that.
func withFailures(err error, failures []error) error {
	if !errors.Is(err, nats.ErrNoServers) || len(failures) == 0 {
		return err
	}
	return fmt.Errorf("%w: %w", err, errors.Join(failures...))
}

// mayPass reports an error of connecting after which the same attempt may succeed: no
// server is there, it does not answer, or it takes no more connections now.
func mayPass(err error) bool {
	if resolving, ok := errors.AsType[*net.DNSError](err); ok && resolving.IsNotFound {
		return false
	}
	if _, wrong := errors.AsType[*net.AddrError](err); wrong {
		return false
	}
	if _, refused := errors.AsType[tls.AlertError](err); refused { // the server's word on the certificate
		return false
	}
	for _, passing := range []error{
		nats.ErrNoServers, nats.ErrTimeout, nats.ErrStaleConnection, nats.ErrDisconnected, nats.ErrConnectionClosed,
		nats.ErrMaxConnectionsExceeded, nats.ErrMaxAccountConnectionsExceeded,
		context.DeadlineExceeded, os.ErrDeadlineExceeded, io.EOF, io.ErrUnexpectedEOF,
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	_, unreachable := errors.AsType[*net.OpError](err)
	return unreachable
}
