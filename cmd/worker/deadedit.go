package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/internal/audited"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/replay"
)

// editing are the flags of edit.
type editing struct {
	set           []string
	operation     string
	file, subject string
	by            string
	force, dryRun bool
	note          audited.Note
}

// maxEdited bounds what is read of a corrected message: no message may be larger.
const maxEdited = 1 << 20

func (a *app) editCommand() *cobra.Command {
	var e editing
	command := &cobra.Command{
		Use:   "edit ID",
		Short: "correct the message of a dead letter and publish it as a new change",
		Long: `Publishes a corrected message in place of a dead letter's, with a new id. Without
--set, --operation and --file it opens the message in $VISUAL or $EDITOR. The message
has to keep the rules that every message keeps.

  worker dead-letters edit 17 --set price='"24.99 EUR"' --set gtin=null
  worker dead-letters edit 18 --operation DELETE`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := parseIDs(args)
			if err != nil {
				return err
			}
			if err := e.check(); err != nil {
				return err
			}
			if err := e.note.Check(); err != nil {
				return err
			}
			return a.edit(c, ids[0], &e)
		},
	}
	flags := command.Flags()
	flags.StringArrayVar(&e.set, "set", nil, "set an attribute: name=value, where value is JSON; what is not JSON is taken as text")
	choice(command, flags, &e.operation, "operation", "set the operation of the change", operationNames())
	flags.StringVar(&e.file, "file", "", "file with the whole corrected message; - for standard input")
	flags.StringVar(&e.subject, "subject", "", "publish to this subject in place of the letter's")
	flags.StringVar(&e.by, "by", "", "who does it, for the record (default your user name)")
	flags.BoolVar(&e.force, "force", false, "publish even if the item has newer changes (may restore old data)")
	e.note.Flag(flags, "note")
	flags.BoolVar(&e.dryRun, "dry-run", false, "print the corrected message, and publish nothing")
	return command
}

// check says what is wrong with the flags.
func (e *editing) check() error {
	if (len(e.set) > 0 || e.operation != "") && e.file != "" {
		return cli.UsageErrorf("--set and --operation contradict --file: give one or the other")
	}
	for _, setting := range e.set {
		name, value, _ := strings.Cut(setting, "=")
		if _, known := catalog.ParseOperation(strings.ToUpper(strings.Trim(value, `"`))); known && name == "operation" {
			return cli.UsageErrorf("--set changes attributes only: for the operation of the change, use --operation %s", strings.ToUpper(strings.Trim(value, `"`)))
		}
	}
	return checkChoice("operation", e.operation, operationNames())
}

func operationNames() (names []string) {
	for _, operation := range catalog.Operations() {
		names = append(names, operation.String())
	}
	return names
}

func (a *app) edit(c *cobra.Command, id int64, e *editing) error {
	db, err := a.openStore(c)
	if err != nil {
		return err
	}
	defer db.close()
	options := replay.Options{Store: db.Store, By: (&acting{by: e.by}).who(), Force: e.force}
	letter, err := replay.New(options).Letter(c.Context(), id)
	if err != nil {
		return err
	}
	if letter.Message.Lost > 0 && e.file == "" {
		return fmt.Errorf("the message of dead letter %d is not kept: give a whole one with --file", id)
	}
	body, kept, err := a.corrected(c.Context(), letter, e)
	if err != nil {
		return err
	}
	if e.dryRun {
		_, err := fmt.Fprintf(a.streams.Out, "%s\n", legible.JSON(indented(body)))
		return err
	}
	var edited replay.Edited
	action := audited.Action{Name: persistence.ActEditLetter, Target: targetOf([]int64{id}), Expected: 1, By: e.by, Note: e.note.Text()}
	err = a.audited(c, db, action, func() (int64, string, error) {
		err := a.publishing(c.Context(), db, options, func(r *replay.Replayer) (err error) {
			edited, err = r.Edit(c.Context(), id, body, e.subject)
			return err
		})
		if err != nil {
			return 0, "", err
		}
		return 1, "published as mutation " + edited.MutationID, nil
	})
	if err == nil {
		_, err = fmt.Fprintf(a.streams.Out, "published as mutation %s\n", edited.MutationID)
	}
	if problem, invalid := errors.AsType[*catalog.Problem](err); invalid {
		err = fmt.Errorf("the corrected message breaks a rule: %w", problem)
	}
	switch {
	case kept != "" && err != nil:
		return fmt.Errorf("%w; your text is kept in %s: correct it there and give it with --file", err, kept)
	case kept != "":
		return os.Remove(kept)
	default:
		return err
	}
}

// corrected is the new message. kept is the file that a person has edited, if any.
func (a *app) corrected(ctx context.Context, letter *persistence.DeadLetter, e *editing) (body []byte, kept string, err error) {
	switch {
	case e.file == "-":
		body, err = bounded(a.streams.In)
	case e.file != "":
		body, err = readBounded(e.file)
	case len(e.set) > 0 || e.operation != "":
		body = letter.Message.Data
		if operation, known := catalog.ParseOperation(e.operation); known {
			if body, err = replay.SetOperation(body, operation); err != nil {
				return nil, "", err
			}
		}
		for _, setting := range e.set {
			name, value, found := strings.Cut(setting, "=")
			if !found {
				return nil, "", cli.UsageErrorf("--set %q is not allowed: write name=value", setting)
			}
			if !json.Valid([]byte(value)) {
				quoted, _ := json.Marshal(value) //nolint:errchkjson // a text
				value = string(quoted)
			}
			if body, err = replay.SetAttribute(body, name, value); err != nil {
				return nil, "", err
			}
		}
	default:
		return a.inEditor(ctx, letter)
	}
	return body, "", err
}

func bounded(from io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(from, maxEdited+1))
	if err == nil && len(body) > maxEdited {
		err = errors.New("the message is larger than 1 MiB")
	}
	return body, err
}

func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // the person names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	return bounded(file)
}

// inEditor has a person edit the message in a file that nobody else may read.
func (a *app) inEditor(ctx context.Context, letter *persistence.DeadLetter) (body []byte, kept string, err error) {
	editor := ""
	for _, name := range []string{"VISUAL", "EDITOR"} {
		if value, found := a.streams.Lookup(name); found && editor == "" {
			editor = value
		}
	}
	words := strings.Fields(editor)
	if len(words) == 0 {
		return nil, "", cli.UsageErrorf("there is no $VISUAL and no $EDITOR: use --set name=value or --file")
	}
	file, err := os.CreateTemp("", fmt.Sprintf("dead-letter-%d-*.json", letter.ID)) // for its owner only
	if err != nil {
		return nil, "", err
	}
	kept = file.Name()
	_, err = file.Write(append(indented(letter.Message.Data), '\n'))
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, kept, err
	}
	run := exec.CommandContext(ctx, words[0], append(words[1:], kept)...) //nolint:gosec // the person's own editor
	run.Stdin, run.Stdout, run.Stderr = a.streams.In, cli.Raw(a.streams.Out), cli.Raw(a.streams.Err)
	if err := run.Run(); err != nil {
		return nil, "", errors.Join(fmt.Errorf("%s: %w", words[0], err), os.Remove(kept))
	}
	body, err = readBounded(kept)
	return bytes.TrimSpace(body), kept, err
}

// indented is JSON as people read it; what is no JSON is as it is.
func indented(body []byte) []byte {
	var readable bytes.Buffer
	if json.Indent(&readable, body, "", "  ") != nil {
		return body
	}
	return readable.Bytes()
}
