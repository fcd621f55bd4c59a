package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/clock"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/config"
	"github.com/catalog-courier/catalog-courier/legible"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/queue"
	"github.com/catalog-courier/catalog-courier/worker"
)

// checkTimeout bounds each check.
const checkTimeout = 10 * time.Second

// finding is the answer of one check.
type finding struct {
	Check   string `json:"check"`
	OK      bool   `json:"ok"`
	Problem string `json:"problem,omitempty"`
	Warning string `json:"warning,omitempty"`
}

func (a *app) checkCommand() *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:   "check",
		Short: "say what is wrong with the configuration, NATS, the stream and Postgres",
		Long: `Checks the configuration, then whether NATS and Postgres answer, whether the
stream can be worked with, whether the schema is up to date and whether this
machine's clock and the database's agree. Changes nothing.
The exit code is 1 when anything is wrong.`,
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
	command.Flags().StringVar(&output, "output", "table", "table or json")
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
		findings = append(findings, found("accounts", worker.CheckAccounts(settings)))
		for _, warning := range settings.Warnings {
			findings = append(findings, finding{Check: "accounts", OK: true, Warning: warning.Error()})
		}
	}
	findings = append(findings, checkStream(ctx, settings.NATS)...)
	return append(findings, checkDatabase(ctx, settings)...)
}

func found(check string, err error) finding {
	f := finding{Check: check, OK: err == nil}
	if err != nil {
		f.Problem = err.Error()
	}
	return f
}

func checkStream(ctx context.Context, settings config.NATS) []finding {
	conn, err := worker.Connect(settings, slog.New(slog.DiscardHandler))
	if err != nil {
		return []finding{found("NATS", fmt.Errorf("%s: %w", settings.URL.Address(), err))}
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return []finding{found("NATS", err)}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if _, err := js.AccountInfo(ctx); err != nil {
		return []finding{found("NATS", fmt.Errorf("%s: JetStream: %w", settings.URL.Address(), err))}
	}
	_, err = js.Stream(ctx, settings.Stream.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		err = nil // the first worker makes it, by the same rules
	} else if err == nil {
		_, err = queue.Ensure(ctx, js, worker.StreamConfig(settings))
	}
	return []finding{found("NATS", nil), found("stream "+settings.Stream.Name, err)}
}

func checkDatabase(ctx context.Context, settings *config.Config) []finding {
	if settings.Database.URL.IsZero() {
		return []finding{found("Postgres", errNoDatabase)}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	version, err := persistence.CheckSchema(ctx, settings.Database.URL.Reveal())
	switch {
	case errors.Is(err, persistence.ErrSchemaBehind):
		return []finding{found("Postgres", nil), found("schema", err)}
	case err != nil:
		return []finding{found("Postgres", fmt.Errorf("%s: %w", settings.Database.URL.Address(), err))}
	}
	return []finding{
		found("Postgres", nil), found(fmt.Sprintf("schema version %d", version), nil), found("clock", checkClock(ctx, settings)),
	}
}

// checkClock compares this machine's clock with the database's, as a worker does.
func checkClock(ctx context.Context, settings *config.Config) error {
	db, err := openDatabase(ctx, settings)
	if err != nil {
		return err
	}
	defer db.close()
	reading, err := clock.Read(ctx, db.Clock)
	if err != nil {
		return err
	}
	if err := reading.Check(); err != nil {
		return err
	}
	return db.ClockDoubt(ctx)
}

func printFindings(streams cli.Streams, format cli.Output, findings []finding) error {
	if format.JSON() {
		return cli.PrintJSON(streams.Out, findings)
	}
	for _, f := range findings {
		state := "ok    "
		if !f.OK {
			state = "FAILED"
		}
		line := state + " " + f.Check
		if f.Problem != "" {
			line += ": " + strings.ReplaceAll(f.Problem, "\n", "\n       ") // no line of it begins as ours do
		}
		if f.Warning != "" {
			line = "warns  " + f.Check + ": " + legible.Text(f.Warning)
		}
		if _, err := fmt.Fprintln(streams.Out, line); err != nil {
			return err
		}
	}
	return nil
}
