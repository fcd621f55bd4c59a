package cli_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
)

// TestConfirm agrees to y and yes only, and nobody is asked without a terminal.
func TestConfirm(t *testing.T) {
	t.Parallel()
	for answer, agreed := range map[string]bool{"y\n": true, " YES \n": true, "n\n": false, "\n": false, "": false, "yes please\n": false, "y": true} {
		var asked bytes.Buffer
		streams := cli.Streams{In: strings.NewReader(answer), Err: &asked}
		require.False(t, streams.Asks())
		require.Equal(t, agreed, streams.Confirm("Replay 3?"), "%q", answer)
		require.Equal(t, "Replay 3? [y/N] ", asked.String())
	}
}
