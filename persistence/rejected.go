package persistence

import (
	"errors"
	"fmt"

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

// unsendable gives the same kind to values that cannot be encoded. pgx has no type
// for that error; but any trouble with the line ends a connection, so that one that
// outlives an error which is no answer was not the cause.
func unsendable(err error, connection *pgx.Conn) error {
	_, answered := errors.AsType[*pgconn.PgError](err)
	if err == nil || answered || connection.IsClosed() {
		return err
	}
	return fmt.Errorf("%w: %w", ledger.ErrRejected, err)
}
