package persistence

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/internal/precondition"
)

// pooling fails where a session of ours is not one session of the server: a pooler by
// transaction (or by statement) gives each transaction whatever connection is free.
// Settings then reach the sessions of others, and prepared statements are missing.
//
// The first session marks its connection. The second begins a transaction: a pooler
// gives it the marked connection, or keeps that and gives the first another one.
func pooling(ctx context.Context, first *pgx.Conn) (failures precondition.Failures, err error) {
	mark := uuid.NewString()
	var before, after int
	err = first.QueryRow(ctx, "SELECT pg_backend_pid() FROM set_config('courier.session', $1, false)", pgx.QueryExecModeSimpleProtocol, mark).Scan(&before)
	if err != nil {
		return nil, fmt.Errorf("marking a session: %w", err)
	}
	second, err := pgx.ConnectConfig(ctx, first.Config())
	if err != nil {
		return nil, fmt.Errorf("opening a second connection: %w", err)
	}
	defer leave(ctx, second)
	if _, err = second.Exec(ctx, "BEGIN", pgx.QueryExecModeSimpleProtocol); err != nil {
		if hasCode(err, codePoolerRefuses) {
			return byTransaction("a pooler by statement"), nil
		}
		return nil, fmt.Errorf("beginning a transaction: %w", err)
	}
	var seen string
	err = second.QueryRow(ctx, "SELECT coalesce(current_setting('courier.session', true), '')", pgx.QueryExecModeSimpleProtocol).Scan(&seen)
	if err != nil {
		return nil, fmt.Errorf("looking for the mark of another session: %w", err)
	}
	if seen == mark {
		return byTransaction("a pooler by transaction"), nil
	}
	err = first.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&after)
	if err != nil {
		return nil, fmt.Errorf("asking for the session's process: %w", err)
	}
	if before != after {
		return byTransaction("a pooler by transaction"), nil
	}
	return nil, nil
}

// codePoolerRefuses is PgBouncer's answer to a BEGIN where it pools by statement.
const codePoolerRefuses = "08P01"

func byTransaction(found string) precondition.Failures {
	return precondition.Failures{{
		Key: "pool_mode", What: "what database.url leads to", Found: found,
		Wanted: "a server, or a pooler by session (pool_mode = session)",
		Cure:   "this program's sessions have settings and prepared statements of their own; connect directly, or give its database pool_mode = session",
	}}
}

// leave ends the transaction, so that a pooler keeps the server's connection.
func leave(ctx context.Context, connection *pgx.Conn) {
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_, _ = connection.Exec(closing, "ROLLBACK", pgx.QueryExecModeSimpleProtocol)
	_ = connection.Close(closing) // nothing to save
}
