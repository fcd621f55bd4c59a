package simulation

import (
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue/queuemodel"
)

// world is everything around the workers of one history, and they.
type world struct {
	tb     testing.TB
	seed   uint64
	plan   plan
	broken variant
	random *rand.Rand // the driver's own
	// packing decides on packs, apart from all else; unsent are the changes of the next one.
	packing *rand.Rand
	unsent  []*change

	config    *config.Config // of the beginning and the end
	file      *config.Config // what workers read when they are asked to
	ledger    *ledgermodel.Store
	stream    *queuemodel.Stream
	pinterest *pinterestsim.Platform
	meta      *metasim.Platform
	ill       site // the platform of the account in trouble, if there is one
	processes []*process
	published []*change
	counters  map[string]int64 // the producers', by item
	network   sync.WaitGroup   // requests on their way

	log    *journal
	logger *slog.Logger
	began  time.Time

	healed atomic.Bool // the account in trouble is well again
	looked time.Time   // at the neighbours of the account in trouble
	late   findings    // of theirs

	mu        sync.Mutex
	disturbed time.Time              // when something was last done to a worker
	calm      bool                   // nothing goes wrong any more
	sleeper   *process               // nil until one sleeps
	answers   map[string][]string    // what the platforms said of each handle
	handles   map[uuid.UUID][]string // of each batch
	moved     map[uuid.UUID]bool     // positions that a broken variant has moved
	rows      map[int]bool           // lease rows that a broken variant has locked
	pauses    []*pause
	taken     map[int]taking // of each partition, the last
	pushy     []string       // calls within a pause
}

// newWorld makes an empty world. The rest is drawn from the seed.
func newWorld(tb testing.TB, seed uint64, broken variant, log *journal) *world {
	tb.Helper()
	w := &world{
		tb: tb, seed: seed, broken: broken, random: rand.New(rand.NewPCG(seed, 11)), packing: rand.New(rand.NewPCG(seed, 13)), log: log,
		ledger: ledgermodel.New(), began: time.Now(), answers: map[string][]string{}, handles: map[uuid.UUID][]string{},
		moved: map[uuid.UUID]bool{}, rows: map[int]bool{}, counters: map[string]int64{}, taken: map[int]taking{},
	}
	log.began = w.began
	w.logger = slog.New(log.handler())
	w.plan = w.newPlan()
	w.config = w.newConfig()
	w.file = w.config
	w.stream = queuemodel.New(w.plan.partitions)
	w.ledger.EnsurePartitions(w.plan.partitions)
	w.bind()
	w.pinterest = pinterestsim.New(w.plan.platform)
	w.meta = metasim.New(w.plan.platform)
	w.pinterest.SetPlan(w.plan.pinterestFaults)
	w.meta.SetPlan(w.plan.metaFaults)
	w.ill = w.newSite(w.illName())
	w.fallIll()
	return w
}

// close ends what the world runs by itself. All processes must have ended.
func (w *world) close() {
	for _, site := range w.sites() {
		site.Close()
	}
	w.network.Wait()
}

// site is a simulated platform.
type site interface {
	http.Handler
	Apply(catalogKey string, itemType catalog.Type, m *catalog.Mutation) error
	Items(catalogKey string, itemType catalog.Type) map[string]string
	Counters() sandbox.Counters
	SetPlan(plan []sandbox.PlannedFault)
	Close()
}

// newSite makes another platform of the account's kind.
func (w *world) newSite(account string) site {
	if w.isMeta(account) {
		return metasim.New(w.plan.platform)
	}
	return pinterestsim.New(w.plan.platform)
}

func (w *world) sites() map[string]site {
	return map[string]site{"Pinterest": w.pinterest, "Meta": w.meta, "the platform in trouble": w.ill}
}

// siteOf is where an account's calls go. One in trouble is alone with it: its
// neighbours call the same address, and nobody but the platform tells them apart.
func (w *world) siteOf(account string) site {
	switch {
	case w.isIll(account):
		return w.ill
	case w.isMeta(account):
		return w.meta
	default:
		return w.pinterest
	}
}

// platformOf is who answers a request.
func (w *world) platformOf(request *http.Request) http.Handler {
	return w.siteOf(accountOf(request))
}

// accountOf is the account that makes a call.
func accountOf(request *http.Request) string {
	return strings.TrimPrefix(request.Header.Get("Authorization"), "Bearer "+tokenPrefix)
}

// hash mixes the seed, the moment, and what is asked about. It does not depend on
// what was drawn before: two goroutines that draw at one instant do not disturb each
// other.
func (w *world) hash(parts ...string) uint64 {
	sum := fnv.New64a()
	_, _ = fmt.Fprintf(sum, "%d %d", w.seed, time.Since(w.began).Nanoseconds())
	for _, part := range parts {
		_, _ = sum.Write([]byte(part))
		_, _ = sum.Write([]byte{0})
	}
	mixed := sum.Sum64()
	mixed ^= mixed >> 30 // the finish of SplitMix64: FNV's high bits are poor
	mixed *= 0xbf58476d1ce4e5b9
	mixed ^= mixed >> 27
	mixed *= 0x94d049bb133111eb
	return mixed ^ mixed>>31
}

