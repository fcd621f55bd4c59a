package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/persistence"
)

func (a *app) deadLettersCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "dead-letters",
		Short: "list and replay dead letters: changes that are not sent again automatically",
	}
	group.AddCommand(a.listCommand(), a.replayCommand())
	return group
}

// chosen are the flags that choose dead letters.
type chosen struct {
	account, catalog, itemType, reason, mutation string
	replayed                                     bool
}

func (s *chosen) flags(flags *pflag.FlagSet) {
	flags.StringVar(&s.account, "account", "", "only of this account")
	flags.StringVar(&s.catalog, "catalog", "", "only of this catalog")
	flags.StringVar(&s.itemType, "type", "", "only of this catalog type")
	flags.StringVar(&s.reason, "reason", "", "only with this reason code, such as refused or not_clearable")
	flags.StringVar(&s.mutation, "mutation", "", "only of the mutation with this id; ids are the producers' own, so name --account too")
	flags.BoolVar(&s.replayed, "replayed", false, "those too that were replayed before")
}

func (s *chosen) filter(ids []int64) persistence.DeadLetterFilter {
	return persistence.DeadLetterFilter{
		IDs: ids, Account: s.account, Catalog: s.catalog, Type: catalog.Type(s.itemType), Reason: catalog.Reason(s.reason),
		MutationID: s.mutation, WithReplayed: s.replayed,
	}
}

// empty reports that nothing narrows the choice.
func (s *chosen) empty() bool {
	return *s == chosen{replayed: s.replayed}
}

func (a *app) listCommand() *cobra.Command {
	var choice chosen
	var output string
	var limit int
	command := &cobra.Command{
		Use:   "list",
		Short: "list dead letters, oldest first",
		RunE: func(c *cobra.Command, _ []string) error {
			format, err := cli.ParseOutput(output)
			if err != nil {
				return err
			}
			db, err := a.openStore(c)
			if err != nil {
				return err
			}
			defer db.close()
			filter := choice.filter(nil)
			filter.Limit, filter.WithoutMessage = limit, !format.JSON()
			if format.JSON() {
				return printWhole(c.Context(), a.streams, db, filter)
			}
			letters, err := db.DeadLetters(c.Context(), filter)
			if err != nil {
				return err
			}
			return printLetters(a.streams, letters)
		},
	}
	choice.flags(command.Flags())
	command.Flags().IntVar(&limit, "limit", 100, "how many")
	command.Flags().StringVar(&output, "output", "table", "table or json; json has the whole message")
	return command
}

// header is one header of a message; a name may stand several times.
type header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// letter is a dead letter for machines.
type letter struct {
	ID         int64          `json:"id"`
	MutationID string         `json:"mutation_id"`
	Account    string         `json:"account"`
	Catalog    string         `json:"catalog"`
	Type       catalog.Type   `json:"catalog_type"`
	ItemID     string         `json:"item_id"`
	Operation  string         `json:"operation"`
	Reason     catalog.Reason `json:"reason_code"`
	Text       string         `json:"reason_text"`
	FailedAt   time.Time      `json:"failed_at"`
	ReplayedAt *time.Time     `json:"replayed_at"`
	Subject    string         `json:"subject"`
	Headers    []header       `json:"headers"`
	// Body is the message's own JSON, or its text where it is none; null where it was not
	// kept: LostBytes says how long it was.
	Body      any   `json:"body"`
	LostBytes int64 `json:"lost_bytes,omitempty"`
}

// printWhole writes the list for machines page by page: whole messages may be more than
// memory holds.
func printWhole(ctx context.Context, streams cli.Streams, db *database, filter persistence.DeadLetterFilter) error {
	list := cli.NewJSONList(streams.Out)
	for left := filter.Limit; left > 0; {
		filter.Limit = min(left, replayPage)
		letters, err := db.DeadLetters(ctx, filter)
		if err != nil {
			return err
		}
		if len(letters) == 0 {
			break
		}
		for i := range letters {
			if err := list.Add(machineLetter(&letters[i])); err != nil {
				return err
			}
		}
		left -= len(letters)
		filter.After = letters[len(letters)-1].ID
	}
	return list.Close()
}

func printLetters(streams cli.Streams, letters []persistence.DeadLetter) error {
	rows := make([][]any, len(letters))
	for i, l := range letters {
		rows[i] = []any{
			l.ID, l.FailedAt.Local().Format(time.DateTime), l.Lane.Account + "/" + l.Lane.Catalog + "/" + string(l.Lane.Type),
			l.ItemID, l.Operation, l.Reason, l.Text,
		}
	}
	return cli.Table(streams.Out, []string{"id", "failed at", "catalog", "item", "operation", "reason", "why"}, rows)
}

func machineLetter(l *persistence.DeadLetter) letter {
	shown := letter{
		ID: l.ID, MutationID: l.MutationID, Account: l.Lane.Account, Catalog: l.Lane.Catalog, Type: l.Lane.Type, ItemID: l.ItemID,
		Operation: l.Operation.String(), Reason: l.Reason, Text: l.Text, FailedAt: l.FailedAt, Subject: l.Message.Subject,
		Headers: make([]header, len(l.Message.Headers)), Body: string(l.Message.Data),
	}
	for i, h := range l.Message.Headers {
		shown.Headers[i] = header{Name: h.Name, Value: h.Value}
	}
	if json.Valid(l.Message.Data) {
		shown.Body = json.RawMessage(l.Message.Data)
	}
	if l.Message.Lost > 0 {
		shown.Body, shown.LostBytes = nil, l.Message.Lost
	}
	if !l.ReplayedAt.IsZero() {
		shown.ReplayedAt = &l.ReplayedAt
	}
	return shown
}

// parseIDs reads ids; nil, which means all, when there are none.
func parseIDs(args []string) ([]int64, error) {
	var ids []int64
	for _, arg := range args {
		id, err := strconv.ParseInt(arg, 10, 64)
		if err != nil {
			return nil, cli.UsageErrorf("%q is not the id of a dead letter; dead-letters list shows them", arg)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func joinIDs(ids []int64) string {
	var text strings.Builder
	for _, id := range ids {
		_, _ = fmt.Fprintf(&text, " %d", id)
	}
	return text.String()
}
