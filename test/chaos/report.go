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
)

// shownViolations bounds what a report lists.
const shownViolations = 20

// tell writes the report to the terminal and, when wanted, to a file with a picture
// beside it.
func (t *trial) tell(ctx context.Context, h *history, j *judgement, drained time.Duration) error {
	again, err := t.sentAgain(ctx)
	if err != nil {
		return err
	}
	var text strings.Builder
	t.write(&text, h, j, drained, again)
	_, _ = fmt.Fprintf(t.out, "\n%s", text.String())
	if t.report == "" {
		return nil
	}
	picture := strings.TrimSuffix(t.report, filepath.Ext(t.report)) + ".svg"
	if err := os.WriteFile(picture, t.picture(h), 0o644); err != nil { //nolint:gosec // for everybody to read
		return err
	}
	page := text.String() + fmt.Sprintf("\n![throughput and faults over time](%s)\n", filepath.Base(picture)) + t.faultList()
	return os.WriteFile(t.report, []byte(page), 0o644) //nolint:gosec // for everybody to read
}

// sentAgain counts batches that were POSTed more than once, and the POSTs beyond
// their first.
func (t *trial) sentAgain(ctx context.Context) (again [2]int, err error) {
	err = t.database.pool.QueryRow(ctx,
		`SELECT count(*), coalesce(sum(attempts - 1), 0) FROM courier.batch_status WHERE attempts > 1`).Scan(&again[0], &again[1])
	return again, err
}

func (t *trial) write(out io.Writer, h *history, j *judgement, drained time.Duration, again [2]int) {
	say := func(format string, arguments ...any) { _, _ = fmt.Fprintf(out, format+"\n", arguments...) }
	say("# A chaos run\n")
	say("Seed %d, %s of faults, %d messages a second, %d workers and a guest. All was final %s after the last fault.\n",
		t.seed, t.duration, t.rate, len(regulars), max(drained, 0).Round(100*time.Millisecond))
	say("| fault | survived |\n|---|---:|")
	counts := map[string]int{}
	for _, s := range t.strikes {
		counts[s.kind]++
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		say("| %s | %d |", name, counts[name])
	}
	say("| all | %d |\n", len(t.strikes))
	t.writeFigures(say, h, j, again)
	say("\n**Violations: %d**", len(j.violations))
	for _, v := range j.violations[:min(len(j.violations), shownViolations)] {
		say("* %s", v)
	}
}

func (t *trial) writeFigures(say func(string, ...any), h *history, j *judgement, again [2]int) {
	say("| figure | |\n|---|---:|")
	say("| messages acknowledged | %d |", len(h.acks))
	say("| the same message published again | %d |", t.producer.repeated)
	say("| longest wait of the producer | %s |", t.producer.longest.Round(time.Millisecond))
	say("| mutations with a row | %d |", len(h.rows))
	for _, status := range slices.Sorted(maps.Keys(j.statuses)) {
		say("| %s | %d |", status, j.statuses[status])
	}
	say("| gone with an older copy of the stream, never recorded | %d |", j.unrecorded)
	say("| failed when applied again after an older copy of Postgres | %d |", j.replayed)
	say("| refused by a platform for no reason | %d |", j.blamed)
	c := t.total()
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
	say("| partitions even after a worker joined, at most | %s |", longest(t.spreads))
	say("| partitions handed over when it left, at most | %s |", longest(t.handOvers))
}

// total adds up what all platforms saw.
func (t *trial) total() (sum sandbox.Counters) {
	for _, s := range t.platforms.sites {
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
	for _, r := range h.rows {
		if !final[r.status] || r.finishedAt.IsZero() {
			continue
		}
		all = append(all, r.latency())
		if strings.HasPrefix(r.lane.Account, "quiet-") && h.calm.holds(r.publishedAt) {
			quiet = append(quiet, r.latency())
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
func (t *trial) faultList() string {
	var text strings.Builder
	text.WriteString("\n| # | at | lasted | fault | |\n|---:|---:|---:|---|---|\n")
	for i, s := range t.inOrder() {
		_, _ = fmt.Fprintf(&text, "| %d | %.1f s | %.1f s | %s | %s |\n",
			i+1, s.began.Sub(t.began).Seconds(), s.ended.Sub(s.began).Seconds(), s.kind, s.detail)
	}
	return text.String()
}

func (t *trial) inOrder() []strike {
	return slices.SortedFunc(slices.Values(t.strikes), func(a, b strike) int {
		return cmp.Or(a.began.Compare(b.began), cmp.Compare(a.kind, b.kind))
	})
}
