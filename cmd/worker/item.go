package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/status"
)

// itemAnswer is what is told of an item.
type itemAnswer struct {
	status.Item
	Changes []status.Mutation `json:"changes"`
	// Older is the place before which older changes are; "" where there are none.
	Older status.Place `json:"older,omitempty"`
	// Requests are the item's part of the last request to each destination.
	Requests []itemRequest `json:"requests,omitempty"`
}

// itemRequest is the part of a request that is about one item, and what was answered.
type itemRequest struct {
	status.Destination
	BatchID uuid.UUID       `json:"batch_id"`
	Attempt int             `json:"attempt"`
	Body    json.RawMessage `json:"body,omitempty"`
	// Problem says why the request is not shown.
	Problem string `json:"problem,omitempty"`
	Handle  string `json:"handle,omitempty"`
	// Answer is what the platform answered last: the parts that name the item, else all.
	Answer string `json:"answer,omitempty"`
}

func (a *app) itemCommand() *cobra.Command {
	var where destinations
	var output, before string
	var limit int
	command := &cobra.Command{
		Use:   "item ID",
		Short: "show an item's state at each destination, its changes and its last request",
		Long: `Answers why an item is, or is not, on a platform: its state at each destination in
words and what to do about it, what became of its changes, the newest first, and its
part of the last request. The exit code is 1 when no change of the item is recorded.`,
		Example: `  worker item SKU-1
  worker item SKU-1 --account acme --output json`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			format, err := cli.ParseOutput(output)
			if err != nil {
				return err
			}
			if limit < 1 || limit > status.MaxPage {
				return cli.UsageErrorf("--limit %d is out of range: 1 to %d", limit, status.MaxPage)
			}
			encode, unable := a.encoder()
			reader, db, err := a.openReader(c, encode)
			if err != nil {
				return err
			}
			defer db.close()
			answer := itemAnswer{}
			if answer.Item, err = reader.Item(c.Context(), args[0], where.Filter); errors.Is(err, status.ErrNotFound) {
				return a.unknownItem(c, reader, args[0], where.Filter)
			} else if err != nil {
				return err
			}
			var more bool
			if answer.Changes, more, err = reader.Timeline(c.Context(), args[0], where.Filter, status.Place(before), limit); errors.Is(err, status.ErrPlace) {
				return cli.UsageErrorf("--before %w", err)
			} else if err != nil {
				return err
			}
			if more {
				answer.Older = answer.Changes[len(answer.Changes)-1].Place
			}
			answer.Requests = requestsOf(c, reader, &answer.Item, unable)
			if format.Machine() {
				return format.PrintList(a.streams.Out, answer, answer.Destinations)
			}
			return a.printItem(&answer)
		},
	}
	where.flags(a, command)
	command.Flags().IntVar(&limit, "limit", 20, "maximum number of changes shown, newest first")
	command.Flags().StringVar(&before, "before", "", "show changes before this place; the answer names it where there are older ones")
	cli.OutputFlag(command, command.Flags(), &output)
	return command
}

// unknownItem says that an item is unknown, and which ids are like it.
func (a *app) unknownItem(c *cobra.Command, reader *status.Reader, id string, filter status.Filter) error {
	text := "no change of item " + legible.Text(id) + " is recorded"
	if filter.Account != "" {
		text += " for account " + legible.Text(filter.Account)
	}
	similar, err := reader.Similar(c.Context(), id, filter.Account)
	if err != nil {
		return err
	}
	if len(similar) > 0 {
		for i := range similar {
			similar[i] = legible.Text(similar[i])
		}
		text += "; similar ids: " + strings.Join(similar, ", ")
	}
	text += "\nif a feed or a webhook brought it, \"enqueue feed runs SOURCE\" and \"enqueue webhook list\" say what became of it"
	if _, err := fmt.Fprintln(a.streams.Err, text); err != nil {
		return err
	}
	return cli.ErrReported()
}

// maxRequests bounds how many requests are shown of one item.
const maxRequests = 20

