package service_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// upsertLine is a line of a pack.
func upsertLine(t *testing.T, item, mark string) string {
	t.Helper()
	attributes, err := json.Marshal(rig.Whole("RETAIL", mark))
	require.NoError(t, err)
	return `{"item_id":"` + item + `","operation":"UPSERT","attributes":` + string(attributes) + `}`
}

// publishPack publishes the lines as one message, compressed.
func publishPack(env *rig.Env, lane catalog.Lane, id string, lines ...string) uint64 {
	subject := "catalog.mutations." + lane.Account + "." + lane.Catalog + "." + string(lane.Type)
	return env.PublishRaw(subject, string(message.CompressPack([]byte(strings.Join(lines, "\n")))), packOf(id))
}

// TestEraseReachesPacksThatCannotBeRead: their bytes are compressed, and no search for the id
// finds it in them.
func TestEraseReachesPacksThatCannotBeRead(t *testing.T) {
	t.Parallel()
	const secret, other = "person-4711", "neighbour-1"
	env := rig.Start(t, rig.Options{})
	env.StartWorker("a", rig.WorkerOptions{})
	subject := "catalog.mutations.acme-pinterest.us.RETAIL"
	tooMany := func(item string) string {
		line := `{"item_id":"` + item + `","operation":"DELETE"}` + "\n"
		return string(message.CompressPack([]byte(line + strings.Repeat("{}\n", message.MaxPackLines))))
	}
	var long strings.Builder // of several blocks of zstd
	fmt.Fprintf(&long, `{"item_id":%q,"operation":"DELETE"}`+"\n", secret)
	for i := range 40_000 {
		fmt.Fprintf(&long, `{"item_id":"x-%d","operation":"DELETE"}`+"\n", i*7919)
	}
	half := message.CompressPack([]byte(long.String()))
	env.PublishRaw(subject, tooMany(secret), packOf("too-many"))
	env.PublishRaw(subject, string(half[:len(half)-100]), packOf("cut-off"))
	env.PublishRaw(subject, tooMany(other), packOf("of-another"))
	env.AwaitFinal(3, patience)
	require.Equal(t, 3, env.Count(`SELECT count(*) FROM courier.dead_letters WHERE reason_code = 'bad_pack'`))

	erased, err := env.Store.EraseItem(t.Context(), rig.PinterestAccount, secret, false)
	require.NoError(t, err)
	require.Contains(t, erased, persistence.Erased{What: "dead letters deleted", Rows: 2})
	letters, err := env.Store.DeadLetters(t.Context(), persistence.DeadLetterFilter{})
	require.NoError(t, err)
	require.Len(t, letters, 1)
	require.Equal(t, "of-another", letters[0].MutationID)
	require.Equal(t, tooMany(other), string(letters[0].Message.Data))
}

// TestKilledInTheMiddleOfAPack: bad lines are recorded as they come, good ones with their
// batches, so that what is recorded of a pack has many holes. Each line has one row in the end.
func TestKilledInTheMiddleOfAPack(t *testing.T) {
	t.Parallel()
	const lines = 2400
	env := rig.Start(t, rig.Options{Listen: true, Settings: rig.Settings{
		"defaults.batch.max_items": 100, "defaults.concurrency": 2, "worker.record_within": "10s",
	}})
	text := make([]string, lines)
	for i := range text {
		switch {
		case i%3 == 1:
			text[i] = `{"item_id":`
		case i%7 == 0:
			text[i] = upsertLine(t, "twice", fmt.Sprint("state-", i))
		default:
			text[i] = upsertLine(t, fmt.Sprint("item-", i), "first")
		}
	}
	sequence := publishPack(env, rig.Retail, "pack", text...)
	env.Publish(upserts(rig.Retail, "item-0", 40)...)
	for range 3 {
		arrived, goOn := env.PinterestInterceptor.HoldNextPost()
		worker := env.StartProcess("a", nil)
		select {
		case <-arrived:
		case <-time.After(patience):
			t.Fatal("no POST")
		}
		worker.Kill()
		goOn()
		rows := env.Count(`SELECT count(*) FROM courier.mutation_status WHERE stream_sequence = $1`, int64(sequence))
		require.Greater(t, rows, lines/3, "bad lines are recorded, and some good ones")
		require.Less(t, rows, lines)
	}
	env.StartProcess("a", nil)
	env.AwaitFinal(lines+40, 2*patience)
	require.Equal(t, lines, env.Count(`SELECT count(DISTINCT stream_line) FROM courier.mutation_status WHERE stream_sequence = $1`, int64(sequence)))
	require.Equal(t, lines/3, env.Count(`SELECT count(*) FROM courier.dead_letters WHERE stream_sequence = $1`, int64(sequence)))
	env.CheckInvariants()
}

