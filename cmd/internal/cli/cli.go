// Package cli is what the commands share: the streams they talk to, their exit
// codes and their tables.
package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// The exit codes.
const (
	Done   = 0
	Failed = 1
	Usage  = 2
)

// Streams are what a command reads and writes, so that tests can stand in.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
	// Lookup reads an environment variable.
	Lookup func(name string) (string, bool)
	// Environ lists all variables; nil where Lookup is all there is.
	Environ func() []string
}

// Standard are the process's own streams.
func Standard() Streams {
	return Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Lookup: os.LookupEnv, Environ: os.Environ}
}

// Legible has everything that is written made legible: see package legible. Whoever
// draws on a terminal takes Raw.
func (s Streams) Legible() Streams {
	s.Out, s.Err = legible.NewWriter(s.Out), legible.NewWriter(s.Err)
	return s
}

// Raw is what is written to as it is.
func Raw(w io.Writer) io.Writer {
	if made, ok := w.(*legible.Writer); ok {
		return made.Inner()
	}
	return w
}

// Terminal reports whether people watch the writer: progress is shown to them
// only.
func Terminal(w io.Writer) bool {
	file, isFile := Raw(w).(*os.File)
	return isFile && isatty.IsTerminal(file.Fd())
}

// TerminalReader reports whether people type into the reader.
func TerminalReader(r io.Reader) bool {
	file, isFile := r.(*os.File)
	return isFile && isatty.IsTerminal(file.Fd())
}

// Colour reports whether colours are welcome (https://no-color.org).
func (s Streams) Colour() bool {
	if value, found := s.Lookup("NO_COLOR"); found && value != "" {
		return false
	}
	return Terminal(s.Out)
}

// usageError is a wrong way of calling a command: exit code 2.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// UsageErrorf says that the command was called wrongly.
func UsageErrorf(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// errSilent fails a command that has already said what is wrong.
var errSilent = errors.New("failed")

// ErrReported makes a command exit with 1 without another word.
func ErrReported() error { return errSilent }

// exitError ends the process with a code of the command's own.
type exitError struct{ code int }

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// Exit makes a command exit with a code of its own without another word.
func Exit(code int) error { return exitError{code} }

// IsExit reports an error of Exit: the command did its work, and says something by its code.
func IsExit(err error) bool {
	_, is := errors.AsType[exitError](err)
	return is
}

// OwnCodes is the annotation of commands for which the exit code Usage means something of
// their own: being called wrongly is Failed there. Commands below inherit it.
const OwnCodes = "own exit codes"

// hasOwnCodes reports whether the command or one above it is annotated.
func hasOwnCodes(command *cobra.Command) bool {
	for ; command != nil; command = command.Parent() {
		if _, own := command.Annotations[OwnCodes]; own {
			return true
		}
	}
	return false
}

// Run executes the command and returns its exit code. The first SIGINT or SIGTERM
// cancels the command's context; the second ends the process at once. SIGHUP ends
// nothing.
func Run(root *cobra.Command, streams Streams, args []string) int {
	ctx, cancel := context.WithCancel(context.Background())
	ctx, surviveHangups := survivingHangups(ctx, root.Name(), streams.Err)
	defer surviveHangups()
	// Room for both: the second is not lost however soon it follows.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	var listening sync.WaitGroup
	done := make(chan struct{})
	listening.Go(func() {
		for _, act := range []func(os.Signal){func(os.Signal) { cancel() }, endBy} {
			select {
			case received := <-signals:
				act(received)
			case <-done:
				return
			}
		}
	})
	defer func() {
		signal.Stop(signals)
		close(done)
		listening.Wait()
		cancel()
	}()
	return Execute(ctx, root, streams, args)
}

// endBy ends the process as the signal does where nobody listens.
func endBy(received os.Signal) {
	signal.Reset(received)
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Signal(received)
	}
	if err != nil { // the system has no such signals
		os.Exit(Failed)
	}
}

// Execute runs the command under a context of the caller's.
func Execute(ctx context.Context, root *cobra.Command, streams Streams, args []string) int {
	streams = streams.Legible()
	prepare(root)
	root.SetArgs(args)
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	if len(args) > 0 && slices.Contains([]string{"completion", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd}, args[0]) {
		root.SetOut(Raw(streams.Out)) // for a shell, which needs the tabs; all of it is ours
	}
	root.SetErr(streams.Err)
	called, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return Done
	case errors.Is(err, errSilent):
		return Failed
	}
	if own, ok := errors.AsType[exitError](err); ok {
		return own.code
	}
	_, _ = fmt.Fprintf(streams.Err, "%s: %s\n", called.CommandPath(), Indented(legible.Connecting(DeniedError(err).Error())))
	if _, wrong := errors.AsType[usageError](err); wrong {
		_, _ = fmt.Fprintf(streams.Err, "Run %q for help.\n", called.CommandPath()+" --help")
		if !hasOwnCodes(called) {
			return Usage
		}
	}
	return Failed
}

// Indented has further lines of a text stand apart from the lines of the command
// itself, so that none can be taken for one.
func Indented(text string) string { return strings.ReplaceAll(text, "\n", "\n  ") }

// prepare makes every way of calling a command wrongly a usage error.
func prepare(command *cobra.Command) {
	command.SilenceErrors = true
	command.SilenceUsage = true
	command.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usageError{suggestFlag(c, err)} })
	accept := command.Args
	if accept == nil {
		accept = cobra.NoArgs
	}
	command.Args = func(c *cobra.Command, args []string) error {
		if err := accept(c, args); err != nil {
			return usageError{suggestCommand(c, args, err)}
		}
		if slices.Contains(args, "") {
			return UsageErrorf("an argument is empty")
		}
		return numbersAbove(c)
	}
	if !command.Runnable() {
		command.RunE = func(c *cobra.Command, _ []string) error {
			c.SetOut(c.ErrOrStderr()) // no answer to what was asked
			_ = c.Help()
			return UsageErrorf("a command is required")
		}
	}
	for _, child := range command.Commands() {
		prepare(child)
	}
}

// TakesNegatives is the annotation of a flag for which a number below zero means something.
const TakesNegatives = "takes negatives"

// numbersAbove refuses flags with a number or a time below zero. Limits of their own are
// checked by the commands.
func numbersAbove(command *cobra.Command) (problem error) {
	command.Flags().Visit(func(flag *pflag.Flag) {
		_, allowed := flag.Annotations[TakesNegatives]
		number := slices.Contains([]string{"int", "int64", "float64", "duration"}, flag.Value.Type())
		if text := flag.Value.String(); problem == nil && number && !allowed && strings.HasPrefix(text, "-") {
			problem = UsageErrorf("--%s %s is not allowed: it is below 0", flag.Name, text)
		}
	})
	return problem
}

// ReadLine reads the first line of an input, without its end, such as a password. It is at
// most 4 KiB long.
func ReadLine(in io.Reader) ([]byte, error) {
	const longest = 4 << 10
	text, err := io.ReadAll(io.LimitReader(in, longest+1))
	if err != nil {
		return nil, fmt.Errorf("reading standard input: %w", err)
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	if len(line) > longest {
		return nil, errors.New("standard input has a line of more than 4 KiB")
	}
	return bytes.TrimSuffix(line, []byte("\r")), nil
}
