// Package audited writes what people do by commands into the audit log, as the console
// does with what they do in its pages.
package audited

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/pflag"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/persistence"
)

// how says in the log that somebody called a command.
const how = "command"

// longestNote is that of the console too.
const longestNote = 500

// Note is what somebody says to an action.
type Note struct {
	text, flag string
}

// Flag declares the flag: reason, or another name where that is taken.
func (n *Note) Flag(flags *pflag.FlagSet, name string) {
	n.flag = name
	flags.StringVar(&n.text, name, "", "why, for the audit log")
}

// NoteOf is what was said with a flag that has a purpose besides.
func NoteOf(text, flag string) Note { return Note{text: text, flag: flag} }

// Check complains of one that the log would not take.
func (n *Note) Check() error {
	if length := utf8.RuneCountInString(n.text); length > longestNote || !utf8.ValidString(n.text) || strings.Contains(n.text, "\x00") {
		return cli.UsageErrorf("--%s is not allowed: a text of at most %d characters, not %d", n.flag, longestNote, length)
	}
	return nil
}

// Text is what was said.
func (n *Note) Text() string { return n.text }

// Action is what somebody does by a command. Names, targets and filters are those of the
// console, where it has the action too.
type Action struct {
	Name, Target string
	// Filter is what chose the rows; nil for an action on one.
	Filter map[string][]string
	// Expected is how many rows were confirmed; negative where nothing was counted.
	Expected int64
	// By is the name that the person gave; "" for none.
	By, Note string
	// Refused reports an error that says that the state of things did not allow it.
	Refused func(error) bool
}

// Do takes an action: it is written down before, and how it ended after. do returns how
// many rows it changed, negative where nothing is counted, and what was done in words.
func Do(ctx context.Context, pool *pgxpool.Pool, action Action, do func() (changed int64, done string, err error)) error {
	var filter json.RawMessage
	if action.Filter != nil {
		encoded, err := json.Marshal(action.Filter)
		if err != nil {
			return err
		}
		filter = encoded
	}
	log := persistence.NewAudit(pool)
	id, err := log.Begin(ctx, persistence.Action{
		Who: Who(action.By), How: how, Name: action.Name, Target: action.Target, Filter: filter, Expected: action.Expected, Reason: action.Note,
	})
	if err != nil {
		return fmt.Errorf("nothing was done: %w", err)
	}
	changed, message, err := do()
	result := persistence.ActionDone
	if err != nil {
		result, message = persistence.ActionFailed, err.Error()
		if action.Refused != nil && action.Refused(err) {
			result = persistence.ActionRefused
		}
	}
	if finishErr := log.Finish(ctx, id, result, changed, message); finishErr != nil {
		return errors.Join(err, fmt.Errorf("action %d stays started in the audit log: %w", id, finishErr))
	}
	return err
}

// Who is the user of this process and the host, with the name that somebody gave before it.
func Who(by string) string {
	name := "uid " + strconv.Itoa(os.Getuid())
	if found, err := user.Current(); err == nil && found.Username != "" {
		name = found.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	who := name + "@" + host
	if by != "" {
		who = by + " (" + who + ")"
	}
	return who
}
