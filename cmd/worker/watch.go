package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// clearScreen moves to the upper left corner and clears what follows.
const clearScreen = "\x1b[H\x1b[J"

// watch shows the overview until ctx ends. A database that does not answer for a while is
// told and asked again.
func (a *app) watch(ctx context.Context, look func(context.Context) (*overview, error), every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	told := map[string]string{}
	for {
		seen, err := look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if cli.Terminal(a.streams.Out) {
			err = a.redraw(seen, err, every)
		} else {
			err = a.appendChanges(seen, err, told)
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// screen is a page that is as wide as the terminal it goes to.
type screen struct {
	bytes.Buffer
	columns int
}

// Columns is the width of the terminal.
func (s *screen) Columns() int { return s.columns }

// redraw shows the overview in the place of the last one.
func (a *app) redraw(seen *overview, problem error, every time.Duration) error {
	page := &screen{columns: cli.Width(a.streams.Out)}
	_, _ = fmt.Fprintf(page, "%s, every %s\n\n", time.Now().Format(time.TimeOnly), every)
	if problem != nil {
		_, _ = fmt.Fprintln(page, legible.Connecting(problem.Error()))
	} else if err := seen.print(page); err != nil {
		return err
	}
	_, err := cli.Raw(a.streams.Out).Write(append([]byte(clearScreen), legibleLines(page.Bytes())...))
	return err
}

// legibleLines makes a page harmless to the terminal that it goes to as it is.
func legibleLines(page []byte) []byte {
	var shown bytes.Buffer
	_, _ = legible.NewWriter(&shown).Write(page)
	return shown.Bytes()
}

// appendChanges prints a line for each account and batch that is not as it was told.
func (a *app) appendChanges(seen *overview, problem error, told map[string]string) error {
	now := map[string]string{}
	var order []string
	note := func(name, state string) {
		now[name] = state
		order = append(order, name)
	}
	if problem != nil {
		note("database", legible.Connecting(problem.Error()))
	} else {
		for i := range seen.Accounts {
			r := &seen.Accounts[i]
			note("account "+r.Account, strings.TrimSuffix(fmt.Sprintf("%s, %s waiting; %s", r.State, cli.Counted(int(r.Waiting), "item"), string(text(r.Reason))), "; "))
		}
		for i := len(seen.Batches) - 1; i >= 0; i-- {
			b := &seen.Batches[i]
			state := b.Words
			if b.Failed != nil {
				state = fmt.Sprintf("%s; %d succeeded%s", b.Words, *b.Succeeded, otherItems(b))
			}
			note("batch "+b.ID.String()+" "+b.String(), state)
		}
	}
	for _, name := range order {
		if told[name] == now[name] {
			continue
		}
		if _, err := fmt.Fprintf(a.streams.Out, "%s  %s: %s\n", time.Now().Format(time.RFC3339), legible.Text(name), legible.Text(now[name])); err != nil {
			return err
		}
	}
	if problem == nil {
		clear(told)
	}
	maps.Copy(told, now)
	return nil
}
