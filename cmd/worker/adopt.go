package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/catalog-courier/catalog-courier/cmd/internal/audited"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/service"
)

// errNotAdopted says that nobody agreed.
var errNotAdopted = errors.New("nothing was adopted: answer the question with y, or give --yes")

// adopt says what accepting the present stream means, asks, and does it.
func (a *app) adopt(ctx context.Context, settings *config.Config, yes bool, note string) error {
	adoption, err := service.PlanAdoption(ctx, settings)
	if err != nil {
		return err
	}
	defer adoption.Close()
	if adoption.Needless {
		_, err := fmt.Fprintf(a.streams.Out, "there is nothing to adopt: stream %s belongs to the database %s\n", adoption.Stream, adoption.Database)
		return err
	}
	if err := explainAdoption(a.streams.Out, adoption); err != nil {
		return err
	}
	if !yes {
		agreed, err := a.ask("Adopt it? [y/N] ")
		if err != nil {
			return err
		}
		if !agreed {
			return errNotAdopted
		}
	}
	pool, err := persistence.Open(ctx, persistence.PoolConfig{URL: settings.Database.URL.Reveal(), MaxConns: 1, ApplicationName: "catalog-courier migrate"})
	if err != nil {
		return err
	}
	defer pool.Close()
	var adopted ledger.StreamIdentity
	action := audited.Action{Name: persistence.ActAdoptStream, Target: adoption.Stream, Expected: int64(adoption.Unrecorded), Note: note} //nolint:gosec // a stream's count fits
	err = audited.Do(ctx, pool, action, func() (int64, string, error) {
		if adopted, err = adoption.Apply(ctx); err != nil {
			return -1, "", fmt.Errorf("adopting the stream: %w", err)
		}
		return -1, "stream " + adopted.Stream + " belongs to installation " + adopted.Installation, nil
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.streams.Out, "adopted: stream %s belongs to installation %s\n", adopted.Stream, adopted.Installation)
	return err
}

func explainAdoption(out io.Writer, adoption *service.Adoption) error {
	var text strings.Builder
	fmt.Fprintf(&text, "stream    %s\n", adoption.Stream)
	fmt.Fprintf(&text, "database  %s\n", adoption.Database)
	fmt.Fprintf(&text, "recorded  stream %s, installation %s\n", orNone(adoption.Recorded.Stream), orNone(adoption.Recorded.Installation))
	if adoption.Missing {
		text.WriteString("found     no stream: an empty one is made\n")
	} else {
		fmt.Fprintf(&text, "found     stream %s, installation %s\n", orNone(adoption.Found.Stream), orNone(adoption.Found.Installation))
	}
	fmt.Fprintf(&text, "\n%d of the stream's %d messages are not recorded in this database: they will be sent to the platforms, again if they were sent before.\n",
		adoption.Unrecorded, adoption.Messages)
	fmt.Fprintf(&text, "%d open batches and %d waiting mutations of the recorded stream are brought to their end.\n", adoption.OpenBatches, adoption.Waiting)
	text.WriteString("What the recorded stream holds and nobody read is not sent.\n")
	if other := adoption.Found.Installation; other != "" && other != adoption.Recorded.Installation {
		fmt.Fprintf(&text, "Workers of installation %s are refused by this stream from then on.\n", other)
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func orNone(id string) string {
	if id == "" {
		return "(none)"
	}
	return id
}

// ask asks on a terminal. Elsewhere nobody answers.
func (a *app) ask(question string) (agreed bool, err error) {
	if !cli.TerminalReader(a.streams.In) {
		return false, errNotAdopted
	}
	if _, err := io.WriteString(a.streams.Out, question); err != nil {
		return false, err
	}
	const longest = 16
	answer, err := bufio.NewReaderSize(io.LimitReader(a.streams.In, longest), longest).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes", nil
}
