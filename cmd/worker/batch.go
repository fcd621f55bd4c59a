package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/status"
)

// batchAnswer is what is told of a batch.
type batchAnswer struct {
	status.Batch
	AttemptList []status.Attempt `json:"attempt_list"`
	Records     []status.Record  `json:"records"`
	// Next is the number of the first record that is not listed; 0 where all are.
	Next int `json:"next_record,omitempty"`
	// Body is the request, with Attempt the attempt that it was made in.
	Body json.RawMessage `json:"body,omitempty"`
	// Answers are what the platform answered, with --response.
	Answers []status.Answer `json:"answers,omitempty"`
	Attempt int             `json:"body_of_attempt,omitempty"`
}

// batchFlags are the flags of the command.
type batchFlags struct {
	output, item        string
	body, response      bool
	attempt, first, top int
}

func (a *app) batchCommand() *cobra.Command {
	var given batchFlags
	command := &cobra.Command{
		Use:   "batch ID",
		Short: "show a batch: its attempts, its records, its request and what the platform answered",
		Long: `Shows a batch, its attempts and its records. --body prints the request alone, byte for
byte: it is put together again of the recorded messages, which takes the configuration of
the account. --response shows what the platform answered to each attempt and to the last
poll: the text, without secrets, at most 64 KiB of it (4 KiB where the call failed). With
--item it is the parts of it that name the item.`,
		Example: `  worker batch 01a21f9b-619c-7945-9a70-ed5487e5df41
  worker batch 01a21f9b-619c-7945-9a70-ed5487e5df41 --body | jq .
  worker batch 01a21f9b-619c-7945-9a70-ed5487e5df41 --body --item SKU-1
  worker batch 01a21f9b-619c-7945-9a70-ed5487e5df41 --response --item SKU-1`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.showBatch(c, args[0], &given)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&given.body, "body", false, "print the request")
	flags.BoolVar(&given.response, "response", false, "show what the platform answered")
	flags.IntVar(&given.attempt, "attempt", 0, "attempt of --body (default the last one)")
	flags.StringVar(&given.item, "item", "", "only this item's part of --body and --response")
	flags.IntVar(&given.first, "first", 0, "number of the first record shown, from 0")
	flags.IntVar(&given.top, "limit", 20, "maximum number of records shown")
	cli.OutputFlag(command, flags, &given.output)
	return command
}

func (a *app) showBatch(c *cobra.Command, id string, given *batchFlags) error {
	format, err := cli.ParseOutput(given.output)
	if err != nil {
		return err
	}
	parsed, err := uuid.Parse(id)
	if err != nil {
		return cli.UsageErrorf("%q is not the id of a batch; worker status lists them", id)
	}
	if given.top < 1 || given.top > status.MaxPage || given.first < 0 || given.attempt < 0 {
		return cli.UsageErrorf("--limit must be 1 to %d, --first and --attempt not negative", status.MaxPage)
	}
	var encode status.Encoder
	if given.body {
		if encode, err = a.encoder(); err != nil {
			return err
		}
	}
	reader, db, err := a.openReader(c, encode)
	if err != nil {
		return err
	}
	defer db.close()
	answer := batchAnswer{}
	if answer.Batch, answer.AttemptList, err = reader.Batch(c.Context(), parsed); errors.Is(err, status.ErrNotFound) {
		if _, err := fmt.Fprintln(a.streams.Err, "no batch "+parsed.String()+" is recorded"); err != nil {
			return err
		}
		return cli.ErrReported()
	} else if err != nil {
		return err
	}
	if given.body {
		request, err := reader.Request(c.Context(), parsed, given.attempt, given.item)
		if err != nil {
			return err
		}
		answer.Body, answer.Attempt = request.Body, request.Attempt
	}
	if given.response {
		if answer.Answers, err = reader.Answers(c.Context(), parsed); err != nil {
			return err
		}
		for i := range answer.Answers {
			if given.item != "" {
				answer.Answers[i].Text = answer.Answers[i].Of(given.item)
			}
		}
	}
	if given.body && !given.response && !format.Machine() {
		if _, err := a.streams.Out.Write(append(legible.JSON(answer.Body), '\n')); err != nil {
			return fmt.Errorf("printing: %w", err)
		}
		return nil
	}
	var more bool
	if answer.Records, more, err = reader.Records(c.Context(), parsed, given.first, given.top); err != nil {
		return err
	}
	if more {
		answer.Next = given.first + len(answer.Records)
	}
	if format.Machine() {
		return format.PrintList(a.streams.Out, answer, answer.Records)
	}
	return a.printBatch(&answer, given)
}

