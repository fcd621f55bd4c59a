// Package clitest has what the tests of both programs share.
package clitest

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
)

// RequireNoNegatives calls each command below root once with each flag that is a number or a
// time below zero, and requires that it is refused. except are flags that take one.
func RequireNoNegatives(t *testing.T, root *cobra.Command, execute func(args []string) (code int, text string), except ...string) {
	t.Helper()
	seen := 0
	var walk func(command *cobra.Command)
	walk = func(command *cobra.Command) {
		command.Flags().VisitAll(func(flag *pflag.Flag) {
			value, number := map[string]string{"int": "-1", "int64": "-1", "float64": "-1", "duration": "-1s"}[flag.Value.Type()]
			name := "--" + flag.Name
			for _, allowed := range except {
				number = number && name != allowed
			}
			if !number || !command.Runnable() {
				return
			}
			seen++
			args := strings.Fields(command.CommandPath())[1:]
			args = append(args, name+"="+value)
			for _, word := range strings.Fields(command.Use)[1:] {
				if word == strings.ToUpper(word) && !strings.HasPrefix(word, "[") && word != "..." {
					args = append(args, "1")
				}
			}
			code, text := execute(args)
			require.NotEqual(t, cli.Done, code, "%v", args)
			require.Contains(t, text, name+" "+value, "%v", args)
			require.Contains(t, text, "--help", "%v", args)
		})
		for _, child := range command.Commands() {
			walk(child)
		}
	}
	walk(root)
	require.NotZero(t, seen)
}
