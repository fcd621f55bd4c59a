package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/queue"
)

// variant is a worker that is broken on purpose, where it meets the world. The zero
// value is whole.
type variant struct {
	name string
	// commit stands in for the store's.
	commit func(ctx context.Context, p *process, lease ledger.Lease, tx *ledger.Transaction) error
	// take comes before the lease table's.
	take func(ctx context.Context, p *process, partition int) error
	// unguarded connections write whatever the lease says.
	unguarded bool
	// blind takes any stream for the one that a position was recorded of.
	blind bool
	// numbers compares the mirror by how many commits there were.
	numbers bool
	// anyStream takes any stream for the recorded one.
	anyStream bool
	// settle is how long newer changes wait for an ambiguous copy, when not 0.
	settle time.Duration
}

func (v variant) settleOf(ordinary time.Duration) time.Duration {
	if v.settle > 0 {
		return v.settle
	}
	return ordinary
}

// variants are broken by wrappers around what workers stand on.
var variants = []variant{
	{name: "position moved before commit", commit: positionFirst},
	{name: "no fence", commit: withoutFence},
	{name: "fence checked first", commit: fenceFirst, take: waitForFence},
	{name: "no write guard", unguarded: true},
	{name: "position anchor not compared", blind: true},
	{name: "any stream is taken", anyStream: true},
	{name: "no settle", settle: time.Nanosecond},
	{name: "lost tail compared by number, and forgotten by the second owner", numbers: true},
}

// positionFirst moves the position in a transaction of its own, before that of the
// rows.
func positionFirst(ctx context.Context, p *process, lease ledger.Lease, tx *ledger.Transaction) error {
	own := &storeOf{p}
	if tx.Anchor == nil {
		return own.commit(ctx, lease, tx)
	}
	moved := &ledger.Transaction{ID: uuid.NewSHA1(tx.ID, []byte("position")), Partition: tx.Partition, Anchor: tx.Anchor}
	if p.w.first(moved.ID) {
		if err := own.commit(ctx, lease, moved); err != nil {
			p.w.forget(moved.ID)
			return err
		}
	}
	rows := *tx
	rows.Anchor = nil
	return own.commit(ctx, lease, &rows)
}

// withoutFence writes under whatever lease the partition has by then.
func withoutFence(ctx context.Context, p *process, lease ledger.Lease, tx *ledger.Transaction) error {
	return do(ctx, p, "Commit", describe(tx), func() error {
		return p.store.Commit(ctx, p.store.Owner(lease.Partition), tx)
	})
}

// fenceFirst locks the lease's row, and writes only then: whoever is frozen in
// between keeps the row locked.
func fenceFirst(ctx context.Context, p *process, lease ledger.Lease, tx *ledger.Transaction) error {
	if err := waitForFence(ctx, p, lease.Partition); err != nil {
		return err
	}
	p.w.lock(lease.Partition, true)
	defer p.w.lock(lease.Partition, false)
	return (&storeOf{p}).commit(ctx, lease, tx)
}

// waitForFence waits for a row that another transaction has locked.
func waitForFence(ctx context.Context, p *process, partition int) error {
	for p.w.locked(partition) {
		if err := p.pass(ctx, "wait", number(partition), before); err != nil {
			return err
		}
	}
	return nil
}

// blindLog says of the messages that are compared what was recorded of them.
type blindLog struct {
	queueOf
	config queue.ReaderConfig
}

func (b *blindLog) At(ctx context.Context, sequence uint64) (ledger.Anchor, bool, error) {
	for _, recorded := range []ledger.Anchor{b.config.From, b.config.SkippedLast} {
		if recorded.Position.Sequence == sequence {
			return recorded, true, nil
		}
	}
	return b.queueOf.At(ctx, sequence)
}

// edit is a fault in the source: what it says instead of what it should.
type edit struct {
	name     string
	file     string
	old, new string
}

