// Command fill fills a database with what a service of many accounts leaves behind in some
// weeks: mutations, batches, failures, dead letters, waiting changes, accounts.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/catalog-courier/catalog-courier/bench/internal/filled"
)

func main() { os.Exit(command()) }

func command() int {
	o := filled.Options{Now: time.Now(), Log: func(format string, arguments ...any) { fmt.Fprintf(os.Stderr, format+"\n", arguments...) }}
	var database string
	flag.StringVar(&database, "database", "", "URL of an empty database")
	flag.IntVar(&o.Mutations, "mutations", 1_000_000, "how many")
	flag.IntVar(&o.Accounts, "accounts", 1000, "how many")
	flag.IntVar(&o.Days, "days", 30, "over how many days, 1 to 30")
	flag.IntVar(&o.Outbox, "outbox", 0, "for how many of the newest batches the outbox has rows")
	flag.Uint64Var(&o.Seed, "seed", 1, "of the random numbers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if database == "" {
		fmt.Fprintln(os.Stderr, "fill: -database is needed")
		return 2
	}
	if err := filled.Fill(ctx, database, o); err != nil {
		fmt.Fprintln(os.Stderr, "fill:", err)
		return 1
	}
	return 0
}
