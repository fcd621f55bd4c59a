package legible_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

func TestCut(t *testing.T) {
	t.Parallel()
	require.Equal(t, "lamp", legible.Cut("lamp", 4))
	require.Equal(t, "lam…", legible.Cut("lamps", 3))
	require.Equal(t, "zł…", legible.Cut("złoty", 2))
	require.Equal(t, "złoty", legible.Cut("złoty", 5), "characters count, not bytes")
	require.Equal(t, "a\uFFFDb", legible.Cut("a\xffb", 9))
	require.Equal(t, "…", legible.Cut("lamp", 0))
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) + rapid.String().Draw(t, "text")
		limit := rapid.IntRange(0, 40).Draw(t, "limit")
		cut := legible.Cut(text, limit)
		require.True(t, utf8.ValidString(cut))
		require.LessOrEqual(t, utf8.RuneCountInString(cut), limit+1)
		if utf8.RuneCountInString(text) <= limit {
			require.Equal(t, strings.ToValidUTF8(text, "\uFFFD"), cut)
		}
	})
}