// edits break the workers from inside. They are compiled with an overlay: nothing in
// the program knows of them.
var edits = []edit{
	{
		"two in flight", "batcher/place.go", "	case it.inFlight != nil:\n", "	case false:\n",
	},
	{
		"success on HTTP 200", "delivery/posted.go",
		"		e.startPolling(f, f.attempt, submission.Handles, now)\n",
		"		f.posts[len(f.posts)-1].notes = make([]platform.Verdict, len(f.batch.Records))\n" +
			"		for i := range f.batch.Records {\n			f.posts[len(f.posts)-1].notes[i].Outcome = platform.Succeeded\n		}\n" +
			"		for _, name := range submission.Handles {\n			f.handles = append(f.handles, &handle{name: name, attempt: f.attempt, final: true,\n" +
			"				verdicts: f.posts[len(f.posts)-1].notes})\n		}\n		e.endFollowing(f, now)\n",
	},
	{
		"stale retry", "batcher/batcher.go",
		"	for _, m := range returned {\n		b.appendMerged(it, l.single(m))\n	}\n	for i := range newer {\n		b.appendMerged(it, newer[i])\n	}\n",
		"	for i := range newer {\n		b.appendMerged(it, newer[i])\n	}\n	for _, m := range returned {\n		b.appendMerged(it, l.single(m))\n	}\n",
	},
	{
		"delete dropped after re-creation", "catalog/merge.go",
		"	switch newer.Operation {\n	case Delete:\n",
		"	if older.Operation == Delete && (newer.Operation == Upsert || newer.Operation == Create) {\n		return newer, true\n	}\n" +
			"	switch newer.Operation {\n	case Delete:\n",
	},
	{
		"spill overtaken", "batcher/batcher.go",
		"	if l.spilled {\n		l.buffer = append(l.buffer, m)\n		b.charge(l, 1, added.cost())\n		return nil\n	}\n", "",
	},
	{
		"spilled lane read back before it is written", "delivery/spill.go",
		`e.cfg.Budget.waitingFull() || len(e.memory.leaving) > 0 || len(e.batcher.SpilledLanes()) == 0 {
		return
	}
	loading := 0
	for _, stats := range e.batcher.LaneStats() {
		l := e.lanes.byKey[stats.Lane]
		if l != nil && l.loading {
			loading++
		}
		if loading >= maxLoading {
			return
		}
		if !stats.Spilled || l == nil || l.loading || e.reading.mayMissFamily(l) || stats.Waiting >= 2*l.limits.MaxItems ||
			now.Sub(l.spilled) < spillRest || `, `e.cfg.Budget.waitingFull() || len(e.batcher.SpilledLanes()) == 0 {
		return
	}
	loading := 0
	for _, stats := range e.batcher.LaneStats() {
		l := e.lanes.byKey[stats.Lane]
		if l != nil && l.loading {
			loading++
		}
		if loading >= maxLoading {
			return
		}
		if !stats.Spilled || l == nil || l.loading || e.reading.mayMissFamily(l) || stats.Waiting >= 2*l.limits.MaxItems ||
			`,
	},
	{
		"an answer without handles is thrown away whole", "platform/meta/submit.go",
		"	case read.nothing:\n		return platform.Submission{}, notIngested(call, answer, found, len(records), told)\n",
		"	case read.nothing:\n		return platform.Submission{}, answer.Unreadable(call, \"the answer has no handles\")\n",
	},
	{
		"merged record refused as a whole", "delivery/judge.go",
		"	if len(record.Constituents) > 1 {\n		for _, m := range record.Constituents {\n			m.NoMerge, m.Attempts = true, 0\n",
		"	if len(record.Constituents) > 1_000_000 {\n		for _, m := range record.Constituents {\n			m.NoMerge, m.Attempts = true, 0\n",
	},
	{
		"versions written before their mutations", "delivery/versions.go",
		"	e.versions.carried[m.Position] = &carriedVersion{version: set}\n	e.versions.pin(key)\n",
		"	set.Position = catalog.Position{}\n	e.jobs.next.tx.Versions = append(e.jobs.next.tx.Versions, set)\n",
	},
	{
		"overtaken written before what overtakes it", "delivery/versions.go",
		"	if carried := e.versions.carried[by.position]; carried != nil && m.RecordedOn.IsZero() {\n",
		"	if carried := e.versions.carried[by.position]; carried != nil && false {\n",
	},
	{
		"told pause not saved", "quota/pause.go",
		"	if len(blocks) == 0 {\n", "	if len(blocks) >= 0 {\n",
	},
	{
		"told pause not read at take-over", "quota/sync.go",
		"	if scope.loaded && !scope.readAt.Before(since) {\n", "	if scope.loaded {\n",
	},
	{
		"merged record in doubt never parted", "delivery/judge.go",
		"	if len(record.Constituents) > 1 && (f.refusal == nil || !f.refusal.Ambiguous) {\n",
		"	if len(record.Constituents) > 1_000_000 && (f.refusal == nil || !f.refusal.Ambiguous) {\n",
	},
	{
		"an unlisted refusal fails a single record at once", "delivery/judge.go",
		"	case !f.refusal.Ambiguous && !f.ofRecord(i) && !f.partsInDoubt(i):\n", "	case false:\n",
	},
	{
		"a pack's position counted as one mutation", "delivery/position.go",
		"		read := t.read[last]\n",
		"		if t.read[last].more = false; true {\n			return\n		}\n		read := t.read[last]\n",
	},
	{
		"a pack half recorded and trimmed", "delivery/position.go",
		"		if !live[i].more {\n			popped = i + 1\n", "		if true {\n			popped = i + 1\n",
	},
	{
		"a pack half recorded is read from its beginning", "internal/ledger/ranges.go",
		"	return r.First <= p.Sequence && (r.First != p.Sequence || r.FirstLine <= max(p.Line, 1)) && !r.Behind(p)\n",
		"	return r.First <= p.Sequence && r.FirstLine <= 1 && r.LastLine == 0 && !r.Behind(p)\n",
	},
	{
		"a bad line takes its pack along", "delivery/intake.go",
		"		if arrivals[n].Problem == nil {\n			arrivals[n].Problem = i.resolver.check(ctx, arrivals[n].Mutation)\n",
		"		if n > 0 && arrivals[n-1].More {\n			arrivals[n].Problem = arrivals[n-1].Problem\n		}\n" +
			"		if arrivals[n].Problem == nil {\n			arrivals[n].Problem = i.resolver.check(ctx, arrivals[n].Mutation)\n",
	},
	{
		"a reload drops its partitions", "service/partition.go",
		"		log.InfoContext(ctx, \"the partition goes on with the new configuration of its accounts\")\n		return resumeAtOnce\n",
		"		<-ctx.Done()\n		return over\n",
	},
	{
		"a reload forgets open batches", "service/partition.go",
		"	accounts := &accounts{\n",
		"	if serving.affected[partition] {\n		resumption.Open = nil\n	}\n	accounts := &accounts{\n",
	},
	{
		"breaker shared by all accounts", "quota/scopes.go",
		"	found, ok := s.limiters[account]\n", "	account = \"\"\n	found, ok := s.limiters[account]\n",
	},
}