// otherItems counts the items of a finished batch that neither succeeded nor failed in it, after
// a comma; "" for none.
func otherItems(b *status.Batch) string {
	if others := b.Items - int(*b.Succeeded) - int(*b.Failed); others > 0 && b.FinishedAt != nil {
		return fmt.Sprintf(", %d unconfirmed or to be sent again", others)
	}
	return ""
}

func (a *app) printBatch(answer *batchAnswer, given *batchFlags) error {
	d := &details{out: a.streams.Out}
	b := &answer.Batch
	d.printf("%s\n", b.ID)
	d.line("destination", b.String())
	d.line("state", b.Words)
	d.line("records", fmt.Sprintf("%d, of %s", b.Items, cli.Counted(b.Mutations, "change")))
	if b.Succeeded != nil {
		d.line("outcome", fmt.Sprintf("%d succeeded, %d failed%s, %d with warnings", *b.Succeeded, *b.Failed, otherItems(b), *b.Warned))
	}
	d.moment("created", &b.CreatedAt)
	d.moment("sent", b.SubmittedAt)
	d.moment("next attempt", b.NextAttemptAt)
	d.moment("finished", b.FinishedAt)
	d.line("handles", strings.Join(b.Handles, " "))
	d.line("last error", b.LastError)
	if b.RecoveredError != "" {
		d.line("recovered", "an earlier attempt failed, and a later one worked: nothing is to be done. It failed of: "+b.RecoveredError)
	}
	d.printf("\n")
	rows := make([][]any, len(answer.AttemptList))
	for i, at := range answer.AttemptList {
		rows[i] = []any{at.Number, at.At, at.Words, cli.Clipped(strings.TrimPrefix(at.Reason+"; "+at.Error, "; ")), strings.Join(at.Handles, " ")}
	}
	columns := []cli.Column{{Title: "attempt"}, {Title: "when"}, {Title: "what became of it"}, {Title: "why"}, {Title: "handle", Drop: 1}}
	if d.err != nil {
		return d.err
	}
	if err := cli.TableOf(a.streams.Out, columns, rows); err != nil {
		return err
	}
	d.printf("\n")
	rows = make([][]any, len(answer.Records))
	for i := range answer.Records {
		r := &answer.Records[i]
		rows[i] = []any{r.Index, r.ItemID, r.Operation, r.Words, firstIssue(append(r.Errors, r.Warnings...)), len(r.MutationIDs)}
	}
	columns = []cli.Column{{Title: "record"}, {Title: "item"}, {Title: "operation", Drop: 2}, {Title: "what became of it"}, {Title: "error or warning"}, {Title: "changes", Drop: 1}}
	if err := cli.TableOf(a.streams.Out, columns, rows); err != nil {
		return err
	}
	if answer.Next > 0 {
		d.printf("more records: --first %d\n", answer.Next)
	}
	if given.response {
		printResponse(d, answer)
	}
	if given.body {
		d.printf("\nRequest of attempt %d\n", answer.Attempt)
		printBody(d, answer.Body)
	}
	return d.err
}

// printResponse prints what the platform answered, as far as it is kept.
func printResponse(d *details, answer *batchAnswer) {
	if len(answer.Answers) == 0 {
		d.printf("\nNo answer of the platform is kept: none came yet, the batch was made before answers were kept, or an item of it was erased.\n")
	}
	for i := range answer.Answers {
		one := &answer.Answers[i]
		d.printf("\n%s\n", answerTitle(one))
		if one.Text == "" {
			d.printf("  it does not name the item\n")
			continue
		}
		printBody(d, []byte(one.Text))
	}
	for _, at := range answer.AttemptList {
		for _, said := range at.Said {
			d.issues(fmt.Sprintf("record %d", said.Record), append(said.Errors, said.Warnings...))
		}
	}
	for i := range answer.Records {
		r := &answer.Records[i]
		d.issues("error of "+legible.Text(r.ItemID), r.Errors)
		d.issues("warning of "+legible.Text(r.ItemID), r.Warnings)
	}
}

func answerTitle(one *status.Answer) string {
	if one.Attempt == 0 {
		return "Answer to the last poll"
	}
	return fmt.Sprintf("Answer to attempt %d", one.Attempt)
}
