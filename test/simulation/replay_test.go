package simulation

import (
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReplay: a seed is all that a history depends on. Each is told twice, and what
// happened is the same, to the nanosecond. With -digests it also writes a line for each
// seed: two versions of the program that write the same lines do the same.
func TestReplay(t *testing.T) {
	t.Parallel()
	var digests strings.Builder
	for n := range *replays {
		seed := uint64(n + 1)
		var journals [2]journal
		for i := range journals {
			journals[i].kept = true
			tell(t, seed, variant{}, &journals[i])
		}
		first, second := journals[0].String(), journals[1].String()
		require.NotEmpty(t, first)
		if first != second {
			a, b := difference(first, second)
			require.Failf(t, "a history cannot be repeated", "seed %d:\n%s\nand then\n%s", seed, a, b)
		}
		fmt.Fprintf(&digests, "%d %x\n", seed, sha256.Sum256([]byte(first)))
	}
	if *digestFile != "" {
		require.NoError(t, os.WriteFile(*digestFile, []byte(digests.String()), 0o600))
	}
}

// difference is where two journals part, with the lines around it.
func difference(first, second string) (a, b string) {
	lines, others := strings.Split(first, "\n"), strings.Split(second, "\n")
	for i := range min(len(lines), len(others)) {
		if lines[i] != others[i] {
			from := max(0, i-5)
			return strings.Join(lines[from:min(i+3, len(lines))], "\n"), strings.Join(others[from:min(i+3, len(others))], "\n")
		}
	}
	return "", "one goes on after the other has ended"
}
