package persistence

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/catalog-courier/catalog-courier/internal/precondition"
)

// fewestConnections are what one worker cannot do with less of.
const fewestConnections = 4

// CheckConnections compares the connections that one worker may open, of
// database.max_conns (origin says where it is set), with those that the server, the
// database and the role allow to all their sessions together. The warning says that
// there are fewer, the error (precondition.Failures, passing) that they are too few for
// any worker.
func CheckConnections(ctx context.Context, pool *pgxpool.Pool, wanted int, origin string) (warning string, err error) {
	var allowed int
	var by string
	err = pool.QueryRow(ctx, `SELECT allowed, by FROM (
			SELECT current_setting('max_connections')::int - CASE WHEN rolsuper THEN 0
				ELSE current_setting('superuser_reserved_connections')::int END AS allowed, 'max_connections of the server' AS by
			FROM pg_catalog.pg_roles WHERE rolname = session_user
		UNION ALL SELECT rolconnlimit, 'the CONNECTION LIMIT of role ' || rolname
			FROM pg_catalog.pg_roles WHERE rolname = session_user AND rolconnlimit >= 0 AND NOT rolsuper
		UNION ALL SELECT datconnlimit, 'the CONNECTION LIMIT of database ' || datname
			FROM pg_catalog.pg_database, pg_catalog.pg_roles
			WHERE datname = current_database() AND datconnlimit >= 0 AND rolname = session_user AND NOT rolsuper
		) AS limits ORDER BY allowed LIMIT 1`).Scan(&allowed, &by)
	if err != nil {
		return "", fmt.Errorf("asking for the limits of connections: %w", err)
	}
	what := "the number of connections for database.max_conns (" + origin + "), by " + by + ","
	if allowed < fewestConnections {
		return "", precondition.Failures{{
			Key: "database.max_conns", What: what, Found: strconv.Itoa(allowed), Wanted: strconv.Itoa(wanted) + " for each worker",
			Cure: "raise that limit", Passing: true,
		}}
	}
	if allowed < wanted {
		return fmt.Sprintf("%s is %d; %d for each worker are wanted: lower database.max_conns, or raise that limit", what, allowed, wanted), nil
	}
	return "", nil
}

// eachPool is how many connections of each pool are tried: the fewest of both.
const eachPool = fewestConnections / 2

// TryConnections opens the fewest connections that a worker needs, all at the same time:
// a pooler between has a limit that no query tells, and lets a session wait for its turn
// instead of refusing it. The error is precondition.Failures, passing. It takes as long
// as patience for a connection that does not come.
func TryConnections(ctx context.Context, patience time.Duration, wanted int, origin string, pools ...*pgxpool.Pool) error {
	open := 0
	var held []*pgxpool.Conn
	defer func() {
		for _, connection := range held {
			connection.Release()
		}
	}()
	for _, pool := range pools {
		for range eachPool {
			limited, cancel := context.WithTimeout(ctx, patience)
			connection, err := pool.Acquire(limited)
			if err == nil {
				held = append(held, connection)
				err = connection.Ping(limited)
			}
			cancel()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				return precondition.Failures{{
					Key: "database.max_conns", What: "the number of connections at the same time, for database.max_conns (" + origin + "),",
					Found: fmt.Sprintf("%d, and no other within %s", open, patience), Wanted: fmt.Sprintf("%d or more, %d for each worker", fewestConnections, wanted),
					Cure: "raise the limit of the pooler (PgBouncer: default_pool_size) or of the server, or end other sessions", Passing: true,
				}}
			}
			open++
		}
	}
	return nil
}
