// Command console measures what the console's pages and the commands ask of a database that
// has weeks of many accounts in it: the median of some calls of each, one after the other.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/catalog-courier/catalog-courier/bench/internal/filled"
	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/persistence"
)

func main() { os.Exit(command()) }

type options struct {
	filled.Options

	database string
	keep     bool
	calls    int
	most     time.Duration
	only     string
}

func command() int {
	o := options{Options: filled.Options{Now: time.Now(), Log: func(format string, arguments ...any) { fmt.Fprintf(os.Stderr, format+"\n", arguments...) }}}
	flag.StringVar(&o.database, "database", "", "URL of a database; an empty one is filled. Defaults to a server of its own")
	flag.BoolVar(&o.keep, "filled", false, "the database was filled before")
	flag.IntVar(&o.Mutations, "mutations", 10_000_000, "how many")
	flag.IntVar(&o.Accounts, "accounts", 1000, "how many")
	flag.IntVar(&o.Days, "days", 30, "over how many days, 1 to 30")
	flag.IntVar(&o.Outbox, "outbox", 500, "how many of the newest batches the index takes from the outbox")
	flag.IntVar(&o.calls, "calls", 20, "how many calls of each")
	flag.DurationVar(&o.most, "most", 100*time.Millisecond, "the longest median that is good")
	flag.StringVar(&o.only, "only", "", "ask only what has this in its name")
	flag.Parse()
	o.Seed = 1
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "console:", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, o options) (err error) {
	server, err := embedded.StartPostgres(ctx, embedded.PostgresOptions{URL: o.database, Parameters: map[string]string{
		"shared_buffers": "512MB", "max_wal_size": "4GB",
	}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	if !o.keep {
		if err := filled.Fill(ctx, server.URL(), o.Options); err != nil {
			return err
		}
	}
	if _, err := persistence.Migrate(ctx, server.URL()); err != nil {
		return err
	}
	pool, err := persistence.Open(ctx, persistence.PoolConfig{URL: server.URL(), MaxConns: 6})
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := buildIndex(ctx, pool); err != nil {
		return err
	}
	if !o.keep {
		if err := filled.Analyse(ctx, pool); err != nil {
			return err
		}
	}
	return measure(ctx, pool, o)
}
