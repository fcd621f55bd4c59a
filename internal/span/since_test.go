package span_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/span"
)

func TestSince(t *testing.T) {
	t.Parallel()
	warsaw, err := time.LoadLocation("Europe/Warsaw")
	require.NoError(t, err)
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2h": now.Add(-2 * time.Hour), "7d": now.AddDate(0, 0, -7), "1w": now.AddDate(0, 0, -7), "90m": now.Add(-90 * time.Minute),
		"2026-11-28T09:00:00Z": time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC), "2026-11-28T09:00Z": time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC),
		"2026-11-28": time.Date(2026, 11, 27, 23, 0, 0, 0, time.UTC), "2026-11-28 09:00:00": time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC),
	} {
		at, err := span.Since(text, warsaw, now)
		require.NoError(t, err, text)
		require.True(t, want.Equal(at), "%s: %s", text, at)
	}
	for _, text := range []string{"", "bogus", "-2h", "7x", "d", "2026-13-01", "99999999999d"} {
		_, err := span.Since(text, warsaw, now)
		require.Error(t, err, text)
	}
}
