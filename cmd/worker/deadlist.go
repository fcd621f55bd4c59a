package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/reason"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/platform"
)

// letterPage is how many dead letters are read at once where there is no limit.
const letterPage = 1000

func (a *app) listCommand() *cobra.Command {
	var choice chosen
	var output, group string
	var limit int
	var before int64
	command := &cobra.Command{
		Use:   "list",
		Short: "list dead letters, newest first",
		RunE: func(c *cobra.Command, _ []string) error {
			format, err := cli.ParseOutput(output)
			if err != nil {
				return err
			}
			if limit < 0 {
				return cli.UsageErrorf("--limit %d is not allowed: a number, or 0 for all", limit)
			}
			filter, err := choice.filter(nil)
			if err != nil {
				return err
			}
			by, err := grouping(group)
			if err != nil {
				return err
			}
			db, err := a.openStore(c)
			if err != nil {
				return err
			}
			defer db.close()
			if group != "" {
				return a.printGroups(c.Context(), db, filter, by, format)
			}
			list := letterList{app: a, db: db, filter: filter, left: cmp.Or(limit, math.MaxInt), before: before}
			if format.Machine() {
				return list.whole(c.Context(), format)
			}
			return list.table(c.Context())
		},
	}
	choice.declare(command, command.Flags())
	command.Flags().IntVar(&limit, "limit", 100, "maximum number shown, newest first (0 = all)")
	command.Flags().Int64Var(&before, "before", 0, "continue a list below the dead letter with this id")
	command.Flags().StringVar(&group, "group", "", "count what is alike: by reason, attribute or account")
	_ = command.RegisterFlagCompletionFunc("group", cobra.FixedCompletions([]string{"reason", "attribute", "account"}, cobra.ShellCompDirectiveNoFileComp))
	cli.OutputFlag(command, command.Flags(), &output)
	return command
}

// letterList prints dead letters page by page.
type letterList struct {
	*app

	db     *database
	filter persistence.DeadLetterFilter
	left   int   // how many more are wanted
	before int64 // the next page is below it
}

// next reads a page; it is nil at the end.
func (l *letterList) next(ctx context.Context) (letters []persistence.DeadLetter, err error) {
	l.filter.Limit = min(l.left, letterPage)
	for first := true; l.left > 0 && len(letters) == 0 && (first || l.before != 0); first = false {
		if letters, l.before, err = l.db.NewestDeadLetters(ctx, l.filter, l.before); err != nil {
			return nil, err
		}
	}
	if l.left -= len(letters); l.before == 0 {
		l.left = 0
	}
	return letters, nil
}

func (l *letterList) table(ctx context.Context) error {
	l.filter.WithoutMessage = true
	count, err := l.db.CountDeadLetters(ctx, l.filter)
	if err != nil {
		return err
	}
	var rows [][]any
	for {
		letters, err := l.next(ctx)
		if err != nil {
			return err
		}
		if len(letters) == 0 {
			break
		}
		for i := range letters {
			rows = append(rows, letterRow(&letters[i]))
		}
	}
	if err := cli.TableOf(l.streams.Out, letterColumns, rows); err != nil {
		return err
	}
	if l.before != 0 {
		_, err = fmt.Fprintf(l.streams.Out, "%d of %s; --before %d shows the next ones\n", len(rows), capped(count), l.before)
		return err
	}
	if len(rows) > 0 {
		_, err = fmt.Fprintln(l.streams.Out, cli.Counted(len(rows), "dead letter")+"; dead-letters show ID says what to do")
	}
	return err
}

var letterColumns = []cli.Column{
	{Title: "id", Whole: true},
	{Title: "failed"},
	{Title: "state", Drop: 1},
	{Title: "catalog", Drop: 3},
	{Title: "item"},
	{Title: "operation", Drop: 2},
	{Title: "reason"},
	{Title: "why"},
}

func letterRow(l *persistence.DeadLetter) []any {
	why := l.Text
	if more := len(l.Errors) - 1; more > 0 {
		if first := firstText(l.Errors); first != "" {
			why = first
		}
		why += fmt.Sprintf(" (and %d more)", more)
	}
	return []any{
		l.ID, l.FailedAt, string(l.State), l.Lane.Account + "/" + l.Lane.Catalog + "/" + string(l.Lane.Type),
		l.ItemID, operationName(l.Operation), string(l.Reason), cli.Clipped(why),
	}
}

