package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/cmd/internal/devservers"
	"github.com/catalog-courier/catalog-courier/examples"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/internal/reason"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/service"
	"github.com/catalog-courier/catalog-courier/status"
)

// openReader opens the read model. encode puts requests together; nil where none is shown.
func (a *app) openReader(c *cobra.Command, encode status.Encoder) (*status.Reader, *database, error) {
	db, err := a.openStore(c)
	if err != nil {
		return nil, nil, err
	}
	return status.NewReader(db.pool, status.Config{Encode: encode, Advice: a.advice()}), db, nil
}

// encoder puts requests together as the workers do, which takes the configuration of the
// accounts and none of their tokens.
func (a *app) encoder() (status.Encoder, error) {
	settings, err := a.senders()
	if err != nil {
		return nil, fmt.Errorf("showing a request takes the configuration of its account: %w", err)
	}
	return service.Encoder(settings, a.platforms), nil
}

// senders is the configuration of who sent what the database has: of a running worker dev
// where its servers are used, unless --config names another.
func (a *app) senders() (*config.Config, error) {
	if a.given.configPath == "" {
		_, dev, err := a.loadNamed()
		if err != nil {
			return nil, err
		}
		if found, used := devservers.Used(a.streams); dev && used {
			return a.readDev(found, config.Options{WithoutTokens: true})
		}
	}
	return a.loadWithoutTokens()
}

// advice says what to do about an error of an item, and where more is said about it; ""
// where nothing is known beyond its message.
func (a *app) advice() func(platformName string, issue status.Issue) string {
	reasons := platform.Reasons(a.platforms)
	return func(platformName string, issue status.Issue) string {
		found := adviceOn(reasons, platformName, issue)
		if found.Action == "" {
			return ""
		}
		return found.Action + " (" + string(found.Who) + "; " + found.URL + ")"
	}
}

// adviceOn says what to do about an error of an item; nothing where nothing is known beyond its
// message.
func adviceOn(reasons *reason.Registry, platformName string, issue status.Issue) reason.Advice {
	if issue.Code == "" && issue.Attribute == "" {
		return reason.Advice{}
	}
	return reasons.Explain(platformName, ledger.Issue{Code: issue.Code, Attribute: issue.Attribute, Message: issue.Message})
}

// destinations are the flags that choose destinations.
type destinations struct{ status.Filter }

func (d *destinations) flags(a *app, command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&d.Account, "account", "", "only this account")
	flags.StringVar(&d.Catalog, "catalog", "", "only this catalog")
	flags.StringVar(&d.Type, "type", "", "only this catalog type, such as RETAIL")
	a.completeAccounts(command)
}

// completionTimeout bounds how long a shell waits for values from the database.
const completionTimeout = time.Second

