package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/platform/builtin"
)

// targets are the configured accounts, asked without the network. The zero value knows
// none: then only the contract of messages is checked.
type targets struct {
	settings map[string]config.Account
	accounts map[string]platform.Account
}

// loadTargets reads the accounts of the configuration, where there is one.
func loadTargets(streams cli.Streams, given arguments) (found targets, path string, err error) {
	path, err = cli.ConfigPath(given.configPath)
	if err != nil || path == "" {
		return targets{}, "", err
	}
	platforms := builtin.Platforms()
	loaded, err := config.Load(path, config.Options{Lookup: streams.Lookup, WithoutTokens: true, Platforms: platform.Configs(platforms)})
	if err != nil {
		return targets{}, path, cli.ConfigError(err)
	}
	found = targets{settings: loaded.Accounts, accounts: make(map[string]platform.Account, len(loaded.Accounts))}
	levels := map[config.RuleLevel]platform.RuleLevel{
		config.RulesWarn: platform.RulesWarn, config.RulesStrict: platform.RulesStrict, config.RulesOff: platform.RulesOff,
	}
	for name, account := range loaded.Accounts {
		descriptor, known := platform.Find(platforms, account.Platform)
		if !known {
			return targets{}, path, fmt.Errorf("account %s: there is no platform %q", name, account.Platform)
		}
		settings := platform.Settings{
			Name: name, BaseURL: account.BaseURL, Keys: account.Keys, Rules: levels[account.Rules], Catalogs: map[string]setting.Values{},
			Token: func(context.Context) (string, error) { return "", errNoCalls },
		}
		for catalogName, c := range account.Catalogs {
			settings.Catalogs[catalogName] = c.Keys
		}
		if found.accounts[name], err = descriptor.New(settings); err != nil {
			return targets{}, path, fmt.Errorf("account %s: %w", name, err)
		}
	}
	return found, path, nil
}

var errNoCalls = errors.New("nothing is sent here")

// endpoint finds the way out for a lane; nil without a problem where nothing is configured.
func (t targets) endpoint(lane catalog.Lane) (platform.Endpoint, *catalog.Problem) {
	if t.accounts == nil {
		return nil, nil
	}
	account, known := t.accounts[lane.Account]
	if !known {
		return nil, &catalog.Problem{Reason: catalog.UnknownAccount, Field: "account", Text: "the configuration has no account " +
			message.Quote(lane.Account) + "; it has " + strings.Join(slices.Sorted(maps.Keys(t.accounts)), ", ")}
	}
	return account.Endpoint(lane.Catalog, lane.Type)
}

// checked is a line that was looked at.
type checked struct {
	line

	mutation *catalog.Mutation
	endpoint platform.Endpoint // nil where nothing is configured
	warnings []string
}

// check looks at one line as a worker would. What breaks a rule is its refusal.
func (t targets) check(next line) checked {
	found := checked{line: next}
	if next.refusal != "" {
		return found
	}
	arrival := message.Decode(message.Raw{Subject: next.publication.Subject, Data: next.publication.Data})
	problem := arrival.Problem
	var warnings []catalog.Problem
	if problem == nil {
		found.mutation = arrival.Mutation
		if found.endpoint, problem = t.endpoint(arrival.Mutation.Lane); problem == nil && found.endpoint != nil {
			problem, warnings = found.endpoint.Validate(arrival.Mutation)
		}
	}
	if problem != nil {
		found.refusal = string(problem.Reason) + ": " + ledger.Sentence(problem)
	}
	for _, issue := range ledger.IssuesOf(warnings) {
		found.warnings = append(found.warnings, issue.Code+": "+issue.Message)
	}
	return found
}

// checkReport is what the lines are worth.
type checkReport struct {
	Valid    int       `json:"valid"` // of them Warned have warnings
	Warned   int       `json:"warned"`
	Refused  int       `json:"refused"`
	Rules    string    `json:"rules"`    // the configuration whose accounts were asked; "" for none
	Refusals []refusal `json:"refusals"` // the first 1000
	Warnings []refusal `json:"warnings"` // the first 1000
}

func (r *checkReport) add(c *checked) {
	note := func(list []refusal, text string) []refusal {
		if len(list) >= maxRefusals {
			return list
		}
		return append(list, refusal{Source: c.source, Line: c.number, Reason: text})
	}
	if c.refusal != "" {
		r.Refused++
		r.Refusals = note(r.Refusals, c.refusal)
		return
	}
	r.Valid++
	if len(c.warnings) > 0 {
		r.Warned++
	}
	for _, text := range c.warnings {
		r.Warnings = note(r.Warnings, text)
	}
}

func (r *checkReport) print(streams cli.Streams, output cli.Output) error {
	if output.Machine() {
		return output.Print(streams.Out, r)
	}
	for _, said := range append(grouped(r.Refusals, "refused"), grouped(r.Warnings, "warning")...) {
		if _, err := fmt.Fprintln(streams.Err, said); err != nil {
			return err
		}
	}
	if r.Rules == "" {
		if _, err := fmt.Fprintln(streams.Err, "there is no configuration here: accounts, catalogs and the platforms' rules were not looked at; name one with --config"); err != nil {
			return err
		}
	}
	return cli.Table(streams.Out, []string{"lines", "count"}, [][]any{{"valid", r.Valid}, {"with warnings", r.Warned}, {"refused", r.Refused}})
}

// checkFiles looks at all lines, and publishes nothing. each, when not nil, gets the lines
// that are not refused.
func checkFiles(ctx context.Context, streams cli.Streams, given arguments, output cli.Output, sources []*input, each func(*checked) error) error {
	known, path, err := loadTargets(streams, given)
	if err != nil {
		return err
	}
	if each != nil && known.accounts == nil {
		return cli.UsageErrorf("--dry-run needs the configuration with the account of each line: name it with --config")
	}
	report := &checkReport{Rules: path, Refusals: []refusal{}, Warnings: []refusal{}}
	for _, s := range sources {
		if err := eachLine(ctx, s, func(next line) error {
			found := known.check(next)
			report.add(&found)
			if each == nil || found.refusal != "" {
				return nil
			}
			return each(&found)
		}); err != nil {
			return err
		}
	}
	if each == nil {
		err = report.print(streams, output)
	} else {
		for _, said := range grouped(report.Refusals, "refused") {
			_, _ = fmt.Fprintln(streams.Err, said)
		}
	}
	switch {
	case err != nil:
		return err
	case report.Refused > 0 || given.strict && report.Warned > 0:
		return cli.ErrReported()
	default:
		return nil
	}
}

// eachLine reads an input to its end.
func eachLine(ctx context.Context, s *input, visit func(line) error) error {
	if !s.regular() { // of regular files it is known already
		if err := sniff(s.lines.source, s.lines.in); err != nil {
			return err
		}
	}
	for {
		next, err := s.lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return s.shortened()
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		if err := visit(next); err != nil {
			return err
		}
	}
}
