package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/cmd/worker/internal/simulated"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

// sandboxAddress is where worker sandbox and worker dev have the simulated platforms.
const sandboxAddress = "127.0.0.1:8090"

func (a *app) sandboxCommand() *cobra.Command {
	var address string
	var delay, jitter time.Duration
	var faults []string
	command := &cobra.Command{
		Use:   "sandbox",
		Short: "serve simulated " + titles(a.platforms) + " APIs for testing",
		Long: `Serves a simulated ` + titles(a.platforms) + ` that keep real state, each below a path of its own.
Point an account's base_url at them. They take any token; what they hold is lost
when they end. Item ids with some endings, such as -REJECTED or -429, make them
misbehave: see docs/sandbox.md.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			behaviour := sandbox.Options{Delay: delay, Jitter: jitter, Magic: true}
			platforms, err := simulated.Start(c.Context(), simulated.Options{
				Address: address, Platforms: a.platforms, Behaviour: behaviour, Faults: faults,
			})
			if err != nil {
				return faultUsage(err)
			}
			if _, err := fmt.Fprint(a.streams.Out, platforms.Lines(func(one simulated.Platform) string { return one.URL })); err != nil {
				return errors.Join(err, platforms.Close())
			}
			<-c.Context().Done()
			return platforms.Close()
		},
	}
	flags := command.Flags()
	flags.StringVar(&address, "listen", sandboxAddress, "where to listen")
	flags.DurationVar(&delay, "delay", time.Second, "how long an accepted batch waits before it is applied")
	flags.DurationVar(&jitter, "jitter", time.Second, "the most that is added to the delay at random")
	faultFlag(command, &faults)
	command.AddCommand(a.faultCommand())
	return command
}

func faultFlag(command *cobra.Command, faults *[]string) {
	command.Flags().StringArrayVar(faults, "fault", nil, "a fault that is on from the start, such as 429=10%, PLATFORM/outage=30s: see worker sandbox fault --help")
}

// faultUsage tells a wrong --fault from what else may be wrong.
func faultUsage(err error) error {
	if errors.Is(err, sandbox.ErrSwitch) {
		return cli.UsageErrorf("--fault: %s", err)
	}
	return err
}

func (a *app) faultCommand() *cobra.Command {
	var at string
	var off bool
	command := &cobra.Command{
		Use:   "fault [NAME=VALUE]...",
		Short: "turn faults of running simulated platforms on and off",
		Long: `Turns faults of the simulated platforms of a running worker dev or worker sandbox
on and off, and shows which are on. NAME=0 turns one off, --off all. Before NAME may
be a platform and a slash: PLATFORM/429=10%. Names:

` + sandbox.SwitchHelp(),
		Example: "  worker sandbox fault 429=10% lost=5%\n  worker sandbox fault " + a.platforms[0].Name + "/outage=30s\n  worker sandbox fault --off",
		Args:    cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			return a.switchFaults(c.Context(), at, off, args)
		},
	}
	command.Flags().StringVar(&at, "at", sandboxAddress, "where the simulated platforms listen")
	command.Flags().BoolVar(&off, "off", false, "turn all faults off first")
	return command
}

func (a *app) switchFaults(ctx context.Context, at string, off bool, faults []string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	says := ""
	if off || len(faults) == 0 {
		method := http.MethodGet
		if off {
			method = http.MethodDelete
		}
		var err error
		if says, err = askSandbox(ctx, method, at, ""); err != nil {
			return err
		}
	}
	if len(faults) > 0 {
		var err error
		if says, err = askSandbox(ctx, http.MethodPost, at, strings.Join(faults, "\n")); err != nil {
			return err
		}
	}
	_, err := io.WriteString(a.streams.Out, says)
	return err
}

// errSandbox says that the simulated platforms did not do what they were asked.
var errSandbox = errors.New("the simulated platforms")

func askSandbox(ctx context.Context, method, at, body string) (string, error) {
	address := "http://" + strings.TrimPrefix(strings.TrimSuffix(at, "/"), "http://") + simulated.FaultsPath
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return "", cli.UsageErrorf("--at %q is not an address such as %s", at, sandboxAddress)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy: it is this machine
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("%w cannot be reached at %s; is worker dev or worker sandbox running there? --at names another address: %w", errSandbox, at, err)
	}
	defer func() { _ = response.Body.Close() }()
	const most = 64 << 10
	said, err := io.ReadAll(io.LimitReader(response.Body, most))
	if err != nil {
		return "", fmt.Errorf("%w at %s: %w", errSandbox, at, err)
	}
	if response.StatusCode == http.StatusBadRequest {
		return "", cli.UsageErrorf("%s", strings.TrimSpace(string(said)))
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%w at %s: %s: %s", errSandbox, at, response.Status, strings.TrimSpace(string(said)))
	}
	return string(said), nil
}
