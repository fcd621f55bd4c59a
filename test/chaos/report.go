package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/test/oracle"
)

// shownViolations bounds what a report lists.
const shownViolations = 20

// writeReport writes the report to the terminal and, when wanted, to a file with a picture
// beside it.
func (r *run) writeReport(ctx context.Context, h *history, v *oracle.Verdict, drained time.Duration) error {
	again, err := r.sentAgain(ctx)
	if err != nil {
		return err
	}
	var text strings.Builder
	r.write(&text, h, v, drained, again)
	_, _ = fmt.Fprintf(r.out, "\n%s", text.String())
	if r.report == "" {
		return nil
	}
	picture := strings.TrimSuffix(r.report, filepath.Ext(r.report)) + ".svg"
	if err := os.WriteFile(picture, r.picture(h), 0o644); err != nil { //nolint:gosec // for everybody to read
		return err
	}
	page := text.String() + fmt.Sprintf("\n![throughput and faults over time](%s)\n", filepath.Base(picture)) + r.faultList()
	return os.WriteFile(r.report, []byte(page), 0o644) //nolint:gosec // for everybody to read
}

// sentAgain counts batches that were POSTed more than once, and the POSTs beyond
// their first.
func (r *run) sentAgain(ctx context.Context) (again [2]int, err error) {
	err = r.database.pool.QueryRow(ctx,
		`SELECT count(*), coalesce(sum(attempts - 1), 0) FROM courier.batch_status WHERE attempts > 1`).Scan(&again[0], &again[1])
	return again, err
}

func (r *run) write(out io.Writer, h *history, v *oracle.Verdict, drained time.Duration, again [2]int) {
	say := func(format string, arguments ...any) { _, _ = fmt.Fprintf(out, format+"\n", arguments...) }
	say("# A chaos run\n")
	say("Seed %d, %s of faults, %d messages a second, %d workers and a guest. All was final %s after the last fault.\n",
		r.seed, r.duration, r.rate, len(regulars), max(drained, 0).Round(100*time.Millisecond))
	say("| fault | survived |\n|---|---:|")
	counts := map[string]int{}
	for _, s := range r.faults {
		counts[s.kind]++
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		say("| %s | %d |", name, counts[name])
	}
	say("| all | %d |\n", len(r.faults))
	r.writeFigures(say, h, v, again)
	say("\n**Violations: %d**", len(v.Violations))
	for _, violation := range v.Violations[:min(len(v.Violations), shownViolations)] {
		say("* %s", violation)
	}
}

func (r *run) writeFigures(say func(string, ...any), h *history, v *oracle.Verdict, again [2]int) {
	say("| figure | |\n|---|---:|")
	say("| messages acknowledged | %d |", len(h.acks))
	say("| the same message published again | %d |", r.producer.repeated)
	say("| longest wait of the producer | %s |", r.producer.longest.Round(time.Millisecond))
	say("| mutations with a row | %d |", len(h.rows))
	for _, status := range slices.Sorted(maps.Keys(v.Statuses)) {
		say("| %s | %d |", status, v.Statuses[status])
	}
	say("| gone with an older copy of the stream, never recorded | %d |", v.Unrecorded)
	say("| failed when applied again after an older copy of Postgres | %d |", v.Replayed)
	say("| refused by a platform for no reason | %d |", v.Doubtful)
	c := r.total()
	say("| batches POSTed | %d |", c.Posts)
	say("| of them taken by a platform | %d |", c.Accepted)
	say("| taken although the POST was never answered | %d |", c.Late)
	say("| records taken | %d |", c.Records)
	say("| of them duplicates of the one before | %d |", c.Repeats)
	say("| batches sent more than once | %d |", again[0])
	say("| POSTs beyond their first | %d |", again[1])
	all, quiet := latencies(h)
	for _, group := range []struct {
		name  string
		times []time.Duration
	}{{"from publishing to final", all}, {"the same, accounts without trouble of their own", quiet}} {
		say("| %s: p50 | %s |", group.name, quantile(group.times, 0.5))
		say("| %s: p99 | %s |", group.name, quantile(group.times, 0.99))
		say("| %s: most | %s |", group.name, quantile(group.times, 1))
	}
	say("| partitions even after a worker joined, at most | %s |", longest(r.spreads))
	say("| partitions handed over when it left, at most | %s |", longest(r.handOvers))
}

// total adds up what all platforms saw.
func (r *run) total() (sum sandbox.Counters) {
	for _, s := range r.platforms.sites {
		c := s.Counters()
		sum.Posts += c.Posts
		sum.Accepted += c.Accepted
		sum.Late += c.Late
		sum.Records += c.Records
		sum.Repeats += c.Repeats
	}
	return sum
}

// latencies from publishing to final, sorted: of all, and of those published in
// the calm time by accounts whose platforms are well.
func latencies(h *history) (all, quiet []time.Duration) {
	for _, row := range h.rows {
		if !oracle.Final(row.Status) || row.FinishedAt.IsZero() {
			continue
		}
		all = append(all, row.Latency())
		if strings.HasPrefix(row.Lane.Account, "quiet-") && h.calm.holds(row.PublishedAt) {
			quiet = append(quiet, row.Latency())
		}
	}
	slices.Sort(all)
	slices.Sort(quiet)
	return all, quiet
}

// quantile is the one of sorted times, as text.
func quantile(sorted []time.Duration, q float64) string {
	if len(sorted) == 0 {
		return "none"
	}
	at := min(int(q*float64(len(sorted))), len(sorted)-1)
	return fmt.Sprintf("%.2f s", sorted[at].Seconds())
}

func longest(times []time.Duration) string {
	if len(times) == 0 {
		return "not tried"
	}
	return fmt.Sprintf("%.2f s of %d", slices.Max(times).Seconds(), len(times))
}

// faultList is every fault with its number in the picture.
func (r *run) faultList() string {
	var text strings.Builder
	text.WriteString("\n| # | at | lasted | fault | |\n|---:|---:|---:|---|---|\n")
	for i, s := range r.inOrder() {
		_, _ = fmt.Fprintf(&text, "| %d | %.1f s | %.1f s | %s | %s |\n",
			i+1, s.began.Sub(r.began).Seconds(), s.ended.Sub(s.began).Seconds(), s.kind, s.detail)
	}
	return text.String()
}

func (r *run) inOrder() []fault {
	return slices.SortedFunc(slices.Values(r.faults), func(a, b fault) int {
		return cmp.Or(a.began.Compare(b.began), cmp.Compare(a.kind, b.kind))
	})
}