// completeAccounts has the flag --account completed with the accounts of the database.
func (a *app) completeAccounts(command *cobra.Command) {
	_ = command.RegisterFlagCompletionFunc("account", func(c *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(c.Context(), completionTimeout)
		defer cancel()
		c.SetContext(ctx)
		reader, db, err := a.openReader(c, nil)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer db.close()
		accounts, err := reader.Accounts(ctx, "")
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []cobra.Completion
		for i := range accounts {
			if strings.HasPrefix(accounts[i].Name, typed) {
				names = append(names, cobra.CompletionWithDesc(accounts[i].Name, accounts[i].State))
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
}

// choice declares a flag whose values are known.
func choice(command *cobra.Command, flags *pflag.FlagSet, into *string, name, usage string, values []string) {
	flags.StringVar(into, name, "", usage+": "+strings.Join(values, ", "))
	_ = command.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// checkChoice refuses a value that is none of the known ones; "" is none.
func checkChoice(name, value string, values []string) error {
	if slices.Contains(append(values, ""), value) {
		return nil
	}
	return cli.UsageErrorf("--%s %q is invalid: must be %s", name, value, strings.Join(values, ", "))
}

// details prints names and values, and keeps the first error.
type details struct {
	out io.Writer
	err error
}

func (d *details) printf(format string, args ...any) {
	if d.err == nil {
		_, d.err = fmt.Fprintf(d.out, format, args...)
	}
}

// line prints a name with its value, or nothing for a value of "".
func (d *details) line(name, value string) {
	if value != "" {
		d.printf("  %-14s %s\n", name, legible.Text(value))
	}
}

// letter prints which dead letter a change is, and what became of it.
func (d *details) letter(m *status.Mutation) {
	switch id := m.DeadLetterID; {
	case id == 0:
	case m.LetterDone():
		d.line("dead letter", fmt.Sprintf("%d, %s: worker dead-letters show %d", id, m.DeadLetterState, id))
	default:
		d.line("dead letter", fmt.Sprintf("%d: worker dead-letters show %d", id, id))
	}
}

// moment prints a name with a time, exact and relative.
func (d *details) moment(name string, at *time.Time) {
	if at != nil {
		d.line(name, exact(*at))
	}
}

func exact(at time.Time) string {
	return at.Local().Format("2006-01-02 15:04:05 MST") + " (" + cli.Ago(at, time.Now()) + ")"
}

// issues prints errors or warnings, each with what to do about it.
func (d *details) issues(name string, issues []status.Issue) {
	for _, issue := range issues {
		d.line(name, issueText(issue))
		d.line("", issue.Advice)
	}
}

// issueText is an error in one line: attribute: message (code).
func issueText(issue status.Issue) string {
	text := issue.Message
	if issue.Attribute != "" {
		text = strings.TrimSuffix(issue.Attribute+": "+text, ": ")
	}
	switch {
	case issue.Code == "":
		return text
	case text == "":
		return "code " + issue.Code
	default:
		return text + " (" + issue.Code + ")"
	}
}

// firstIssue is what is shown of a list of errors in a table.
func firstIssue(issues []status.Issue) cli.Clipped {
	if len(issues) == 0 {
		return ""
	}
	text := issueText(issues[0])
	if len(issues) > 1 {
		text += fmt.Sprintf(", and %d more", len(issues)-1)
	}
	return cli.Clipped(text)
}

// readDev reads the configuration of a running worker dev, as it uses it. options may have
// flags.
func (a *app) readDev(found devservers.Servers, options config.Options) (settings *config.Config, err error) {
	options.Lookup, options.Environ, options.Platforms = a.streams.Lookup, a.streams.Environ, platform.Configs(a.platforms)
	if found.Config != "" {
		settings, err = config.Load(found.Config, options)
	} else {
		settings, err = config.Parse("examples/courier.yaml", examples.Config, options)
	}
	if err != nil {
		return nil, cli.ConfigError(err)
	}
	for name, account := range settings.Accounts {
		if address := found.Platforms[account.Platform]; address != "" {
			account.BaseURL = address
			settings.Accounts[name] = account
		}
	}
	return settings, nil
}

// loadOrDev reads the whole configuration, or that of a running worker dev where nothing
// names another.
func (a *app) loadOrDev() (*config.Config, error) {
	path, err := cli.ConfigPath(a.given.configPath)
	if err != nil {
		return nil, err
	}
	named := a.given.database != "" || a.given.nats != ""
	if path != "" || named {
		settings, err := a.load()
		if err != nil || named || !settings.Database.URL.IsZero() || settings.NATS.URL.Reveal() != config.DefaultNATS {
			return settings, err
		}
		options := a.options()
		if options.Flags, options.FlagsFrom = devservers.Flags(a.streams), devservers.From; options.Flags == nil {
			return settings, nil
		}
		settings, err = config.Load(path, options)
		return settings, cli.ConfigError(err)
	}
	found, running := devservers.Used(a.streams)
	if !running {
		return a.load() // which says what is missing
	}
	return a.readDev(found, config.Options{Flags: devservers.Flags(a.streams), FlagsFrom: devservers.From})
}
