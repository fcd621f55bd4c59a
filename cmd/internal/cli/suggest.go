package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// nearby is how many letters a name may differ from what was typed.
const nearby = 2

// suggestCommand adds the subcommands that may have been meant to an error about arguments.
func suggestCommand(command *cobra.Command, args []string, err error) error {
	if len(args) == 0 || !command.HasAvailableSubCommands() {
		return err
	}
	command.SuggestionsMinimumDistance = nearby
	return suggest(err, command.SuggestionsFor(args[0]))
}

// suggestFlag adds the flags that may have been meant to the error about an unknown one.
func suggestFlag(command *cobra.Command, err error) error {
	_, typed, unknown := strings.Cut(err.Error(), "unknown flag: --")
	if !unknown {
		return err
	}
	// cobra compares names of commands only.
	names := &cobra.Command{SuggestionsMinimumDistance: nearby}
	add := func(flag *pflag.Flag) {
		if !flag.Hidden {
			names.AddCommand(&cobra.Command{Use: flag.Name, Run: func(*cobra.Command, []string) {}})
		}
	}
	command.Flags().VisitAll(add)
	found := names.SuggestionsFor(typed)
	for i := range found {
		found[i] = "--" + found[i]
	}
	return suggest(err, found)
}

func suggest(err error, names []string) error {
	if len(names) == 0 {
		return err
	}
	return fmt.Errorf("%w; did you mean %s?", err, strings.Join(names, " or "))
}
