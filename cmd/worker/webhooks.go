package main

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/audited"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/persistence"
)

func (a *app) webhooksCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "webhooks",
		Short: "list and resend what is posted to the webhooks of outcomes",
	}
	group.AddCommand(a.listPostsCommand(), a.resendPostsCommand())
	return group
}

func (a *app) listPostsCommand() *cobra.Command {
	var webhook, output string
	var every bool
	var limit int
	command := &cobra.Command{
		Use:   "list",
		Short: "list posts that are not delivered, newest first",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			format, err := cli.ParseOutput(output)
			if err != nil {
				return err
			}
			if limit < 1 || limit > 10_000 {
				return cli.UsageErrorf("--limit %d is not allowed: 1 to 10000", limit)
			}
			db, err := a.openStore(c)
			if err != nil {
				return err
			}
			defer db.close()
			posts, err := db.OutcomePosts(c.Context(), webhook, every, limit)
			if err != nil {
				return err
			}
			if format.Machine() {
				return format.Print(a.streams.Out, postsJSON(posts))
			}
			return printPosts(a.streams, posts)
		},
	}
	flags := command.Flags()
	flags.StringVar(&webhook, "webhook", "", "only of this webhook, by its name in the configuration")
	flags.BoolVar(&every, "delivered", false, "those too that were delivered")
	flags.IntVar(&limit, "limit", 100, "how many")
	cli.OutputFlag(command, flags, &output)
	return command
}

func printPosts(streams cli.Streams, posts []persistence.OutcomePost) error {
	rows := make([][]any, len(posts))
	for i, p := range posts {
		next := ""
		if p.State == "pending" {
			next = p.NextAt.Local().Format(time.DateTime)
		}
		rows[i] = []any{p.ID, p.Webhook, p.CreatedAt.Local().Format(time.DateTime), p.Events, p.State, p.Attempts, lastAnswer(&p), next}
	}
	return cli.Table(streams.Out, []string{"id", "webhook", "created at", "outcomes", "state", "attempts", "last answer", "next attempt"}, rows)
}

func lastAnswer(p *persistence.OutcomePost) string {
	switch {
	case p.LastError != "":
		return p.LastError
	case p.LastStatus != 0:
		return strconv.Itoa(p.LastStatus) + " " + http.StatusText(p.LastStatus)
	}
	return ""
}

// postJSON is a post as machines read it.
type postJSON struct {
	ID         int64      `json:"id"`
	Webhook    string     `json:"webhook"`
	MessageID  string     `json:"message_id"`
	CreatedAt  time.Time  `json:"created_at"`
	Events     int        `json:"events"`
	State      string     `json:"state"`
	Attempts   int        `json:"attempts"`
	NextAt     *time.Time `json:"next_at,omitempty"`
	LastAt     *time.Time `json:"last_at,omitempty"`
	LastStatus int        `json:"last_status,omitempty"`
	LastError  string     `json:"last_error,omitempty"`
}

func postsJSON(posts []persistence.OutcomePost) []postJSON {
	list := make([]postJSON, len(posts))
	for i, p := range posts {
		list[i] = postJSON{
			ID: p.ID, Webhook: p.Webhook, MessageID: p.MessageID, CreatedAt: p.CreatedAt, Events: p.Events, State: p.State, Attempts: p.Attempts,
			LastStatus: p.LastStatus, LastError: p.LastError,
		}
		if p.State == "pending" {
			list[i].NextAt = &p.NextAt
		}
		if !p.LastAt.IsZero() {
			list[i].LastAt = &p.LastAt
		}
	}
	return list
}

func (a *app) resendPostsCommand() *cobra.Command {
	var webhook string
	var note audited.Note
	command := &cobra.Command{
		Use:   "resend [ID…]",
		Short: "send posts again that are not delivered",
		Long: `Sends posts again that are not delivered: those with the ids, or all of
--webhook. They are sent at once and repeated for three days, under the same
webhook-id. A webhook that answered 410 Gone is used again.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, arguments []string) error {
			if (len(arguments) == 0) == (webhook == "") {
				return cli.UsageErrorf("name the posts by id, as worker webhooks list shows them, or all of a webhook with --webhook")
			}
			ids := make([]int64, len(arguments))
			for i, argument := range arguments {
				id, err := strconv.ParseInt(argument, 10, 64)
				if err != nil {
					return cli.UsageErrorf("%q is not the id of a post", argument)
				}
				ids[i] = id
			}
			if err := note.Check(); err != nil {
				return err
			}
			db, err := a.openStore(c)
			if err != nil {
				return err
			}
			defer db.close()
			action := audited.Action{Name: persistence.ActResendPosts, Target: strings.Join(arguments, " "), Expected: -1, Note: note.Text()}
			if webhook != "" {
				action.Filter = map[string][]string{"webhook": {webhook}}
			}
			var resent int64
			err = a.audited(c, db, action, func() (_ int64, _ string, err error) {
				resent, err = db.ResendOutcomePosts(c.Context(), webhook, ids)
				return resent, fmt.Sprintf("posts that are sent again: %d", resent), err
			})
			if err != nil {
				return err
			}
			if resent == 0 && len(ids) > 0 {
				return errors.New("no post is sent again: there is none of such an id that is not delivered; worker webhooks list shows those that there are")
			}
			_, err = fmt.Fprintf(a.streams.Out, "posts that are sent again: %d\n", resent)
			return err
		},
	}
	command.Flags().StringVar(&webhook, "webhook", "", "all of this webhook that are not delivered")
	note.Flag(command.Flags(), "reason")
	return command
}
