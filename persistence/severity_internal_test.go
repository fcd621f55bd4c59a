package persistence

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// TestTheSeverityOfAnAnswer is told whatever language the server speaks.
func TestTheSeverityOfAnAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		err     error
		refused bool
	}{
		{"an error", &pgconn.PgError{Severity: "ERROR", SeverityUnlocalized: "ERROR"}, true},
		{"an error in German", &pgconn.PgError{Severity: "FEHLER", SeverityUnlocalized: "ERROR"}, true},
		{"an error in Japanese", &pgconn.PgError{Severity: "エラー", SeverityUnlocalized: "ERROR"}, true},
		{"of an old server or pooler", &pgconn.PgError{Severity: "ERROR"}, true},
		{"of an old server, in German", &pgconn.PgError{Severity: "FEHLER"}, false},
		{"a connection that the server ends", &pgconn.PgError{Severity: "FATAL", SeverityUnlocalized: "FATAL"}, false},
		{"a connection that the server ends, in Polish", &pgconn.PgError{Severity: "KATASTROFALNY", SeverityUnlocalized: "FATAL"}, false},
		{"a word that means something else", &pgconn.PgError{Severity: "ERROR", SeverityUnlocalized: "FATAL"}, false},
		{"no answer", errors.New("the connection is cut"), false},
	} {
		problem, answered := errors.AsType[*pgconn.PgError](c.err)
		if answered {
			problem.Code = "23514"
		}
		err := fmt.Errorf("writing: %w", c.err)
		require.Equal(t, c.refused, errors.Is(rejected(err), ledger.ErrRejected), c.name)
		require.Equal(t, c.refused, nothingWritten(err), c.name)
		link := &chain{}
		require.Error(t, (&Store{}).finish(link, &ledger.Transaction{ID: uuid.New()}, err))
		require.Equal(t, !c.refused, link.doubt, "%s: an answer leaves no doubt", c.name)
	}
}
