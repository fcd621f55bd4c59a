package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/audited"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/source/run"
)

// The exit codes of plan, and of what sends; Terraform's -detailed-exitcode has the first
// three.
const (
	exitChanges  = 2
	exitWithheld = 3
)

// ErrStale says that a saved plan is not what a run would send now.
var ErrStale = errors.New("the plan is stale")

const feedHelp = `Keeps catalogs true to a feed: reads it, compares it with what was sent before, and
publishes the difference. docs/feeds.md says how a source is configured.

  check    read the configuration, the mappings and their samples
  plan     show what a run would send, and send nothing
  apply    send it
  approve  let deletes go that a run has withheld
  runs     list runs
  migrate  change the ids of all items

The exit code is 0 when nothing is to be done or all is done, 1 after an error, 2 when
plan found changes, 3 when something is withheld or stopped.`

func (s *sources) feedCommand() *cobra.Command {
	command := &cobra.Command{
		Use: "feed", Short: "keep catalogs true to a feed file", Long: feedHelp,
		Annotations: map[string]string{cli.OwnCodes: ""},
	}
	command.AddCommand(s.checkCommand(), s.planCommand(), s.applyCommand(), s.approveCommand(), s.runsCommand(), s.migrateCommand())
	return command
}

// savedPlan is the file of a plan.
type savedPlan struct {
	Format string    `json:"format"`
	Plan   *run.Plan `json:"plan"`
}

const planFormat = "catalog-courier plan 1"

func (s *sources) planCommand() *cobra.Command {
	var save string
	command := &cobra.Command{
		Use: "plan SOURCE", Short: "show what a run would send, and send nothing", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			output, err := cli.ParseOutput(s.given.output)
			if err != nil {
				return err
			}
			session, err := s.start(c.Context(), args[0], false)
			if err != nil {
				return err
			}
			defer session.close()
			plan, err := s.plan(c.Context(), session, run.Request{Trigger: persistence.TriggerPlan})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, plan.Close()) }()
			if save != "" {
				if err := writePlan(save, plan); err != nil {
					return err
				}
			}
			if err := s.show(output, session, plan); err != nil {
				return err
			}
			return planCode(plan)
		},
	}
	command.Flags().StringVarP(&save, "out", "o", "", "save the plan to this file, for apply")
	return command
}

func planCode(plan *run.Plan) error {
	switch sent, withheld := plan.Changes(); {
	case withheld > 0 || plan.Stopped() || plan.MostInvalid():
		return cli.Exit(exitWithheld)
	case sent > 0:
		return cli.Exit(exitChanges)
	default:
		return nil
	}
}

func writePlan(path string, plan *run.Plan) error {
	encoded, err := json.MarshalIndent(savedPlan{Format: planFormat, Plan: plan}, "", "  ")
	if err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	if err := os.WriteFile(path, append(encoded, '\n'), 0o600); err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	return nil
}

// readPlan reads a saved plan; of what it says only the source and the digest count.
func readPlan(path string) (*run.Plan, error) {
	file, err := os.Open(path) //nolint:gosec // the user names the file
	if err != nil {
		return nil, err
	}
	defer file.Close()
	const most = 16 << 20
	content, err := io.ReadAll(io.LimitReader(file, most))
	if err != nil {
		return nil, err
	}
	var saved savedPlan
	if err := json.Unmarshal(content, &saved); err != nil || saved.Format != planFormat || saved.Plan == nil || saved.Plan.Source == "" {
		return nil, cli.UsageErrorf("%s is not a plan that was saved with plan -o", path)
	}
	return saved.Plan, nil
}

// plan makes a plan, with a progress bar.
func (s *sources) plan(ctx context.Context, session *session, request run.Request) (*run.Plan, error) {
	bar := startRunProgress(s.streams, s.given.quiet || cli.Output(s.given.output).Machine())
	defer bar.stop()
	session.runner.Progress = bar.progress
	return session.runner.Plan(ctx, session.source.Source, request)
}

