package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

func TestDidYouMean(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"stauts":          `unknown command "stauts" for "tool"; did you mean status?`,
		"xyz":             `unknown command "xyz" for "tool"` + "\n",
		"status --acount": "unknown flag: --acount; did you mean --account?",
		"status --quux":   "unknown flag: --quux\n",
		"status extra":    `unknown command "extra" for "tool status"` + "\n",
	} {
		root := &cobra.Command{Use: "tool"}
		status := &cobra.Command{Use: "status", RunE: func(*cobra.Command, []string) error { return nil }}
		status.Flags().String("account", "", "")
		root.AddCommand(status)
		root.PersistentFlags().String("config", "", "")
		var out, said bytes.Buffer
		streams := Streams{In: strings.NewReader(""), Out: &out, Err: &said, Lookup: func(string) (string, bool) { return "", false }}
		require.Equal(t, Usage, Execute(t.Context(), root, streams, strings.Fields(typed)), typed)
		require.Contains(t, said.String(), want, typed)
	}
}
