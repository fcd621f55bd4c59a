package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/legible"
)

func (a *app) healthcheckCommand() *cobra.Command {
	var url string
	var timeout time.Duration
	command := &cobra.Command{
		Use:   "healthcheck",
		Short: "check a running worker's health endpoint",
		Long:  "Asks a running worker's probe and exits with 1 unless it answers 200. Made for containers without a shell.",
		RunE: func(c *cobra.Command, _ []string) error {
			if timeout == 0 {
				return cli.UsageErrorf("--timeout 0s is not allowed: above 0")
			}
			if url == "" {
				settings, err := a.loadInfrastructure()
				if err != nil {
					return err
				}
				url = probeURL(settings.HTTP.Listen)
			}
			return probe(c.Context(), url, timeout)
		},
	}
	command.Flags().StringVar(&url, "url", "", "address to ask (default /readyz of http.listen)")
	command.Flags().DurationVar(&timeout, "timeout", 3*time.Second, "how long the answer may take")
	return command
}

// probeURL turns an address to listen on into one to ask.
func probeURL(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || host == "" || host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port) + "/readyz"
}

func probe(ctx context.Context, url string, timeout time.Duration) (err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	const most = 4 << 10
	body, err := io.ReadAll(io.LimitReader(response.Body, most))
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", url, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", url, response.Status, legible.Text(strings.TrimSpace(string(body))))
	}
	return nil
}