// requestsOf are the item's parts of the last requests to its destinations. unable says why
// no request can be shown.
func requestsOf(c *cobra.Command, reader *status.Reader, item *status.Item, unable error) []itemRequest {
	var requests []itemRequest
	for i := range item.Destinations {
		state := &item.Destinations[i]
		// Localizations of one item may be in one batch.
		if state.BatchID == nil || len(requests) == maxRequests ||
			slices.ContainsFunc(requests, func(known itemRequest) bool { return known.BatchID == *state.BatchID }) {
			continue
		}
		shown := itemRequest{Destination: state.Destination, BatchID: *state.BatchID, Handle: state.Handle}
		err := unable
		if err == nil {
			var request status.Request
			if request, err = reader.Request(c.Context(), *state.BatchID, 0, item.ID); err == nil {
				shown.Attempt, shown.Body = request.Attempt, request.Body
			}
		}
		if err != nil {
			shown.Problem = err.Error()
		}
		if answers, err := reader.Answers(c.Context(), *state.BatchID); err == nil && len(answers) > 0 { // else the rest is shown
			last := &answers[len(answers)-1]
			shown.Answer = cmp.Or(last.Of(item.ID), last.Text)
		}
		requests = append(requests, shown)
	}
	return requests
}

func (a *app) printItem(answer *itemAnswer) error {
	d := &details{out: a.streams.Out}
	for i := range answer.Destinations {
		state := &answer.Destinations[i]
		d.printf("%s %s\n", legible.Text(state.String()), legible.Text(state.Localization))
		d.line("state", state.Words)
		d.issues("error", state.Errors)
		d.issues("warning", state.Warnings)
		d.letter(&state.Mutation)
		d.line("why it waits", state.Reason)
		d.line("what to do", state.NextStep)
		d.line("last change", state.OperationWords()+", mutation "+state.ID)
		d.moment("received", &state.ReceivedAt)
		d.moment("finished", state.FinishedAt)
		switch {
		case state.LastSucceededID == "":
			d.line("last success", "none recorded")
		case state.LastSucceededID != state.ID && state.LastSucceededAt != nil:
			d.line("last success", state.LastSucceededOperation+", "+exact(*state.LastSucceededAt)+", mutation "+state.LastSucceededID)
		}
		if state.AccountState != "" && state.AccountState != "active" {
			d.line("account", strings.TrimSuffix(state.AccountState+": "+state.AccountReason, ": "))
		}
		d.printf("\n")
	}
	if d.err != nil {
		return d.err
	}
	if err := printChanges(a.streams, answer.Changes, false); err != nil {
		return err
	}
	if answer.Older != "" {
		d.printf("older changes: --before %s\n", string(answer.Older))
	}
	for i := range answer.Requests {
		r := &answer.Requests[i]
		d.printf("\nLast request to %s: batch %s", legible.Text(r.String()), r.BatchID)
		if r.Problem != "" {
			d.printf("\n  not shown: %s\n", cli.Indented(legible.Connecting(r.Problem)))
		} else {
			d.printf(", attempt %d\n", r.Attempt)
			printBody(d, r.Body)
			d.line("handle", r.Handle)
		}
		if r.Answer != "" {
			d.printf("Last answer\n")
			printBody(d, []byte(r.Answer))
		}
	}
	return d.err
}

// printBody prints a body for people: JSON on several lines.
func printBody(d *details, body []byte) {
	var shown bytes.Buffer
	if json.Indent(&shown, body, "", "  ") != nil {
		d.printf("%s\n", legible.Text(string(body)))
		return
	}
	d.printf("%s\n", legible.JSON(shown.Bytes()))
}

// printChanges prints changes, the newest first.
func printChanges(streams cli.Streams, changes []status.Mutation, withItem bool) error {
	columns := []cli.Column{
		{Title: "received"},
		{Title: "destination", Drop: 3},
		{Title: "operation", Drop: 4},
		{Title: "what became of it"},
		{Title: "error"},
		{Title: "mutation", Drop: 1},
		{Title: "batch", Whole: true, Drop: 5},
	}
	if withItem {
		columns = append([]cli.Column{{Title: "item"}}, columns...)
	}
	rows := make([][]any, len(changes))
	for i := range changes {
		m := &changes[i]
		var batch any
		if m.BatchID != nil {
			batch = m.BatchID.String()
		}
		rows[i] = []any{m.ReceivedAt, m.String(), m.Operation, m.Words, firstIssue(m.Errors), m.ID, batch}
		if withItem {
			rows[i] = append([]any{m.ItemID}, rows[i]...)
		}
	}
	return cli.TableOf(streams.Out, columns, rows)
}