// enough is how many histories a broken worker may live through unnoticed.
const enough = 3000

// TestBrokenVariantsAreCaught: every check can fail.
func TestBrokenVariantsAreCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	for _, broken := range variants {
		t.Run(broken.name, func(t *testing.T) {
			found := many(t, 1, enough, broken, true)
			require.NotEmpty(t, found, "nobody noticed in %d histories", enough)
			require.Empty(t, tell(t, found[0].seed, variant{}, &journal{}), "it is not the worker's fault: a whole one is caught too")
			t.Logf("caught after %d histories: %.300s", found[0].seed, found[0].found[0])
		})
	}
}

// TestBrokenSourcesAreCaught compiles each edit and lets it live through histories.
func TestBrokenSourcesAreCaught(t *testing.T) {
	if !*compile {
		t.Skip("compiles the workers again for each variant: -args -compile")
	}
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	for _, broken := range edits {
		t.Run(broken.name, func(t *testing.T) {
			binary := broken.compile(t, root)
			out, err := exec.CommandContext(t.Context(), binary, "-test.run=^TestHistories$", "-histories", number(enough), "-stop").CombinedOutput()
			require.Error(t, err, "nobody noticed in %d histories:\n%s", enough, out)
			line, _, _ := strings.Cut(string(out[max(0, strings.Index(string(out), "seed ")):]), "\n")
			require.Contains(t, line, "seed ", "%s", out)
			var seed uint64
			_, err = fmt.Sscanf(line, "seed %d:", &seed)
			require.NoError(t, err)
			require.Empty(t, tell(t, seed, variant{}, &journal{}), "it is not the worker's fault: a whole one is caught too")
			t.Logf("caught: %.300s", line)
		})
	}
}

// compile makes a test binary with the fault in it.
func (e *edit) compile(t *testing.T, root string) (binary string) {
	t.Helper()
	source := filepath.Join(root, e.file)
	text, err := os.ReadFile(source)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(text), e.old), "%s does not say it once:\n%s", e.file, e.old)
	folder := t.TempDir()
	edited, overlay := filepath.Join(folder, "edited.go"), filepath.Join(folder, "overlay.json")
	require.NoError(t, os.WriteFile(edited, []byte(strings.Replace(string(text), e.old, e.new, 1)), 0o600))
	described, err := json.Marshal(map[string]map[string]string{"Replace": {source: edited}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(overlay, described, 0o600))
	binary = filepath.Join(folder, "broken.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", binary, "./test/simulation")
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return binary
}
