package main

import (
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/internal/audited"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/span"
	"github.com/catalog-courier/catalog-courier/persistence"
)

func (a *app) deadLettersCommand() *cobra.Command {
	group := &cobra.Command{
		Use:   "dead-letters",
		Short: "list, replay, edit and dismiss failed changes",
		Long: `Dead letters are changes that are not sent again automatically. Each is open until
somebody replays, edits or dismisses it, or until a newer change of its item
succeeds. docs/errors.md explains every reason.`,
	}
	group.AddCommand(a.listCommand(), a.showCommand(), a.replayCommand(), a.editCommand(), a.dismissCommand())
	return group
}

// chosen are the flags that choose dead letters.
type chosen struct {
	account, catalog, itemType, reason, attribute, item, mutation string
	since, until                                                  string
	states                                                        []string
	replayed                                                      bool
}

func (s *chosen) declare(command *cobra.Command, flags *pflag.FlagSet) {
	flags.StringVar(&s.account, "account", "", "only of this account")
	flags.StringVar(&s.catalog, "catalog", "", "only of this catalog")
	flags.StringVar(&s.itemType, "type", "", "only of this catalog type")
	flags.StringVar(&s.reason, "reason", "", "only with this reason code, such as refused or not_clearable")
	flags.StringVar(&s.attribute, "attribute", "", "only with an error about this attribute")
	flags.StringVar(&s.item, "item", "", "only of the item with this id")
	flags.StringVar(&s.mutation, "mutation", "", "only of the mutation with this id; ids are the producers' own, so name --account too")
	flags.StringVar(&s.since, "since", "", "only those that failed since then: 2h, 7d, 2026-11-28 or 2026-11-28T09:00:00Z")
	flags.StringVar(&s.until, "until", "", "only those that failed before then, as --since")
	flags.StringSliceVar(&s.states, "state", nil, "only in these states: open (default), replayed, dismissed, resolved or all")
	flags.BoolVar(&s.replayed, "replayed", false, "include dead letters that were already replayed")
	_ = command.RegisterFlagCompletionFunc("reason", cobra.FixedCompletions(reasonCodes(), cobra.ShellCompDirectiveNoFileComp))
	_ = command.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(append(stateNames(), "all"), cobra.ShellCompDirectiveNoFileComp))
}

func reasonCodes() (codes []string) {
	for _, code := range catalog.DeadLetterReasons() {
		codes = append(codes, string(code))
	}
	return codes
}

func stateNames() (names []string) {
	for _, state := range persistence.LetterStates() {
		names = append(names, string(state))
	}
	return names
}

// filter is what the flags choose; its problem is one of usage.
func (s *chosen) filter(ids []int64) (persistence.DeadLetterFilter, error) {
	f := persistence.DeadLetterFilter{
		IDs: ids, Account: s.account, Catalog: s.catalog, Type: catalog.Type(s.itemType), Reason: catalog.Reason(s.reason),
		Attribute: s.attribute, ItemID: s.item, MutationID: s.mutation,
	}
	if err := oneOf("--reason", s.reason, reasonCodes()); err != nil {
		return f, err
	}
	var err error
	if f.FailedSince, err = pointIn("--since", s.since, time.Now()); err != nil {
		return f, err
	}
	if f.FailedBefore, err = pointIn("--until", s.until, time.Now()); err != nil {
		return f, err
	}
	f.States, err = s.wanted()
	return f, err
}

// wanted are the states that the flags name; nil for those that are open.
func (s *chosen) wanted() (states []persistence.LetterState, err error) {
	for _, name := range s.states {
		state := persistence.LetterState(name)
		switch state {
		case "all":
			return persistence.LetterStates(), nil
		case persistence.LetterOpen, persistence.LetterReplayed, persistence.LetterDismissed, persistence.LetterResolved:
			states = append(states, state)
		default:
			return nil, cli.UsageErrorf("--state %q is not allowed: open, replayed, dismissed, resolved or all", name)
		}
	}
	if s.replayed {
		if states == nil {
			states = append(states, persistence.LetterOpen)
		}
		states = append(states, persistence.LetterReplayed)
	}
	return states, nil
}

