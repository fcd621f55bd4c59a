package span_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/span"
)

func TestLength(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "2h": 2 * time.Hour, "1h30m": 90 * time.Minute, "7d": 168 * time.Hour, "2w": 336 * time.Hour, "9999h": 9999 * time.Hour,
	} {
		length, err := span.Length(text)
		require.NoError(t, err, text)
		require.Equal(t, want, length, text)
	}
	for _, text := range []string{"", "1ms", "-2h", "0s", "d", "-1d", "99999999999d", "2", "2 h", "soon"} {
		_, err := span.Length(text)
		require.Error(t, err, text)
	}
}

func TestUntil(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	zone := time.FixedZone("far", 2*60*60)
	want := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	for _, text := range []string{"2026-12-01T10:00Z", "2026-12-01T10:00:00Z", "2026-12-01T12:00", "2026-12-01 12:00:00", "2026-12-01T11:00+01:00"} {
		at, err := span.Until(text, zone, now)
		require.NoError(t, err, text)
		require.True(t, want.Equal(at), text)
	}
	for _, text := range []string{"", "2h", "2026-11-30T12:00Z", "2026-11-30T13:59", "tomorrow", "2026-13-01"} {
		_, err := span.Until(text, zone, now)
		require.Error(t, err, text)
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for length, want := range map[time.Duration]string{
		time.Second: "1 second", 90 * time.Minute: "1 hour 30 minutes", 7 * 24 * time.Hour: "7 days", 36 * time.Hour: "1 day 12 hours",
	} {
		require.Equal(t, want, span.Words(length))
	}
}
