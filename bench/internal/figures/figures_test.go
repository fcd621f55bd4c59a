package figures_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/bench/internal/figures"
)

func TestMicro(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 1.5, figures.Micro(3*time.Millisecond, 2000), 1e-9)
}

func TestSummary(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		digits int
		want   string
	}{
		{nil, 1, ""},
		{[]float64{3}, 1, "3.0"},
		{[]float64{9, 1, 4}, 0, "4 (1–9)"},
		{[]float64{9, 1, 4, 5}, 1, "4.5 (1.0–9.0)"},
		{[]float64{2.01, 2.04}, 1, "2.0"}, // a range that cannot be seen is none
	} {
		given := append([]float64(nil), c.values...)
		require.Equal(t, c.want, figures.Summary(c.values, c.digits))
		require.Equal(t, given, c.values, "the runs keep their order")
	}
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(i + 1)
	}
	for share, want := range map[float64]float64{0: 1, 0.5: 50, 0.9: 90, 0.99: 99, 1: 100} {
		require.Equal(t, want, figures.Quantile(hundred, share)) //nolint:testifylint // whole numbers
	}
	require.InDelta(t, 7.0, figures.Quantile([]float64{7}, 0.99), 0)
}

func TestTable(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	table := figures.NewTable(&out, "run", "µs")
	table.AppendRow([]any{1, 2.5})
	require.Equal(t, table.Render()+"\n", out.String())
	require.Contains(t, out.String(), "│ run │  µs │")
	require.NotEmpty(t, figures.NewTable(nil, "run").Render())
}

func TestLinesAreAppended(t *testing.T) {
	t.Parallel()
	require.NoError(t, figures.AppendLine("", 1))
	path := filepath.Join(t.TempDir(), "runs.jsonl")
	for _, run := range []map[string]int{{"run": 1}, {"run": 2}} {
		require.NoError(t, figures.AppendLine(path, run))
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "{\"run\":1}\n{\"run\":2}\n", string(text))
	require.Error(t, figures.AppendLine(t.TempDir(), 1))
}