// narrows reports that the flags choose by more than state.
func (s *chosen) narrows() bool {
	return s.account+s.catalog+s.itemType+s.reason+s.attribute+s.item+s.mutation+s.since+s.until != ""
}

// pointIn reads a time, or how long ago it was.
func pointIn(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := span.Since(text, time.Local, now) //nolint:gosmopolitan // people mean their own time
	if err != nil {
		return time.Time{}, cli.UsageErrorf("%s %q %w", flag, text, err)
	}
	return at, nil
}

// parseIDs reads ids; nil, which means all, when there are none.
func parseIDs(args []string) ([]int64, error) {
	var ids []int64
	for _, arg := range args {
		id, err := strconv.ParseInt(strings.TrimPrefix(arg, "#"), 10, 64)
		if err != nil {
			return nil, cli.UsageErrorf("%q is not the id of a dead letter; dead-letters list shows them", arg)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// acting are the flags of commands that change dead letters.
type acting struct {
	chosen

	all, dryRun, yes bool
	by               string
	note             audited.Note
}

func (s *acting) declare(command *cobra.Command, verb string) {
	flags := command.Flags()
	s.chosen.declare(command, flags)
	flags.BoolVar(&s.all, "all", false, "all that are open")
	flags.BoolVar(&s.dryRun, "dry-run", false, "say what would be done, and change nothing")
	flags.BoolVar(&s.yes, "yes", false, "do not ask before "+verb+" many")
	flags.StringVar(&s.by, "by", "", "who does it, for the record (default your user name)")
	s.note.Flag(flags, "note") // as --reason chooses
}

// action is what is done to those that a filter chooses.
func (s *acting) action(name string, filter *persistence.DeadLetterFilter, expected int64) audited.Action {
	action := audited.Action{Name: name, Expected: expected, By: s.by, Note: s.note.Text()}
	if len(filter.IDs) > 0 {
		action.Target, action.Expected = targetOf(filter.IDs), int64(len(filter.IDs))
		return action
	}
	action.Filter = map[string][]string{}
	for key, value := range map[string]string{
		"account": s.account, "catalog": s.catalog, "type": s.itemType, "reason": s.reason, "attribute": s.attribute, "item": s.item,
		"mutation": s.mutation, "since": s.since, "until": s.until,
	} {
		if value != "" {
			action.Filter[key] = []string{value}
		}
	}
	if len(s.states) > 0 {
		action.Filter["state"] = s.states
	}
	if s.replayed {
		action.Filter["replayed"] = []string{"yes"}
	}
	return action
}

func targetOf(ids []int64) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.FormatInt(id, 10)
	}
	return strings.Join(texts, " ")
}

// which is what the arguments and flags choose.
func (s *acting) which(args []string) (persistence.DeadLetterFilter, error) {
	ids, err := parseIDs(args)
	if err == nil {
		err = s.note.Check()
	}
	switch {
	case err != nil:
	case len(ids) == 0 && !s.narrows() && !s.all:
		err = cli.UsageErrorf("say which: ids, a filter such as --reason, or --all")
	case len(ids) > 0 && s.all:
		err = cli.UsageErrorf("ids and --all contradict each other")
	case len(ids) > 0 && s.narrows():
		err = cli.UsageErrorf("ids and filters contradict each other: give one of them")
	case s.mutation != "" && s.account == "":
		err = cli.UsageErrorf("--mutation needs --account: ids are the producers' own, and two accounts may have the same")
	default:
		return s.filter(ids)
	}
	return persistence.DeadLetterFilter{}, err
}

// who is for the record.
func (s *acting) who() string {
	if s.by != "" {
		return s.by
	}
	if found, err := user.Current(); err == nil {
		return found.Username
	}
	return "unknown"
}

// capped is a count that ends at persistence.MaxCountedLetters.
func capped(count int64) string {
	if count >= persistence.MaxCountedLetters {
		return "10 000 or more"
	}
	return strconv.FormatInt(count, 10)
}
