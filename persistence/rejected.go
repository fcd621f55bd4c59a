package persistence

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// rejected gives an error its kind by the class of the SQLSTATE (PostgreSQL, appendix
// A): ledger.ErrRejected for what the server answers of the very statement or its
// values, which includes whatever a trigger of the operator may raise;
// ledger.ErrSlow for a statement that took too long. The classes named are about the
// state of the server, of a connection or of other transactions.
func rejected(err error) error {
	problem, answered := errors.AsType[*pgconn.PgError](err)
	if !answered || len(problem.Code) < 2 || !refuses(problem) {
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("%w: %w", ledger.ErrSlow, err)
		}
		return err
	}
	switch problem.Code {
	case codeCanceled, codeLockNotAvailable:
		return fmt.Errorf("%w: %w", ledger.ErrSlow, err)
	case codeDataCorrupted, codeIndexCorrupted:
		return err
	}
	switch problem.Code[:2] {
	case "08", // connection exception
		"25", // invalid transaction state: a server that is read-only
		"26", // a prepared statement that is not there
		"28", // invalid authorization
		"3D", // the database is gone
		"40", // transaction rollback: a deadlock
		"53", // insufficient resources: the disk or the memory is full
		"55", // object not in the state needed
		"57", // operator intervention
		"58", // system error
		"CC", // the fence
		"F0": // configuration file error
		return err
	}
	return fmt.Errorf("%w: %w", ledger.ErrRejected, err)
}

// refuses reports that the server refused a statement and goes on: nothing of its transaction is
// written. After anything worse it ends the connection, and nobody knows.
//
// Severity is a word of the server's language (lc_messages), and the other field is not; but a
// server before 9.6, or what imitates one, may leave that out.
func refuses(problem *pgconn.PgError) bool {
	return cmp.Or(problem.SeverityUnlocalized, problem.Severity) == "ERROR"
}

// What the server says of a statement that it ended, and of its own damage.
const (
	codeCanceled       = "57014"
	codeDataCorrupted  = "XX001"
	codeIndexCorrupted = "XX002"
)

// unsendable gives the same kind to values that cannot be encoded: pgx encodes a batch
// before it sends the rest of it. The step is told by the text alone, and a test holds pgx
// to it; whether the connection outlives the error is no sign, as statements of the same
// batch may be under way by then. Without a batch pgx has no type for it at all; but any
// trouble with the line ends a connection, so that one that outlives an error which is no
// answer was not the cause.
func unsendable(err error, connection *pgx.Conn) error {
	if err == nil {
		return nil
	}
	if _, answered := errors.AsType[*pgconn.PgError](err); answered {
		return err
	}
	before, isBatch := errors.AsType[pgx.ErrPreprocessingBatch](err)
	if built := isBatch && strings.HasPrefix(before.Error(), "error preprocessing batch (build)"); built || !connection.IsClosed() {
		return fmt.Errorf("%w: %w", ledger.ErrRejected, err)
	}
	return err
}
