package persistence

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/catalog-courier/catalog-courier/ledger"
)

// rejected gives an error the kind ledger.ErrRejected where the server answered
// that the very statement or its values are wrong, by the class of the SQLSTATE
// (PostgreSQL, appendix A). All other answers are about the server's own state.
func rejected(err error) error {
	problem, answered := errors.AsType[*pgconn.PgError](err)
	if !answered || len(problem.Code) < 2 {
		return err
	}
	switch problem.Code[:2] {
	case "0A", // feature not supported
		"21", // cardinality violation
		"22", // data exception
		"23", // integrity constraint violation
		"42", // syntax error, undefined or forbidden object
		"54": // program limit exceeded
		return fmt.Errorf("%w: %w", ledger.ErrRejected, err)
	}
	return err
}

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
