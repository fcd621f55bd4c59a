package nearest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/nearest"
)

func TestNearestName(t *testing.T) {
	t.Parallel()
	known := []string{"shop01-meta", "shop02-meta", "shop01-pinterest", "nop", "żółw"}
	for name, want := range map[string]string{
		"nope": "nop", "shop01-metta": "shop01-meta", "shop1-pinterest": "shop01-pinterest", "shop02meta": "shop02-meta",
		"zolw": "", "żołw": "żółw", "something": "", "": "", "ab": "", strings.Repeat("x", 100): "",
	} {
		require.Equal(t, want, nearest.To(name, known), name)
	}
}