// TestOrderWithinPacksAndOverThem: changes of a few items, localized and not, in packs and in
// messages of their own between them.
func TestOrderWithinPacksAndOverThem(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	localized := catalog.Lane{Account: rig.MetaAccount, Catalog: "localized", Type: "PRODUCT_ITEM"}
	rules := []sandbox.ItemRule{{Contains: "SKU-3", Action: sandbox.RefuseItem}}
	env := rig.Start(t, rig.Options{Meta: sandbox.Options{Seed: seed, Rules: rules, Delay: 10 * time.Millisecond}, Settings: rig.Settings{
		"accounts." + rig.MetaAccount + ".catalogs.localized": map[string]any{"catalog_id": "1001", "endpoint": "localized_items_batch"},
	}})
	change := func(lane catalog.Lane) string {
		item, mark := fmt.Sprint("SKU-", random.IntN(5)), fmt.Sprint("m", random.IntN(1_000_000))
		if lane == localized {
			return `{"item_id":"` + item + `","operation":"UPSERT","localization":{"type":"LANGUAGE","value":"` + []string{"pl_PL", "fr_FR"}[random.IntN(2)] + `"},"attributes":{"title":"` + mark + `"}}`
		}
		attributes, err := json.Marshal(rig.Whole(lane.Type, mark))
		require.NoError(t, err)
		switch random.IntN(6) {
		case 0:
			return `{"item_id":"` + item + `","operation":"DELETE"}`
		case 1:
			return `{"item_id":"` + item + `","operation":"UPDATE","attributes":{"title":"` + mark + `"}}`
		case 2:
			return `{"item_id":"` + item + `","operation":"BEND"}`
		default:
			return `{"item_id":"` + item + `","operation":"UPSERT","attributes":` + string(attributes) + `}`
		}
	}
	published := 0
	publishSome := func(lane catalog.Lane) {
		subject := "catalog.mutations." + lane.Account + "." + lane.Catalog + "." + string(lane.Type)
		n := 1
		if random.IntN(2) == 0 {
			n = 1 + random.IntN(30)
			lines := make([]string, n)
			for i := range lines {
				lines[i] = change(lane)
			}
			publishPack(env, lane, fmt.Sprint("pack-", published), lines...)
		} else {
			env.PublishRaw(subject, change(lane), nats.Header{"Nats-Msg-Id": {fmt.Sprint("plain-", published)}})
		}
		published += n
	}
	lanes := []catalog.Lane{rig.Products, rig.Products, localized}
	for range 20 {
		publishSome(lanes[random.IntN(3)])
	}
	first := env.StartWorker("a", rig.WorkerOptions{})
	for i := range 40 {
		publishSome(lanes[random.IntN(3)])
		if i == 20 {
			env.StartWorker("b", rig.WorkerOptions{})
			require.NoError(t, first.Stop())
		}
	}
	env.AwaitFinal(published, patience)
	env.CheckInvariants()
}

// TestWorstLines: what no database and no platform likes, each among good neighbours.
func TestWorstLines(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	env.StartWorker("a", rig.WorkerOptions{})
	pad := func(size int) string {
		line := upsertLine(t, "large", "x")
		return line[:len(line)-1] + strings.Repeat(" ", size-len(line)) + "}"
	}
	lines := []string{
		upsertLine(t, "good-1", "x"),
		`{"item_id":"a\u0000b","operation":"DELETE"}`,
		`{"id":"i\u0000d","item_id":"a","operation":"DELETE"}`,
		"{\"item_id\":\"a\x00b\",\"operation\":\"DELETE\"}",
		`{"item_id":"\ud800","operation":"DELETE"}`,
		"\ufeff" + upsertLine(t, "mark", "x"),
		upsertLine(t, "good-2", "x") + "\r" + upsertLine(t, "good-3", "x"),
		`[` + upsertLine(t, "nested-1", "x") + `,` + upsertLine(t, "nested-2", "x") + `]`,
		`null`, `"x"`, `1`, `{}`, `{"id":"","item_id":"e","operation":"DELETE"}`,
		`{"id":"same","item_id":"same","operation":"DELETE"}`,
		upsertLine(t, "good-4\u2028", "x"),
		strings.Replace(upsertLine(t, "same", "x"), "{", `{"id":"same",`, 1),
		strings.Repeat(`[`, 100_000),
		`{"item_id":"` + strings.Repeat("x", 513) + `","operation":"DELETE"}`,
		`{"item_id":"v","operation":"DELETE","version":99999999999999999999}`,
		pad(message.MaxBody), pad(message.MaxBody + 1),
		upsertLine(t, "good-5", "x"),
	}
	publishPack(env, rig.Retail, "worst", lines...)
	publishPack(env, catalog.Lane{Account: "nobody", Catalog: "us", Type: "RETAIL"}, "unknown", upsertLine(t, "u-1", "x"), `{`, upsertLine(t, "u-2", "x"))
	publishPack(env, rig.Retail, strings.Repeat("i", 251), upsertLine(t, "l-1", "x"), strings.Replace(upsertLine(t, "l-2", "x"), "{", `{"id":"l-2",`, 1))
	env.AwaitFinal(len(lines)+3+2, patience)
	for _, id := range []string{"worst/1", "worst/20", "worst/22", "worst/15", "same", "l-2"} {
		require.Equal(t, "succeeded", env.StatusOf(id).Status, id)
	}
	env.CheckInvariants()
}