func firstText(issues []ledger.Issue) string {
	if issues[0].Attribute == "" || issues[0].Message == "" {
		return issues[0].Message
	}
	return issues[0].Attribute + ": " + issues[0].Message
}

// operationName is as the view shows it: empty where the message names none.
func operationName(operation catalog.Operation) string {
	if operation == 0 {
		return ""
	}
	return operation.String()
}

// whole prints the list for machines page by page: whole messages may be more than memory
// holds.
func (l *letterList) whole(ctx context.Context, format cli.Output) error {
	registry := platform.Reasons(l.platforms)
	all := []letter{}
	list := cli.NewJSONList(l.streams.Out)
	for {
		letters, err := l.next(ctx)
		if err != nil {
			return err
		}
		if len(letters) == 0 {
			break
		}
		for i := range letters {
			one := machineLetter(&letters[i], registry)
			if !format.JSON() {
				all = append(all, one)
			} else if err := list.Add(one); err != nil {
				return err
			}
		}
	}
	if !format.JSON() {
		return format.Print(l.streams.Out, all)
	}
	return list.Close()
}

// header is one header of a message; a name may stand several times.
type header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// letter is a dead letter for machines.
type letter struct {
	ID           int64                   `json:"id"`
	State        persistence.LetterState `json:"state"`
	MutationID   string                  `json:"mutation_id"`
	Account      string                  `json:"account"`
	Catalog      string                  `json:"catalog"`
	Type         catalog.Type            `json:"catalog_type"`
	ItemID       string                  `json:"item_id"`
	Localization string                  `json:"localization,omitempty"`
	Operation    string                  `json:"operation"`
	Reason       catalog.Reason          `json:"reason_code"`
	Text         string                  `json:"reason_text"`
	// Errors are all that is wrong with it, Advice what to do.
	Errors   []shownError    `json:"errors"`
	Advice   []reason.Advice `json:"advice"`
	FailedAt time.Time       `json:"failed_at"`
	BatchID  string          `json:"batch_id,omitempty"`

	ReplayedAt    *time.Time `json:"replayed_at"`
	ReplayedBy    string     `json:"replayed_by,omitempty"`
	ReplacedBy    string     `json:"replaced_by,omitempty"`
	DismissedAt   *time.Time `json:"dismissed_at,omitempty"`
	DismissedBy   string     `json:"dismissed_by,omitempty"`
	DismissReason string     `json:"dismiss_reason,omitempty"`

	Subject string   `json:"subject"`
	Headers []header `json:"headers"`
	// Body is the message's own JSON, or its text where it is none; null where it was not
	// kept: LostBytes says how long it was.
	Body      any   `json:"body"`
	LostBytes int64 `json:"lost_bytes,omitempty"`
}

// shownError is an error with the value that it is about.
type shownError struct {
	ledger.Issue

	Value *string `json:"value,omitempty"` // what was sent, shortened
}

