package persistence

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Unavailable reports that a call failed because the database could not be reached or did
// not take it for now: to try again later may help, and nothing else does.
func Unavailable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if _, connecting := errors.AsType[*pgconn.ConnectError](err); connecting {
		return true
	}
	if refused, said := errors.AsType[*pgconn.PgError](err); said {
		// connection_exception, insufficient_resources (53300 too_many_connections, and the
		// disk is full), operator_intervention but for query_canceled, which is a timeout.
		return strings.HasPrefix(refused.Code, "08") || strings.HasPrefix(refused.Code, "53") ||
			strings.HasPrefix(refused.Code, "57P")
	}
	if _, network := errors.AsType[net.Error](err); network {
		return true
	}
	return pgconn.SafeToRetry(err) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrUnexpectedEOF)
}