// TestTheNewestLineOfAnItemCounts: bad lines are recorded before the good ones of their pack,
// and the order of the lines counts all the same, in the status of an item and for a replay.
func TestTheNewestLineOfAnItemCounts(t *testing.T) {
	t.Parallel()
	rules := []sandbox.ItemRule{{Contains: "refused", Action: sandbox.RefuseItem, Message: "The price is far too low."}}
	env := rig.Start(t, rig.Options{Pinterest: sandbox.Options{Rules: rules, Delay: 300 * time.Millisecond}})
	env.StartWorker("a", rig.WorkerOptions{})
	bad := func(item string) string { return `{"item_id":"` + item + `","operation":"BEND"}` }
	publishPack(env, rig.Retail, "pack",
		upsertLine(t, "then-bad", "x"), bad("first-bad"), bad("refused-1"), bad("then-bad"), upsertLine(t, "first-bad", "x"), upsertLine(t, "refused-1", "x"))
	env.AwaitFinal(6, patience)
	env.Await("the index has all", patience, func() bool {
		return env.Count(`SELECT transactions_behind + filling::int FROM courier.item_index_status`) == 0
	})
	for item, want := range map[string]string{"then-bad": "invalid", "first-bad": "succeeded", "refused-1": "failed"} {
		for _, query := range []string{
			`SELECT count(*) FROM courier.item_status WHERE account = $1 AND item_id = $2 AND status::text = $3`,
			`SELECT count(*) FROM courier.items($1, 'us') WHERE item_id = $2 AND status::text = $3`,
			`SELECT count(*) FROM courier.item($1, 'us', $2) WHERE status::text = $3`,
		} {
			require.Equal(t, 1, env.Count(query, rig.PinterestAccount, item, want), "%s: %s", item, query)
		}
	}
	// Lists show that a letter is resolved as soon as the index has it; it is noted later.
	letters, _, err := env.Store.NewestDeadLetters(t.Context(), persistence.DeadLetterFilter{States: persistence.LetterStates()}, 0)
	require.NoError(t, err)
	ids, states := make([]int64, 0, len(letters)), map[string]persistence.LetterState{}
	for _, letter := range letters {
		ids = append(ids, letter.ID)
		states[letter.MutationID] = letter.State
	}
	require.Equal(t, map[string]persistence.LetterState{
		"pack/2": persistence.LetterResolved, "pack/3": persistence.LetterOpen, "pack/4": persistence.LetterOpen, "pack/6": persistence.LetterOpen,
	}, states)
	newer, err := env.Store.NewerChanges(t.Context(), ids)
	require.NoError(t, err)
	for _, letter := range letters {
		require.Equal(t, letter.MutationID == "pack/2", newer[letter.ID], letter.MutationID)
	}
	env.CheckInvariants()
}

// TestTwoPublishersWithTheSameChanges: with the same packs each change has one row, and with
// others one for each message that has it; the platform ends as if all were applied.
func TestTwoPublishersWithTheSameChanges(t *testing.T) {
	t.Parallel()
	const count = 1100
	env := rig.Start(t, rig.Options{})
	changes := upserts(rig.Retail, "same", count)
	publications := make([]publish.Publication, count)
	for i, change := range changes {
		change.ID = fmt.Sprint("change-", i)
		var err error
		publications[i], err = change.Publication()
		require.NoError(t, err)
	}
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			results, err := publish.NewPublisher(env.JetStream(), publish.Options{}).Publish(t.Context(), publications)
			if assert.NoError(t, err) {
				assert.Zero(t, publish.Summarize(results).Refused)
				assert.Equal(t, 1, results[500].Line)
			}
		})
	}
	all.Wait()
	for range 2 {
		results, err := publish.NewPublisher(env.JetStream(), publish.Options{PackLines: 1}).Publish(t.Context(), publications)
		require.NoError(t, err)
		require.Zero(t, publish.Summarize(results).Refused)
	}
	env.StartWorker("a", rig.WorkerOptions{})
	env.AwaitFinal(2*count, patience)
	require.Equal(t, count, env.Count(`SELECT count(DISTINCT mutation_id) FROM courier.mutation_status`))
	require.Equal(t, count, env.Count(`SELECT count(*) FROM courier.mutation_status WHERE stream_line > 0`))
	env.CheckInvariants()
}