func (s *sources) applyCommand() *cobra.Command {
	var yes, dryRun, all bool
	var note audited.Note
	command := &cobra.Command{
		Use: "apply SOURCE|PLAN.json", Short: "send what a run finds, or what a saved plan says", Args: cobra.ExactArgs(1),
		Long: `Reads the feed, compares it with what was sent, and publishes the difference. With a plan
that was saved by plan -o it does so only when the run would send the same now.

On a terminal it asks before it deletes; --yes answers.`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := note.Check(); err != nil {
				return err
			}
			name, digest := args[0], ""
			if strings.HasSuffix(name, ".json") {
				saved, err := readPlan(name)
				if err != nil {
					return err
				}
				name, digest = saved.Source, saved.Digest
				yes = true // the plan was looked at
				if all {
					return cli.UsageErrorf("--all cannot be given with a saved plan")
				}
			}
			return s.send(c.Context(), name, run.Request{Trigger: "apply", Resend: all}, sending{
				digest: digest, yes: yes, dryRun: dryRun, saved: digest != "" || strings.HasSuffix(args[0], ".json"), action: persistence.ActApplyFeed, note: note.Text(),
			})
		},
	}
	note.Flag(command.Flags(), "reason")
	command.Flags().BoolVar(&yes, "yes", false, "delete without asking")
	command.Flags().BoolVar(&dryRun, "dry-run", false, "as plan: send nothing")
	command.Flags().BoolVar(&all, "all", false, "send every item again, changed or not: after the stream or a catalog lost what it had")
	return command
}

func (s *sources) approveCommand() *cobra.Command {
	var most int
	var note audited.Note
	command := &cobra.Command{
		Use: "approve RUN", Short: "let deletes go that a run has withheld", Args: cobra.ExactArgs(1),
		Long: `Reads the feed again and sends what it finds, with at most as many deletes for each route
as the run has withheld, or as --max says. When there are more now, they are withheld
again: an approval is a limit, not a licence. It lifts none of the absolute stops.`,
		RunE: func(c *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || id < 1 {
				return cli.UsageErrorf("%q is not the number of a run", args[0])
			}
			if err := note.Check(); err != nil {
				return err
			}
			name, withheld, err := s.withheld(c.Context(), id)
			if err != nil {
				return err
			}
			if most == 0 {
				most = withheld
			}
			if most == 0 {
				return fmt.Errorf("run %d of %s has withheld nothing", id, name)
			}
			return s.approve(c.Context(), name, id, most, withheld, note.Text())
		},
	}
	note.Flag(command.Flags(), "reason")
	command.Flags().IntVar(&most, "max", 0, "the most deletes of each route (default: as many as the run has withheld)")
	return command
}

// approve sends a run with the deletes that are approved, and writes that into the audit
// log. What goes beyond the approval is withheld again; the approval did not fail by that.
func (s *sources) approve(ctx context.Context, name string, id int64, most, withheld int, note string) error {
	loaded, err := s.load()
	if err != nil {
		return err
	}
	store, err := openDatabase(ctx, loaded)
	if err != nil {
		return err
	}
	defer store.pool.Close()
	action := audited.Action{Name: persistence.ActApproveDeletes, Target: fmt.Sprintf("run %d of %s", id, name), Expected: int64(withheld), Note: note}
	var ended error
	err = audited.Do(ctx, store.pool, action, func() (int64, string, error) {
		ended = s.send(ctx, name, run.Request{Trigger: fmt.Sprint("approval of run ", id), Approved: most}, sending{yes: true})
		done := fmt.Sprintf("the feed was read again with up to %s of each route", cli.Counted(most, "delete"))
		if cli.IsExit(ended) {
			return -1, done, nil
		}
		return -1, done, ended
	})
	if ended != nil {
		return ended // which has the exit code
	}
	return err
}

// lookBack is how many runs after a withheld one are looked at.
const lookBack = 1000

// withheld reads how many deletes a run has withheld: the most of its routes.
func (s *sources) withheld(ctx context.Context, id int64) (name string, most int, err error) {
	loaded, err := s.load()
	if err != nil {
		return "", 0, err
	}
	store, err := openDatabase(ctx, loaded)
	if err != nil {
		return "", 0, err
	}
	defer store.pool.Close()
	row, err := store.Run(ctx, id)
	if err != nil {
		return "", 0, err
	}
	rows, err := store.Runs(ctx, row.Source, lookBack)
	if err != nil {
		return "", 0, err
	}
	for _, later := range rows {
		if later.Run > id && (later.State == persistence.RunDone || later.State == persistence.RunUnchanged) {
			return "", 0, fmt.Errorf("run %d of %s is over: run %d sent everything since. What is withheld now has another number: see enqueue feed runs %s", id, row.Source, later.Run, row.Source)
		}
	}
	var routes []run.RoutePlan
	if err := json.Unmarshal(row.Counts, &routes); err != nil {
		return "", 0, fmt.Errorf("read run %d: %w", id, err)
	}
	for _, route := range routes {
		if route.Decision == "withheld" {
			most = max(most, route.Counts.Removed)
		}
	}
	return row.Source, most, nil
}

