package legible_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

func TestScopesHaveNoHashes(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"meta/app/0123456789abcdef":                      "meta/app",
		"pinterest/0123456789abcdef/catalogs_write":      "pinterest/catalogs_write",
		"meta/catalog/1234567890123456/batch":            "meta/catalog/1234567890123456/batch",
		"0123456789abcdef":                               "0123456789abcdef",
		"meta/app/0123456789ABCDEF/0123456789abcdefa/ab": "meta/app/0123456789ABCDEF/0123456789abcdefa/ab",
	} {
		require.Equal(t, want, legible.Scope(name))
	}
}