// TestAPackRecordedBehindAWaitingChange: it is recorded in ranges above the position, the next
// owner passes over it, and the position follows when the message before it is recorded.
func TestAPackRecordedBehindAWaitingChange(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{Listen: true, Settings: rig.Settings{
		"nats.partitions": 1, "accounts." + rig.MetaAccount + ".concurrency": 1,
		"worker.record_within": "10s", // a change that waits is in memory for so long
	}})
	// While the first POST of the account is held, what comes next waits.
	hold := func(name, item string) (kill func()) {
		arrived, goOn := env.MetaInterceptor.HoldNextPost()
		t.Cleanup(goOn)
		env.Publish(rig.Mutation(rig.Products, item, catalog.Upsert, rig.Whole(rig.Products.Type, item)))
		worker := env.StartProcess(name, nil)
		select {
		case <-arrived:
		case <-time.After(patience):
			t.Fatal("no POST")
		}
		env.Publish(rig.Mutation(rig.Products, item+"-waits", catalog.Upsert, rig.Whole(rig.Products.Type, item)))
		return func() {
			t.Logf("killed at position %d, with %d ranges above it", env.Count(`SELECT sequence FROM courier.lease`), env.Count(`SELECT count(*) FROM courier.recorded`))
			worker.Kill()
			goOn()
		}
	}
	kill := hold("a", "m-1")
	publishPack(env, rig.Retail, "first", upsertLine(t, "a", "1"), `{`, upsertLine(t, "b", "1"), upsertLine(t, "a", "2"))
	env.AwaitStatus("first/4", "succeeded", patience)
	env.AwaitStatus("first/3", "succeeded", patience)
	kill()
	kill = hold("b", "m-2")
	publishPack(env, rig.Retail, "second", `{`, upsertLine(t, "a", "3"), `{`)
	env.AwaitStatus("second/2", "succeeded", patience)
	kill()
	publishPack(env, rig.Retail, "third", upsertLine(t, "b", "2"))
	env.StartProcess("c", nil)
	env.AwaitFinal(4+4+3+1, patience)
	env.Await("the position is at the end, and no range is left", patience, func() bool {
		return env.Count(`SELECT sequence FROM courier.lease`) == 7 && env.Count(`SELECT count(*) FROM courier.recorded`) == 0
	})
	env.CheckInvariants()
}

// TestPacksOverTheMemoryLimit: lines of one pack are partly in memory and partly in Postgres, and
// a worker is killed meanwhile; each item gets its changes in the order of the lines.
func TestPacksOverTheMemoryLimit(t *testing.T) {
	t.Parallel()
	const packs, lines, items = 4, 1500, 250
	env := rig.Start(t, rig.Options{Listen: true, Pinterest: sandbox.Options{Delay: 50 * time.Millisecond}, Settings: rig.Settings{
		"worker.memory_limit": "1MiB", "defaults.batch.max_items": 100, "defaults.concurrency": 2,
	}})
	for p := range packs {
		text := make([]string, lines)
		for i := range text {
			item := fmt.Sprint("item-", (i*7+p)%items)
			switch i % 11 {
			case 3:
				text[i] = `{"item_id":"` + item + `","operation":"DELETE"}`
			case 5:
				text[i] = `{"item_id":"` + item + `","operation":"CREATE","attributes":{}}`
			default:
				text[i] = upsertLine(t, item, fmt.Sprint("state ", p, " ", i))
			}
		}
		publishPack(env, rig.Retail, fmt.Sprint("pack-", p), text...)
	}
	arrived, goOn := env.PinterestInterceptor.HoldNextPost()
	t.Cleanup(goOn)
	worker := env.StartProcess("a", nil)
	select {
	case <-arrived:
	case <-time.After(patience):
		t.Fatal("no POST")
	}
	env.Await("changes wait in Postgres", patience, func() bool {
		return env.Count(`SELECT count(*) FROM courier.mutation_status WHERE status = 'waiting'`) > lines/2
	})
	worker.Kill()
	goOn()
	env.StartProcess("a", nil)
	env.AwaitFinal(packs*lines, 2*patience)
	t.Log(env.CheckInvariants())
}
