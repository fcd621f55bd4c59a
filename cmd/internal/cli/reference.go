package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Reference is the program's part of the command line reference, in Markdown, made of the
// commands themselves. Hidden commands and cobra's own are left out.
func Reference(root *cobra.Command) string {
	root.InitDefaultVersionFlag()
	var text strings.Builder
	describe(&text, root)
	return text.String()
}

func describe(text *strings.Builder, command *cobra.Command) {
	_, _ = fmt.Fprintf(text, "## `%s`\n\n", command.CommandPath())
	_, _ = fmt.Fprintf(text, "%s.\n\n```\n%s\n```\n\n", sentence(command.Short), useLine(command))
	if command.Long != "" {
		_, _ = fmt.Fprintf(text, "%s\n\n", strings.TrimSpace(command.Long))
	}
	if command.Example != "" {
		_, _ = fmt.Fprintf(text, "```sh\n%s\n```\n\n", unindented(command.Example))
	}
	flags := command.LocalFlags()
	if command.HasParent() {
		flags = command.NonInheritedFlags()
	}
	describeFlags(text, flags)
	for _, child := range command.Commands() {
		if child.IsAvailableCommand() && child.Name() != "help" && child.Name() != "completion" {
			describe(text, child)
		}
	}
}

// useLine is how the command is called.
func useLine(command *cobra.Command) string {
	line := command.UseLine()
	if command.HasAvailableSubCommands() && !command.Runnable() {
		line = command.CommandPath() + " COMMAND"
	}
	return line
}

func describeFlags(text *strings.Builder, flags *pflag.FlagSet) {
	var rows []string
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden || flag.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(flag)
		name := "`--" + flag.Name + "`"
		if value != "" {
			name = "`--" + flag.Name + " " + value + "`"
		}
		if flag.Shorthand != "" {
			name = "`-" + flag.Shorthand + "`, " + name
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s |", name, defaultOf(flag), strings.ReplaceAll(usage, "|", `\|`)))
	})
	if len(rows) == 0 {
		return
	}
	slices.Sort(rows)
	_, _ = fmt.Fprintf(text, "| flag | default | meaning |\n|---|---|---|\n%s\n\n", strings.Join(rows, "\n"))
}

// defaultOf is a flag's default, "" where it is that of its type.
func defaultOf(flag *pflag.Flag) string {
	switch flag.DefValue {
	case "", "false", "0", "0s", "[]":
		return ""
	default:
		return "`" + flag.DefValue + "`"
	}
}

// sentence begins with a capital letter.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// unindented takes the indent of examples away.
func unindented(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}

// PutReference puts a program's part into the text of docs/cli.md, between the markers with
// its name. ok is false where they are not there.
func PutReference(document, program, reference string) (changed string, ok bool) {
	begin, end := "<!-- "+program+" -->\n", "<!-- /"+program+" -->\n"
	before, rest, begins := strings.Cut(document, begin)
	_, after, ends := strings.Cut(rest, end)
	return before + begin + reference + end + after, begins && ends
}
