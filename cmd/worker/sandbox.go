package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/worker/internal/simulated"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

func (a *app) sandboxCommand() *cobra.Command {
	var address string
	var delay, jitter time.Duration
	command := &cobra.Command{
		Use:   "sandbox",
		Short: "serve simulated " + titles(a.platforms) + " APIs for testing",
		Long: `Serves a simulated ` + titles(a.platforms) + ` that keep real state, each below a path of its own.
Point an account's base_url at them. They take any token; what they hold is lost
when they end.`,
		RunE: func(c *cobra.Command, _ []string) error {
			behaviour := sandbox.Options{Delay: delay, Jitter: jitter}
			platforms, err := simulated.Start(c.Context(), simulated.Options{Address: address, Platforms: a.platforms, Behaviour: behaviour})
			if err != nil {
				return err
			}
			if _, err := fmt.Fprint(a.streams.Out, platforms.Lines(func(one simulated.Platform) string { return one.URL })); err != nil {
				return err
			}
			<-c.Context().Done()
			return platforms.Close()
		},
	}
	flags := command.Flags()
	flags.StringVar(&address, "listen", "127.0.0.1:8090", "where to listen")
	flags.DurationVar(&delay, "delay", time.Second, "how long an accepted batch waits before it is applied")
	flags.DurationVar(&jitter, "jitter", time.Second, "the most that is added to the delay at random")
	return command
}
