package process

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStatOfAnyName(t *testing.T) {
	t.Parallel()
	stat, err := parseStat(7, []byte("7 (a) S 99 (b)) R 3 7 7 0 -1 4194304 1 2 3 4 150 50 20 10 20 0 1 0 5\n"))
	require.NoError(t, err)
	require.Equal(t, Stat{Parent: 3, CPU: 2 * time.Second, Ended: 300 * time.Millisecond}, stat)

	for _, text := range []string{"", "7 (sh) R 3 7", "7 (sh) R x 7 7 0 -1 4194304 1 2 3 4 150 50 20 10 20"} {
		_, err := parseStat(7, []byte(text))
		require.Errorf(t, err, "%q", text)
	}
}
