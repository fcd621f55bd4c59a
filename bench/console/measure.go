package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/status"
)

// errSlow says that a median is longer than it may be.
var errSlow = errors.New("not every median is good")

// question is something that a page or a command asks.
type question struct {
	name string
	ask  func(ctx context.Context) (rows int, err error)
}

// measure asks each question some times, and prints the medians.
func measure(ctx context.Context, pool *pgxpool.Pool, o options) error {
	subject, err := choose(ctx, pool)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintf(table, "question\trows\tmedian\tfastest\tslowest\n")
	slow := 0
	for _, q := range questions(pool, subject, o) {
		if !strings.Contains(q.name, o.only) {
			continue
		}
		rows, took, err := o.times(ctx, q)
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		mark := ""
		if median := took[len(took)/2]; median > o.most {
			slow++
			mark = "\t*"
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s%s\n", q.name, rows, round(took[len(took)/2]), round(took[0]), round(took[len(took)-1]), mark)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if slow > 0 {
		return fmt.Errorf("%w: %d longer than %s", errSlow, slow, o.most)
	}
	return nil
}

func (o options) times(ctx context.Context, q question) (rows int, took []time.Duration, err error) {
	for range o.calls {
		began := time.Now()
		if rows, err = q.ask(ctx); err != nil {
			return 0, nil, err
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return rows, took, nil
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// subject is what is asked about.
type subject struct {
	account, item, mutation string // of a busy account
	batch                   uuid.UUID
	rare                    string // an account with few mutations
	code, attribute         string // the most frequent issue
}

func choose(ctx context.Context, pool *pgxpool.Pool) (s subject, err error) {
	s.account, s.rare = "shop-0007", "shop-0900"
	err = pool.QueryRow(ctx, `select m.item_id, m.mutation_id, m.batch_id from courier.mutation m join courier.lane l on l.id = m.lane
		where l.account = $1 and m.batch_id is not null limit 1`, s.account).Scan(&s.item, &s.mutation, &s.batch)
	if err != nil {
		return s, fmt.Errorf("looking for a mutation to ask about: %w", err)
	}
	err = pool.QueryRow(ctx, `select code, attribute from courier.item_counts where account = $1 and code <> '' order by items desc limit 1`, s.account).Scan(&s.code, &s.attribute)
	if err != nil {
		return s, fmt.Errorf("looking for an issue to ask about: %w", err)
	}
	return s, nil
}

func questions(pool *pgxpool.Pool, s subject, o options) []question {
	r := status.NewReader(pool, status.Config{})
	now := o.Now
	return []question{
		{"search an id, all accounts", func(ctx context.Context) (int, error) { return two(r.Search(ctx, s.item, 50, "")) }},
		{"search the beginning of an id", func(ctx context.Context) (int, error) { return two(r.Search(ctx, s.item[:7], 50, "")) }},
		{"search, a later page", func(ctx context.Context) (int, error) {
			_, next, err := r.Search(ctx, "SKU-1005", 1, "")
			if err != nil {
				return 0, err
			}
			return two(r.Search(ctx, "SKU-1005", 50, next))
		}},
		{"search what is not there", func(ctx context.Context) (int, error) { return two(r.Search(ctx, "nothing", 50, "")) }},
		{"issues of all accounts", func(ctx context.Context) (int, error) { return two(r.Issues(ctx, status.IssueFilter{}, 50)) }},
		{"issues of an account", func(ctx context.Context) (int, error) {
			return two(r.Issues(ctx, status.IssueFilter{Filter: status.Filter{Account: s.account}}, 50))
		}},
		{"items of an issue", func(ctx context.Context) (int, error) {
			return two(r.IssueItems(ctx, status.IssueFilter{Filter: status.Filter{Account: s.account}, Code: s.code, Attribute: &s.attribute}, 50, ""))
		}},
		{"failing items of all accounts", func(ctx context.Context) (int, error) { return two(r.IssueItems(ctx, status.IssueFilter{}, 50, "")) }},
		{"export of an account's issues", func(ctx context.Context) (int, error) {
			return 0, r.ExportIssues(ctx, status.IssueFilter{Filter: status.Filter{Account: s.account}}, io.Discard)
		}},
		{"items of a catalog", func(ctx context.Context) (int, error) { return two(r.Items(ctx, s.account, "main", "", 50, "")) }},
		{"items of a small catalog", func(ctx context.Context) (int, error) { return two(r.Items(ctx, s.rare, "main", "", 50, "")) }},
		{"failed items of a catalog", func(ctx context.Context) (int, error) {
			return two(r.Items(ctx, s.account, "main", status.Failed, 50, ""))
		}},
		{"waiting items of a catalog", func(ctx context.Context) (int, error) {
			return two(r.Items(ctx, s.account, "main", status.Waiting, 50, ""))
		}},
		{"counts of an account", func(ctx context.Context) (int, error) { _, err := r.Counts(ctx, s.account); return 1, err }},
		{"counts of all accounts", func(ctx context.Context) (int, error) { _, err := r.Counts(ctx, ""); return 1, err }},
		{"series of an account, a day", func(ctx context.Context) (int, error) {
			points, err := r.Series(ctx, s.account, now.Add(-24*time.Hour), now, persistence.SeriesStep)
			return len(points), err
		}},
		{"series of an account, 30 days", func(ctx context.Context) (int, error) {
			points, err := r.Series(ctx, s.account, now.AddDate(0, 0, -30), now, time.Hour)
			return len(points), err
		}},
		{"series of all accounts, a day", func(ctx context.Context) (int, error) {
			points, err := r.Series(ctx, "", now.Add(-24*time.Hour), now, persistence.SeriesStep)
			return len(points), err
		}},
		{"quotas of an account, a day", func(ctx context.Context) (int, error) {
			points, err := r.Quotas(ctx, s.account, now.Add(-24*time.Hour), now.Add(time.Hour), persistence.SeriesStep)
			return len(points), err
		}},
		{"lag of the index", func(ctx context.Context) (int, error) { _, err := r.IndexLag(ctx); return 1, err }},
		{"an item of one account", func(ctx context.Context) (int, error) {
			item, err := r.Item(ctx, s.item, status.Filter{Account: s.account})
			return len(item.Destinations), err
		}},
		{"an item of all accounts", func(ctx context.Context) (int, error) {
			item, err := r.Item(ctx, s.item, status.Filter{})
			return len(item.Destinations), err
		}},
		{"history of an item of one account", func(ctx context.Context) (int, error) {
			return two(r.Timeline(ctx, s.item, status.Filter{Account: s.account}, "", 50))
		}},
		{"history of an item of all accounts", func(ctx context.Context) (int, error) { return two(r.Timeline(ctx, s.item, status.Filter{}, "", 50)) }},
		{"a mutation", func(ctx context.Context) (int, error) {
			found, err := r.Mutation(ctx, s.mutation, s.account)
			return len(found), err
		}},
		{"a batch", func(ctx context.Context) (int, error) {
			_, attempts, err := r.Batch(ctx, s.batch)
			return len(attempts), err
		}},
		{"batches of all accounts", func(ctx context.Context) (int, error) { return two(r.Batches(ctx, status.BatchFilter{}, uuid.Nil, 50)) }},
		{"batches of an account", func(ctx context.Context) (int, error) {
			return two(r.Batches(ctx, status.BatchFilter{Filter: status.Filter{Account: s.account}}, uuid.Nil, 50))
		}},
		{"batches of a small account", func(ctx context.Context) (int, error) {
			return two(r.Batches(ctx, status.BatchFilter{Filter: status.Filter{Account: s.rare}}, uuid.Nil, 50))
		}},
		{"unfinished batches", func(ctx context.Context) (int, error) {
			return two(r.Batches(ctx, status.BatchFilter{Unfinished: true}, uuid.Nil, 50))
		}},
		{"all accounts", func(ctx context.Context) (int, error) { list, err := r.Accounts(ctx, ""); return len(list), err }},
		{"an account", func(ctx context.Context) (int, error) { list, err := r.Accounts(ctx, s.account); return len(list), err }},
		{"workers and partitions", func(ctx context.Context) (int, error) { _, list, err := r.Workers(ctx); return len(list), err }},
		{"dead letters", func(ctx context.Context) (int, error) {
			return counted(ctx, pool, "select count(*) from (select id from courier.dead_letters order by id desc limit 50) d")
		}},
		{"dead letters of a small account", func(ctx context.Context) (int, error) {
			return counted(ctx, pool, "select count(*) from (select id from courier.dead_letters where account = $1 order by id desc limit 50) d", s.rare)
		}},
		{"resolved ones among 1,000 letters", func(ctx context.Context) (int, error) {
			return counted(ctx, pool, "select count(*) from courier.resolved_letters r where r.id in (select id from courier.dead_letter order by id desc limit 1000)")
		}},
	}
}

// two is the length of a list that comes with its continuation.
func two[T, C any](list []T, _ C, err error) (int, error) { return len(list), err }

func counted(ctx context.Context, pool *pgxpool.Pool, statement string, arguments ...any) (rows int, err error) {
	err = pool.QueryRow(ctx, statement, arguments...).Scan(&rows)
	return rows, err
}
