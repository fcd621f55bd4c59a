package console

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/persistence"
)

// noReader and noAudit are for tests that never reach the database.
type noReader struct{ Reader }

type noAudit struct{ AuditLog }

func (noAudit) List(context.Context, persistence.AuditFilter) ([]persistence.AuditEntry, error) {
	return nil, nil
}

// newBare is a console whose audit page alone can be answered.
func newBare(t *testing.T, o Options) *Console {
	t.Helper()
	o.Reader, o.Audit, o.Logger = noReader{}, noAudit{}, slog.New(slog.DiscardHandler)
	c, err := New(o)
	require.NoError(t, err)
	return c
}