// draw draws from [0, 1).
func (w *world) draw(parts ...string) float64 {
	return float64(w.hash(parts...)>>11) / (1 << 53)
}

// latency is how long one side of a call takes: mostly some milliseconds, now and
// then seconds. Its nanoseconds make every instant one of its own.
func (w *world) latency(parts ...string) time.Duration {
	drawn := w.hash(append(parts, "latency")...)
	longest := 3 * time.Millisecond
	switch rare := drawn % 100; {
	case rare < 1:
		longest = 3 * time.Second
	case rare < 6:
		longest = 300 * time.Millisecond
	}
	return time.Duration(1 + (drawn>>8)%uint64(longest))
}

// moment is as good as nothing, and another for each that asks.
func (w *world) moment(parts ...string) time.Duration {
	return time.Duration(1 + w.hash(parts...)%uint64(time.Millisecond))
}

// fate is what becomes of a call, or of who makes it.
type fate struct {
	cut    bool
	kill   bool
	sleep  bool // until all is done
	freeze time.Duration
}

func (w *world) fate(parts ...string) fate {
	w.mu.Lock()
	calm, awake := w.calm, w.plan.sleeper && w.sleeper == nil
	w.mu.Unlock()
	drawn := w.draw(append(parts, "fate")...)
	call := parts[1]
	switch {
	case calm, call == "Put" && w.plan.restoresLedger: // see the limits in docs/reliability.md
		return fate{}
	case awake && call == w.plan.sleepsIn && drawn > 0.9:
		return fate{sleep: true}
	case drawn < w.plan.cuts:
		w.disturb()
		return fate{cut: true}
	case drawn < w.plan.cuts+w.plan.kills && w.mayLose():
		return fate{kill: true}
	case drawn > 1-w.plan.freezes:
		return fate{freeze: time.Duration(1 + w.hash("freeze")%uint64(3*leaseTTL))}
	default:
		return fate{}
	}
}

// mayLose bounds how many workers a history uses up.
func (w *world) mayLose() bool {
	lost := 0
	for _, p := range w.processes {
		if p.isDead() {
			lost++
		}
	}
	return lost < maxKilled
}

const (
	leaseTTL  = 4 * time.Second
	settle    = 25 * time.Second
	maxKilled = 8
)

// calmDown ends all trouble but that of one account.
func (w *world) calmDown() {
	w.mu.Lock()
	w.calm = true
	w.mu.Unlock()
	w.pinterest.SetPlan(nil)
	w.meta.SetPlan(nil)
	w.log.add("world", "calms down", "")
}

// publish stores a mutation in the stream, at once or in a pack with the next ones of its lane.
func (w *world) publish(c *change) {
	if len(w.unsent) > 0 && (w.unsent[0].mutation.Account != c.mutation.Account || w.unsent[0].mutation.Catalog != c.mutation.Catalog ||
		w.unsent[0].mutation.Type != c.mutation.Type) {
		w.flush()
	}
	w.unsent = append(w.unsent, c)
	if len(w.unsent) >= w.plan.lines || w.plan.mixed && w.packing.IntN(3) == 0 {
		w.flush()
	}
}

// flush stores what is not sent yet: in a pack, if that is several mutations.
func (w *world) flush() {
	if len(w.unsent) == 0 {
		return
	}
	sent := w.unsent
	w.unsent = nil
	mutations := make([]publish.Mutation, len(sent))
	for i, c := range sent {
		c.number, c.at = len(w.published)+1, time.Now()
		c.behind, c.doubtful = w.behind(c)
		c.mutation.ID = fmt.Sprint("m", c.number)
		mutations[i] = c.mutation
		w.published = append(w.published, c)
	}
	results, err := w.stream.PublishPacks(len(mutations), mutations...)
	if err != nil {
		w.tb.Fatalf("seed %d: publishing %+v: %v", w.seed, mutations, err)
	}
	for i, c := range sent {
		if results[i].Outcome != publish.Stored {
			w.tb.Fatalf("seed %d: publishing %+v: %v", w.seed, c.mutation, results[i])
		}
		c.sequence, c.line = results[i].Sequence, results[i].Line
		w.log.add("producer", "publishes", fmt.Sprintf("%s at %d.%d: %s/%s %v %s %s", c.mutation.ID, c.sequence, c.line, c.mutation.Account, c.item(),
			c.mutation.Operation, c.mutation.Attributes, c.version()))
	}
	time.Sleep(time.Nanosecond) // two messages of one moment may be read as one chunk or as two
}

// first reports that a position is moved for the first time.
func (w *world) first(id uuid.UUID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := !w.moved[id]
	w.moved[id] = true
	return first
}

func (w *world) forget(id uuid.UUID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.moved, id)
}

// lock locks a partition's lease row, or lets it go.
func (w *world) lock(partition int, locked bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rows[partition] = locked
}

func (w *world) locked(partition int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rows[partition]
}