func (s *sources) migrateCommand() *cobra.Command {
	var yes bool
	var note audited.Note
	command := &cobra.Command{
		Use: "migrate SOURCE", Short: "change the ids of all items", Args: cobra.ExactArgs(1),
		Long: `For a source whose item_id was changed in the configuration, or whose shop has given all
its products other ids. Shows how many items would be added with their new ids and how
many with former ones would be deleted. With --yes it does so: additions first.`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := note.Check(); err != nil {
				return err
			}
			request := run.Request{Trigger: "migrate", MigrateIDs: true, Approved: 1<<31 - 1}
			return s.send(c.Context(), args[0], request, sending{yes: yes, dryRun: !yes, action: persistence.ActMigrateFeed, note: note.Text()})
		},
	}
	note.Flag(command.Flags(), "reason")
	command.Flags().BoolVar(&yes, "yes", false, "do it; without it nothing is sent")
	return command
}

// sending says how a run is sent.
type sending struct {
	saved  bool   // as a saved plan with this digest says
	digest string // "" for a plan of an unchanged source
	yes    bool
	dryRun bool
	// action is written into the audit log with what somebody said to it; "" where that is
	// done already.
	action, note string
}

// send plans a run and applies it.
func (s *sources) send(ctx context.Context, name string, request run.Request, how sending) error {
	output, err := cli.ParseOutput(s.given.output)
	if err != nil {
		return err
	}
	session, err := s.start(ctx, name, !how.dryRun)
	if err != nil {
		return err
	}
	defer session.close()
	plan, err := s.plan(ctx, session, request)
	if err != nil {
		return err
	}
	if how.saved && plan.Digest != how.digest {
		return errors.Join(fmt.Errorf("%w: the feed, the mapping or what was sent has changed since it was made. Make another one with plan -o", ErrStale), plan.Close())
	}
	if !output.Machine() || how.dryRun {
		if err := s.show(output, session, plan); err != nil {
			return errors.Join(err, plan.Close())
		}
	}
	if how.dryRun {
		return errors.Join(planCode(plan), plan.Close())
	}
	if !how.yes && !s.agreed(plan) {
		return errors.Join(errors.New("not confirmed: nothing was sent"), plan.Close())
	}
	bar := startRunProgress(s.streams, s.given.quiet || output.Machine())
	session.runner.Progress = bar.progress
	result, err := how.apply(ctx, session, name, plan)
	bar.stop()
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("stopped by a signal after %s; nothing is lost: the next run sends the rest", cli.Counted(int(result.Published), "mutation"))
	case err != nil:
		return fmt.Errorf("%w; the next run sends the rest", err)
	}
	if output.Machine() {
		err = output.Print(s.streams.Out, struct {
			Plan   *run.Plan  `json:"plan"`
			Result run.Result `json:"result"`
		}{plan, result})
	} else {
		err = s.showResult(plan, result)
	}
	if err != nil {
		return err
	}
	if result.State == persistence.RunWithheld || result.State == persistence.RunStopped || result.State == persistence.RunInvalid {
		return cli.Exit(exitWithheld)
	}
	return nil
}

// apply sends what a plan says, and writes that into the audit log. A run that has nothing to
// send is none of somebody's actions: there may be one an hour.
func (how *sending) apply(ctx context.Context, session *session, name string, plan *run.Plan) (result run.Result, err error) {
	sent, _ := plan.Changes()
	if how.action == "" || sent == 0 {
		return plan.Apply(ctx)
	}
	action := audited.Action{Name: how.action, Target: name, Expected: int64(sent), Note: how.note}
	err = audited.Do(ctx, session.store.pool, action, func() (int64, string, error) {
		result, err = plan.Apply(ctx)
		return result.Published, "published " + cli.Counted(int(result.Published), "mutation"), err
	})
	return result, err
}

// agreed asks on a terminal whether the deletes of a plan are meant. Where nobody can be
// asked, the guard decides alone.
func (s *sources) agreed(plan *run.Plan) bool {
	deletes := plan.Deletes()
	if deletes == 0 || !cli.TerminalReader(s.streams.In) {
		return true
	}
	_, _ = fmt.Fprintf(s.streams.Err, "Delete %s? Type yes: ", cli.Counted(deletes, "item"))
	var answer string
	_, _ = fmt.Fscanln(s.streams.In, &answer)
	return answer == "yes"
}
