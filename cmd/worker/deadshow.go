package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/replay"
)

func (a *app) showCommand() *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:   "show ID",
		Short: "show one dead letter: all errors, what to do, and the whole message",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			format, err := cli.ParseOutput(output)
			if err != nil {
				return err
			}
			ids, err := parseIDs(args)
			if err != nil {
				return err
			}
			db, err := a.openStore(c)
			if err != nil {
				return err
			}
			defer db.close()
			found, err := replay.New(replay.Options{Store: db.Store}).Letter(c.Context(), ids[0])
			if err != nil {
				return err
			}
			shown := machineLetter(found, platform.Reasons(a.platforms))
			if format.Machine() {
				return format.Print(a.streams.Out, shown)
			}
			_, err = fmt.Fprint(a.streams.Out, shown.page())
			return err
		},
	}
	cli.OutputFlag(command, command.Flags(), &output)
	return command
}

// page is the letter for people.
func (l *letter) page() string {
	var page strings.Builder
	line := func(title, value string) {
		if value != "" {
			_, _ = fmt.Fprintf(&page, "%-12s %s\n", title, legible.Text(value))
		}
	}
	line("dead letter", strconv.FormatInt(l.ID, 10))
	line("state", l.standing())
	line("item", strings.TrimSpace(l.ItemID+" "+l.Localization))
	line("catalog", l.Account+"/"+l.Catalog+"/"+string(l.Type))
	line("operation", l.Operation)
	line("mutation", l.MutationID)
	line("batch", l.BatchID)
	line("failed", l.FailedAt.Format(time.RFC3339))
	line("reason", string(l.Reason)+": "+l.Text)
	for _, e := range l.Errors {
		text := strings.Join(nonEmpty(e.Code, e.Attribute, e.Message), ": ")
		if e.Value != nil {
			text += " (sent: " + *e.Value + ")"
		}
		line("error", text)
	}
	for _, advice := range l.Advice {
		line("what to do", advice.Action+" ("+string(advice.Who)+"; "+advice.URL+")")
	}
	line("subject", l.Subject)
	for _, h := range l.Headers {
		line("header", h.Name+": "+h.Value)
	}
	switch body := l.Body.(type) {
	case json.RawMessage:
		var indented bytes.Buffer
		if json.Indent(&indented, body, "", "  ") == nil {
			page.WriteString("\n" + string(legible.JSON(indented.Bytes())) + "\n")
		}
	case string:
		line("message", body)
	default:
		line("message", fmt.Sprintf("not kept: it had %d bytes", l.LostBytes))
	}
	return page.String()
}

func nonEmpty(texts ...string) (kept []string) {
	for _, text := range texts {
		if text != "" {
			kept = append(kept, text)
		}
	}
	return kept
}

// standing is the state with who and when.
func (l *letter) standing() string {
	text := string(l.State)
	if l.ReplacedBy != "" {
		text = "edited"
	}
	at, by := l.ReplayedAt, l.ReplayedBy
	if l.DismissedAt != nil && at == nil {
		at, by = l.DismissedAt, l.DismissedBy
	}
	if at != nil {
		text += " " + at.Format(time.RFC3339)
	}
	if by != "" {
		text += " by " + by
	}
	if l.ReplacedBy != "" {
		text += " as mutation " + l.ReplacedBy
	}
	if l.DismissReason != "" && l.ReplayedAt == nil {
		text += ": " + l.DismissReason
	}
	return text
}