func machineLetter(l *persistence.DeadLetter, registry *reason.Registry) letter {
	shown := letter{
		ID: l.ID, State: l.State, MutationID: l.MutationID, Account: l.Lane.Account, Catalog: l.Lane.Catalog, Type: l.Lane.Type, ItemID: l.ItemID,
		Operation: operationName(l.Operation), Reason: l.Reason, Text: l.Text, FailedAt: l.FailedAt, Subject: l.Message.Subject,
		Errors: make([]shownError, 0, len(l.Errors)), Advice: registry.Letter(l.Platform, l.Reason, l.Errors),
		ReplayedBy: l.ReplayedBy, ReplacedBy: l.ReplacedBy, DismissedBy: l.DismissedBy, DismissReason: l.DismissReason,
		Headers: make([]header, len(l.Message.Headers)), Body: string(l.Message.Data),
	}
	for _, issue := range issuesOf(l) {
		one := shownError{Issue: issue}
		if value, found := reason.Value(l.Message.Data, issue.Attribute); found {
			one.Value = &value
		}
		shown.Errors = append(shown.Errors, one)
	}
	if !l.Localization.IsZero() {
		shown.Localization = l.Localization.Type + "/" + l.Localization.Value
	}
	if l.BatchID != uuid.Nil {
		shown.BatchID = l.BatchID.String()
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
	if !l.DismissedAt.IsZero() {
		shown.DismissedAt = &l.DismissedAt
	}
	return shown
}

// issuesOf are the letter's errors; of a letter of an older version its text.
func issuesOf(l *persistence.DeadLetter) []ledger.Issue {
	if len(l.Errors) > 0 {
		return l.Errors
	}
	return []ledger.Issue{{Attribute: l.Field, Message: l.Text}}
}

// letterGroup is a row of list --group for machines. What is not grouped by is empty, so that
// each row of CSV has the same columns.
type letterGroup struct {
	Account   string         `json:"account"`
	Reason    catalog.Reason `json:"reason_code"`
	Platform  string         `json:"platform"`
	Code      string         `json:"code"`
	Attribute string         `json:"attribute"`
	Letters   int64          `json:"letters"`
	Items     int64          `json:"items"`
	Oldest    time.Time      `json:"oldest_failed_at"`
	Newest    time.Time      `json:"newest_failed_at"`
	Example   int64          `json:"example_id"`
	Action    string         `json:"action"`
	URL       string         `json:"url"`
}

func grouping(by string) (persistence.LetterGrouping, error) {
	switch by {
	case "", "reason":
		return persistence.LetterGrouping{Reason: true}, nil
	case "attribute":
		return persistence.LetterGrouping{Reason: true, Attribute: true}, nil
	case "account":
		return persistence.LetterGrouping{Account: true}, nil
	default:
		return persistence.LetterGrouping{}, cli.UsageErrorf("--group %q is not allowed: reason, attribute or account", by)
	}
}

func (a *app) printGroups(ctx context.Context, db *database, filter persistence.DeadLetterFilter, by persistence.LetterGrouping, format cli.Output) error {
	found, err := db.GroupDeadLetters(ctx, filter, by)
	if err != nil {
		return err
	}
	groups := make([]letterGroup, len(found))
	for i, g := range found {
		groups[i] = letterGroup{
			Account: g.Account, Reason: g.Reason, Platform: g.Platform, Code: g.Code, Attribute: g.Attribute, Letters: g.Letters, Items: g.Items,
			Oldest: g.Oldest, Newest: g.Newest, Example: g.NewestID,
		}
		if g.Reason != "" {
			// What the platform says of the attribute helps more than that it refused.
			list := platform.Reasons(a.platforms).Letter(g.Platform, g.Reason, []ledger.Issue{{Code: g.Code, Attribute: g.Attribute}})
			advice := list[len(list)-1]
			groups[i].Action, groups[i].URL = advice.Action, advice.URL
		}
	}
	if format.Machine() {
		return format.Print(a.streams.Out, groups)
	}
	var columns []cli.Column
	column := func(wanted bool, c cli.Column) {
		if wanted {
			columns = append(columns, c)
		}
	}
	column(by.Account, cli.Column{Title: "account"})
	column(by.Reason, cli.Column{Title: "reason"})
	column(by.Attribute, cli.Column{Title: "code", Drop: 2})
	column(by.Attribute, cli.Column{Title: "attribute"})
	columns = append(columns, cli.Column{Title: "letters", Whole: true}, cli.Column{Title: "items", Whole: true}, cli.Column{Title: "newest", Drop: 3}, cli.Column{Title: "example", Whole: true})
	column(by.Reason, cli.Column{Title: "what to do", Drop: 4})
	rows := make([][]any, len(groups))
	for i, g := range groups {
		add := func(wanted bool, value any) {
			if wanted {
				rows[i] = append(rows[i], value)
			}
		}
		add(by.Account, g.Account)
		add(by.Reason, string(g.Reason))
		add(by.Attribute, g.Code)
		add(by.Attribute, g.Attribute)
		rows[i] = append(rows[i], g.Letters, g.Items, g.Newest, g.Example)
		add(by.Reason, cli.Clipped(g.Action))
	}
	return cli.TableOf(a.streams.Out, columns, rows)
}
