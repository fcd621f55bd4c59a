package legible_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

func TestCell(t *testing.T) {
	t.Parallel()
	for _, same := range []string{"", "SKU-1", "-5", "+48123456789", "-1.5e-7", "0012", "'=1", "ł-1", "a=b", "日本"} {
		require.Equal(t, same, legible.Cell(same))
	}
	for _, formula := range []string{
		`=HYPERLINK("http://evil.example")`, "+1+1", "-2+3", "-", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1+1", "＋1", "－1", "＠SUM(1)",
		"-5\n", "-inf", "+nan", "-0x1p-2", "-.5", "-1_000", "-1,5",
	} {
		require.Equal(t, "'"+formula, legible.Cell(formula))
	}
}
