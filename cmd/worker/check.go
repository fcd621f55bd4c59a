package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/service"
)

// finding is the answer of one check. The names of checks are stable.
type finding struct {
	Check string `json:"check"`
	OK    bool   `json:"ok"`
	// Account, and Catalog where it is about one, are of a check of the platforms.
	Account string `json:"account,omitempty"`
	Catalog string `json:"catalog,omitempty"`
	Detail  string `json:"detail,omitempty"` // such as an address and where it came from
	Problem string `json:"problem,omitempty"`
	// Problems are those of the configuration, one by one.
	Problems []configProblem `json:"problems,omitempty"`
	Warning  string          `json:"warning,omitempty"`
}

// configProblem is one thing that is wrong in the configuration.
type configProblem struct {
	// Source is the file, the environment variable or the flag that said it.
	Source string `json:"source"`
	Line   int    `json:"line,omitempty"`
	Key    string `json:"key,omitempty"`
	Text   string `json:"text"`
}

func (a *app) checkCommand() *cobra.Command {
	var output string
	var askPlatforms bool
	command := &cobra.Command{
		Use:   "check",
		Short: "validate the configuration and test NATS, the stream and Postgres",
		Long: `Checks the configuration, then what "worker run" needs: whether NATS and Postgres
answer and are fit, whether the stream can be worked with, whether the schema is
up to date, whether this machine's clock and the database's agree, and whether
stream and database are each other's. Says where each address came from. Changes
nothing that stays: it may make and remove a stream to try the server's limits.

--platforms tests each account too, by calls that only read: whether the platform
takes the token, which permissions it has, whether the catalogs exist and are the
account's, whether they take the item types that were sent to them, and how much of
the quota is left.

Where no file is named and worker dev runs, it checks that.

The exit code is 1 when anything is wrong. A line that begins with "warns" is not a
failure: a worker that listens at http.listen already may be the one that is running,
and another one on this machine needs its own address.`,
		RunE: func(c *cobra.Command, _ []string) error {
			format, err := cli.ParseOutput(output)
			if err != nil {
				return err
			}
			findings := a.check(c.Context(), askPlatforms)
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
	command.Flags().BoolVar(&askPlatforms, "platforms", false, "test each account against its platform, without changing anything")
	cli.OutputFlag(command, command.Flags(), &output)
	return command
}

func (a *app) check(ctx context.Context, askPlatforms bool) []finding {
	settings, err := a.loadOrDev()
	findings := []finding{found("configuration", err)}
	if err != nil {
		askPlatforms = false
		// The rest can be looked at all the same, if at least that part can be read.
		if settings, err = a.loadInfrastructure(); err != nil {
			return findings
		}
	} else {
		findings = append(findings, found("accounts", service.CheckAccounts(settings, a.platforms)))
		if len(settings.Accounts) == 0 {
			findings[len(findings)-1].Warning = "there are none: nothing will be delivered"
		}
		for _, warning := range settings.Warnings {
			findings = append(findings, finding{Check: "accounts", OK: true, Warning: warning.Error()})
		}
		askPlatforms = askPlatforms && findings[1].OK
	}
	for _, looked := range service.Look(ctx, settings) {
		one := found(looked.Check, looked.Err)
		one.Detail, one.Warning = looked.Detail, looked.Warning
		findings = append(findings, one)
	}
	if askPlatforms {
		findings = append(findings, a.checkPlatforms(ctx, settings)...)
	}
	return findings
}

// checkPlatforms tests the accounts of a configuration that is right.
func (a *app) checkPlatforms(ctx context.Context, settings *config.Config) (findings []finding) {
	probed, err := service.ProbePlatforms(ctx, settings, a.platforms)
	if err != nil {
		return []finding{found("platform", err)}
	}
	for i := range probed {
		p := &probed[i]
		findings = append(findings, finding{
			Check: "platform." + string(p.Check), OK: p.Problem == "", Account: p.Account, Catalog: p.Catalog,
			Detail: p.Detail, Problem: p.Problem, Warning: p.Warning,
		})
	}
	return findings
}

func found(check string, err error) finding {
	f := finding{Check: check, OK: err == nil}
	if err == nil {
		return f
	}
	f.Problem = legible.Connecting(err.Error())
	if problems, ok := errors.AsType[config.Problems](err); ok {
		for _, p := range problems {
			f.Problems = append(f.Problems, configProblem{Source: p.Source, Line: p.Line, Key: p.Key, Text: p.Text})
		}
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
	words := []string{state, f.Check}
	for _, of := range []string{f.Account, f.Catalog} {
		if of != "" {
			words = append(words, legible.Text(of))
		}
	}
	line := strings.Join(words, " ")
	if f.Detail != "" && !strings.Contains(text, f.Detail) {
		line += " " + legible.Text(f.Detail)
	}
	if text != "" {
		line += ": " + text
	}
	return line
}
