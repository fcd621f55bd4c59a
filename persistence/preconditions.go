package persistence

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/internal/precondition"
)

// minPostgres is the oldest major version: block range indexes with Bloom filters
// came with it.
const minPostgres = 14

// need is one property of the server, the database or the session.
type need struct {
	key, what  string
	expression string // in SQL, as text
	wanted     string
	// holds judges what was found; nil compares it with wanted.
	holds   func(found string) bool
	cure    string
	passing bool
}

// needs are looked at in one statement. More can be added.
var needs = []need{
	{
		key: "server_version", what: "the Postgres server's version", expression: "current_setting('server_version')",
		wanted: strconv.Itoa(minPostgres) + " or newer", holds: recentPostgres,
	},
	{
		// Another encoding cannot hold every text, and one without conversion (SQL_ASCII)
		// compares bytes that nobody has checked.
		key: "server_encoding", what: "the database's encoding", expression: "current_setting('server_encoding')",
		wanted: "UTF8", cure: "an encoding cannot be changed; make another database with ENCODING 'UTF8' TEMPLATE template0",
	},
	{
		key: "client_encoding", what: "the session's client_encoding", expression: "current_setting('client_encoding')",
		wanted: "UTF8", cure: "something between this program and the server changes it, such as a connection pooler",
	},
	{
		key: "standard_conforming_strings", what: "the session's standard_conforming_strings",
		expression: "current_setting('standard_conforming_strings')", wanted: "on",
		cure: "something between this program and the server changes it, such as a connection pooler",
	},
	{
		key: "in_recovery", what: "the server's role", expression: "CASE WHEN pg_is_in_recovery() THEN 'a standby in recovery' ELSE 'the primary' END",
		wanted: "the primary", cure: "correct database.url, or wait until the server is promoted", passing: true,
	},
	{
		key: "transaction_read_only", what: "default_transaction_read_only",
		expression: "CASE WHEN pg_is_in_recovery() THEN 'off' ELSE current_setting('transaction_read_only') END",
		wanted:     "off", cure: "the server, the database or the role sets it; reset it there", passing: true,
	},
}

func recentPostgres(version string) bool {
	major, err := strconv.Atoi(version[:len(version)-len(strings.TrimLeft(version, "0123456789"))])
	return err == nil && major >= minPostgres
}

// Preconditions looks at the server, the database and a session as this program
// opens it, and changes nothing. The failures name everything that does not hold;
// the error is that of a server that does not answer.
func Preconditions(ctx context.Context, url string) (failures precondition.Failures, err error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("reading the database URL: %w", err)
	}
	setSession(config.RuntimeParams)
	config.ConnectTimeout = connectTimeout
	connection, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(err, connection.Close(closing))
	}()
	if failures, err = pooling(ctx, connection); err != nil {
		return nil, err
	}
	found, err := lookAt(ctx, connection)
	return append(failures, found...), err
}

func lookAt(ctx context.Context, connection *pgx.Conn) (failures precondition.Failures, err error) {
	expressions, found := make([]string, len(needs)), make([]string, len(needs))
	into := make([]any, len(needs))
	for i, need := range needs {
		expressions[i], into[i] = need.expression, &found[i]
	}
	err = connection.QueryRow(ctx, "SELECT "+strings.Join(expressions, ", "), pgx.QueryExecModeSimpleProtocol).Scan(into...)
	if err != nil {
		return nil, fmt.Errorf("looking at the server's settings: %w", err)
	}
	for i, need := range needs {
		holds := found[i] == need.wanted
		if need.holds != nil {
			holds = need.holds(found[i])
		}
		if !holds {
			failures = append(failures, precondition.Failure{
				Key: need.key, What: need.what, Found: found[i], Wanted: need.wanted, Cure: need.cure, Passing: need.passing,
			})
		}
	}
	return failures, nil
}

// checked is Preconditions with everything in one error.
func checked(ctx context.Context, url string) error {
	failures, err := Preconditions(ctx, url)
	if err != nil {
		return err
	}
	return failures.Err()
}
