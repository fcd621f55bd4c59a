package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/service"
)

// finding is the answer of one check.
type finding struct {
	Check   string `json:"check"`
	OK      bool   `json:"ok"`
	Detail  string `json:"detail,omitempty"` // such as an address and where it came from
	Problem string `json:"problem,omitempty"`
	Warning string `json:"warning,omitempty"`
}

func (a *app) checkCommand() *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:   "check",
		Short: "validate the configuration, NATS, the stream and Postgres",
		Long: `Checks the configuration, then what "worker run" needs: whether NATS and Postgres
answer and are fit, whether the stream can be worked with, whether the schema is
up to date, whether this machine's clock and the database's agree, and whether
stream and database are each other's. Says where each address came from. It does
not call the platforms: a wrong token, address or catalog id shows in "worker
status". Changes nothing that stays: it may make and remove a stream to try the
server's limits. The exit code is 1 when anything is wrong. A line that begins
with "warns" is not a failure: a worker that listens at http.listen already may
be the one that is running, and another one on this machine needs its own address.`,
		RunE: func(c *cobra.Command, _ []string) error {
			format, err := cli.ParseOutput(output)
			if err != nil {
				return err
			}
			findings := a.check(c.Context())
			if err := printFindings(a.streams, format, findings); err != nil {
				return err
			}
			for _, f := range findings {
				if !f.OK {
					return cli.ErrReported()
				}
			}
			return nil
		},
	}
	cli.OutputFlag(command, command.Flags(), &output)
	return command
}

func (a *app) check(ctx context.Context) []finding {
	settings, err := a.load()
	findings := []finding{found("configuration", err)}
	if err != nil {
		// The rest can be looked at all the same, if at least that part can be read.
		if settings, err = a.loadInfrastructure(); err != nil {
			return findings
		}
	} else {
		findings = append(findings, found("accounts", service.CheckAccounts(settings, a.platforms)))
		for _, warning := range settings.Warnings {
			findings = append(findings, finding{Check: "accounts", OK: true, Warning: warning.Error()})
		}
	}
	for _, looked := range service.Look(ctx, settings) {
		one := found(looked.Check, looked.Err)
		one.Detail, one.Warning = looked.Detail, looked.Warning
		findings = append(findings, one)
	}
	return findings
}

func found(check string, err error) finding {
	f := finding{Check: check, OK: err == nil}
	if err != nil {
		f.Problem = legible.Connecting(err.Error())
	}
	return f
}

func printFindings(streams cli.Streams, format cli.Output, findings []finding) error {
	if format.Machine() {
		return format.Print(streams.Out, findings)
	}
	for _, f := range findings {
		if _, err := fmt.Fprintln(streams.Out, f.line()); err != nil {
			return err
		}
	}
	return nil
}

// line is the finding for people. No line of a problem begins as a finding does.
func (f *finding) line() string {
	state, text := "ok    ", ""
	switch {
	case !f.OK:
		state, text = "FAILED", strings.ReplaceAll(f.Problem, "\n", "\n       ")
	case f.Warning != "":
		state, text = "warns ", legible.Text(f.Warning)
	}
	line := state + " " + f.Check
	if f.Detail != "" && !strings.Contains(text, f.Detail) {
		line += " " + f.Detail
	}
	if text != "" {
		line += ": " + text
	}
	return line
}
