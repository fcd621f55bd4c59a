package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/notice"
)

func (a *app) noticesCommand() *cobra.Command {
	group := &cobra.Command{Use: "notices", Short: "who gets a notice of a change of state"}
	var only []string
	test := &cobra.Command{
		Use:   "test",
		Short: "send a test notice to the targets of the configuration",
		Long: `Sends a test notice to each target of the section notices, at once and whatever its
filters say, and says which took it. It needs neither NATS nor Postgres nor tokens of
platforms. Where there is no file and worker dev runs, the configuration is that of
worker dev. Exits with 1 when a target did not take it.`,
		RunE: func(c *cobra.Command, _ []string) error {
			targets, of, err := a.noticeTargets()
			if err != nil {
				return err
			}
			if len(targets) == 0 {
				return cli.UsageErrorf("%s has no notices.targets", of)
			}
			return a.testNotices(c.Context(), targets, only)
		},
	}
	test.Flags().StringSliceVar(&only, "target", nil, "only this target, by name; may be repeated")
	group.AddCommand(test)
	return group
}

// noticeTargets reads who gets notices, and says in which configuration.
func (a *app) noticeTargets() (targets []config.NoticeTarget, of string, err error) {
	path, err := cli.ConfigPath(a.given.configPath)
	if err != nil {
		return nil, "", err
	}
	if path == "" {
		settings, err := a.loadOrDev()
		if err != nil {
			return nil, "", err
		}
		return settings.Notices.Targets, "the configuration", nil
	}
	options := a.options()
	options.WithoutAccounts, options.WithNotices = true, true
	settings, err := config.Load(path, options)
	if err != nil {
		return nil, "", cli.ConfigError(err)
	}
	return settings.Notices.Targets, path, nil
}

var errNotices = errors.New("not every target took the notice")

func (a *app) testNotices(ctx context.Context, targets []config.NoticeTarget, only []string) error {
	wanted := map[string]bool{}
	for _, name := range only {
		wanted[name] = false
	}
	failed := false
	for _, target := range targets {
		if _, asked := wanted[target.Name]; len(only) > 0 && !asked {
			continue
		}
		wanted[target.Name] = true
		sender := notice.NewSender(target, nil)
		now := time.Now()
		_, err := sender.Send(ctx, "msg_"+uuid.NewString(), now, notice.Test(now))
		sender.Close()
		said := target.Name + ": taken"
		if err != nil {
			failed = true
			said = err.Error()
		}
		if _, err := fmt.Fprintln(a.streams.Out, said); err != nil {
			return err
		}
	}
	var unknown []string
	for name, found := range wanted {
		if !found {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		return cli.UsageErrorf("there is no target %s", strings.Join(unknown, ", "))
	}
	if failed {
		return errNotices
	}
	return nil
}
