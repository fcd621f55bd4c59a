package rest

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWordsOfPatterns: each text that a pattern matches has one of its words.
func TestWordsOfPatterns(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string][]string{
		`(?i)pin[a-z]_[A-Za-z0-9_\-.]{8,}`:                 {"PIN"},
		`(?i)\bEAA[A-Za-z0-9]{12,}|proof["']?\s*[=:][^"]+`: {"EAA", "PROOF"},
		`\bshelf_[a-z0-9]{8,}`:                             {"SHELF_"},
		`[a-z]{8}`:                                         nil,
		`abc|[a-z]{8}`:                                     nil,
		`(abc)*`:                                           nil,
		`(abc)+`:                                           {"ABC"},
		`(?i)kiss`:                                         {"KISS"},
	} {
		require.Equal(t, want, wordsIn(regexp.MustCompile(pattern)), pattern)
	}
	require.Equal(t, []string{"BEARER", "ACCESS_TOKEN", "CLIENT_SECRET", "REFRESH_TOKEN"}, wordsOfNamed)
	require.Equal(t, "KISS", upper("\u212Aiſs"))
	require.Equal(t, "x "+hidden, hideAbsent("x acceſs_to\u212Aen=abc", nil, nil))
}
