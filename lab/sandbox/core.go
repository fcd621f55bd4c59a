package sandbox

import (
	"encoding/json"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// core is what both simulated platforms share: state, accepted batches, faults.
type core struct {
	options Options
	hash    hasher
	dialect dialect

	mu       sync.Mutex
	random   *rand.Rand
	tables   map[tableKey]*table
	batches  map[string]*batch
	order    []string // handles, oldest first
	made     int
	injected map[CallKind][]Fault
	revoked  bool
	oauth    oauth
	windows  map[string]*window
	regained map[string]time.Time // when a quota is free again that a fault called used up
	ruleHits map[string]int
	recent   map[uint64]time.Time // bodies, for SkipRepeats
	counters Counters
	closed   chan struct{}
	work     sync.WaitGroup // timers under way
}

// dialect is what a platform makes of accepted records.
type dialect struct {
	// meaningOf says what operations do to the items of a table.
	meaningOf func(key tableKey) meaning
	// itemOf is how the platform's answers name the item with an id. Nil: by the id.
	itemOf func(id string) string
	// check finds what is wrong with a record when it is applied. Nil finds nothing. The
	// lock is held.
	check func(key tableKey, id string) []issue
	// deleted is told of an item that is no more. May be nil. The lock is held.
	deleted func(key tableKey, id string)
}

// batch is an accepted body.
type batch struct {
	handle  string
	key     tableKey
	changes []change
	created time.Time
	timer   *time.Timer
	due     time.Time
	late    bool
	failed  bool // fails as a whole
	skipped bool

	done     bool
	finished time.Time
	results  []result // in the order of the records
}

// result is what became of one record.
type result struct {
	id       string
	errors   []issue
	warnings []issue
	omitted  bool
}

func newCore(options Options, dialect dialect) *core {
	options = options.withDefaults()
	return &core{
		oauth:   oauth{refresh: options.OAuth.RefreshToken, issued: make(map[string]time.Time)},
		options: options, hash: hasher{maphash.MakeSeed()}, dialect: dialect,
		random:  rand.New(rand.NewPCG(options.Seed, 1)), //nolint:gosec // repeatable on purpose
		tables:  make(map[tableKey]*table),
		batches: make(map[string]*batch), injected: make(map[CallKind][]Fault),
		windows: make(map[string]*window), regained: make(map[string]time.Time), ruleHits: make(map[string]int),
		recent: make(map[uint64]time.Time), closed: make(chan struct{}),
		counters: Counters{Faults: make(map[FaultKind]int)},
	}
}

// InjectNext makes the fault happen to the next call of the kind; several wait in
// line.
func (c *core) InjectNext(call CallKind, fault Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.injected[call] = append(c.injected[call], fault)
}

// SetPlan replaces Options.Plan from now on.
func (c *core) SetPlan(plan []PlannedFault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.options.Plan = plan
}

// RevokeTokens refuses every token from now on, or takes them again.
func (c *core) RevokeTokens(revoked bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.revoked = revoked
}

// Counters returns what was seen so far.
func (c *core) Counters() Counters {
	c.mu.Lock()
	defer c.mu.Unlock()
	counters := c.counters
	counters.Faults = maps.Clone(c.counters.Faults)
	return counters
}

// Items returns the items of one catalog type in one catalog by item id, each as a
// JSON object with sorted names.
func (c *core) Items(catalogKey string, itemType catalog.Type) map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	table := c.tables[tableKey{catalogKey, itemType}]
	if table == nil {
		return map[string]string{}
	}
	items := make(map[string]string, len(table.items))
	for id, item := range table.items {
		if item.exists {
			items[id] = table.canonical(item.attributes)
		}
	}
	return items
}

// Pending is how many accepted batches are not applied yet.
func (c *core) Pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting())
}

func (c *core) waiting() []*batch {
	var waiting []*batch
	for _, handle := range c.order {
		if b := c.batches[handle]; b != nil && !b.done {
			waiting = append(waiting, b)
		}
	}
	return waiting
}

// Settle applies all accepted batches now, in the order in which they were due.
func (c *core) Settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	waiting := c.waiting()
	slices.SortStableFunc(waiting, func(a, b *batch) int { return a.due.Compare(b.due) })
	for _, b := range waiting {
		if b.timer.Stop() {
			c.work.Done()
		}
		c.apply(b)
	}
}

// Close drops what is not applied yet, lets hanging calls go and waits for the
// platform's own work to end. It may be called again.
func (c *core) Close() {
	c.mu.Lock()
	select {
	case <-c.closed:
	default:
		close(c.closed)
		for _, b := range c.waiting() {
			if b.timer.Stop() {
				c.work.Done()
			}
			b.done = true
		}
	}
	c.mu.Unlock()
	c.work.Wait()
}

// accept takes a batch and has it applied later. The caller holds the lock.
func (c *core) accept(b *batch, bodySize int, fault FaultKind) {
	c.made++
	now := time.Now()
	b.created = now
	b.failed, b.skipped = fault == FailBatch, b.skipped || fault == SkipBatch
	delay := c.options.Delay
	if c.options.Jitter > 0 {
		delay += time.Duration(c.random.Int64N(int64(c.options.Jitter) + 1))
	}
	if fault == Hang {
		b.late = true
		delay += c.options.LateBy
	}
	c.counters.Accepted++
	c.counters.Records += len(b.changes)
	c.counters.MaxItems = max(c.counters.MaxItems, len(b.changes))
	c.counters.MaxBytes = max(c.counters.MaxBytes, bodySize)
	c.expect(b)
	b.due = now.Add(delay)
	c.batches[b.handle] = b
	c.order = append(c.order, b.handle)
	c.forgetOldest()
	c.work.Add(1)
	b.timer = time.AfterFunc(delay, func() {
		defer c.work.Done()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.apply(b)
	})
}

func (c *core) expect(b *batch) {
	table := c.tableOf(b.key)
	for i := range b.changes {
		change := &b.changes[i]
		if change.twice {
			c.counters.DuplicateItems++
		}
		if b.skipped {
			continue
		}
		overlapping, repeated := table.expect(change)
		if overlapping {
			c.counters.Overlaps++
		}
		if repeated {
			c.counters.Repeats++
		}
	}
}

func (c *core) tableOf(key tableKey) *table {
	found := c.tables[key]
	if found == nil {
		found = newTable(c.dialect.meaningOf(key))
		key.catalog = strings.Clone(key.catalog)
		key.itemType = catalog.Type(strings.Clone(string(key.itemType)))
		c.tables[key] = found
	}
	return found
}

// forgetOldest drops the oldest finished batches beyond the bound.
func (c *core) forgetOldest() {
	for len(c.order) > keepBatches && c.batches[c.order[0]].done {
		delete(c.batches, c.order[0])
		c.order = c.order[1:]
	}
}

// apply does the work of a batch. The caller holds the lock.
func (c *core) apply(b *batch) {
	if b.done {
		return
	}
	b.done, b.finished = true, time.Now()
	table := c.tableOf(b.key)
	b.results = make([]result, len(b.changes))
	for i := range b.changes {
		b.results[i] = c.applyChange(table, &b.changes[i], b)
		if len(b.results[i].errors) > 0 {
			c.counters.Refused++
		}
	}
	c.counters.Applied++
	if b.late {
		c.counters.Late++
	}
	b.changes = nil // lets the body go
}

func (c *core) applyChange(table *table, change *change, b *batch) result {
	id := change.id
	if c.dialect.itemOf != nil {
		id = c.dialect.itemOf(id)
	}
	done := result{id: strings.Clone(id), warnings: change.warnings}
	if b.skipped {
		return done
	}
	rule := c.rule(change.id)
	if rule != nil && rule.Action == RefuseItem && len(change.errors) == 0 {
		change.errors = []issue{{attribute: "", code: codeRuleRefused, message: rule.message(done.id)}}
	}
	if len(change.errors) == 0 && c.dialect.check != nil {
		change.errors = c.dialect.check(b.key, change.id)
	}
	done.errors = table.settle(change, b.failed)
	if change.operation == catalog.Delete && len(done.errors) == 0 && !b.failed && c.dialect.deleted != nil {
		c.dialect.deleted(b.key, done.id)
	}
	done.omitted = rule != nil && rule.Action == OmitItem
	return done
}

const codeRuleRefused = 199

func (r *ItemRule) message(id string) string {
	if r.Message != "" {
		return r.Message
	}
	return "The item " + id + " was refused."
}

// rule finds the rule that treats the item this time.
func (c *core) rule(id string) *ItemRule {
	for i := range c.options.Rules {
		rule := &c.options.Rules[i]
		if !strings.Contains(id, rule.Contains) {
			continue
		}
		if rule.Rate > 0 && c.random.Float64() >= rule.Rate {
			continue
		}
		if rule.Times > 0 {
			hit := strconv.Itoa(i) + "/" + id
			if c.ruleHits[hit] >= rule.Times {
				continue
			}
			c.ruleHits[hit]++
		}
		return rule
	}
	return nil
}

// nextFault decides whether this call misbehaves. The caller holds the lock.
func (c *core) nextFault(call CallKind) Fault {
	if waiting := c.injected[call]; len(waiting) > 0 {
		c.injected[call] = waiting[1:]
		c.counters.Faults[waiting[0].Kind]++
		return waiting[0]
	}
	for _, planned := range c.options.Plan {
		if planned.Call == call && c.random.Float64() < planned.Rate {
			c.counters.Faults[planned.Fault.Kind]++
			return planned.Fault
		}
	}
	return Fault{}
}

// window counts the calls of one rate limit.
type window struct {
	started time.Time
	calls   int
}

// usage is how much of a rate limit is used up, with this call.
type usage struct {
	limit     RateLimit
	remaining int // negative when this call is one too many
	reset     time.Duration
}

// count counts a call against a limit. The caller holds the lock.
func (c *core) count(name string, limit RateLimit) usage {
	if limit.Calls <= 0 || limit.Window <= 0 {
		return usage{}
	}
	now := time.Now()
	current := c.windows[name]
	if current == nil || now.Sub(current.started) >= limit.Window {
		current = &window{started: now}
		c.windows[name] = current
	}
	current.calls++
	counted := usage{limit: limit, remaining: limit.Calls - current.calls, reset: limit.Window - now.Sub(current.started)}
	if counted.remaining < 0 {
		c.counters.Limited++
	}
	return counted
}

func (u usage) exceeded() bool { return u.remaining < 0 }

// state is what the page for people shows.
func (c *core) state() []byte {
	const show = 50 // items per catalog
	type shown struct {
		Count int                        `json:"count"`
		Items map[string]json.RawMessage `json:"items"`
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	catalogs := make(map[string]shown, len(c.tables))
	for key, table := range c.tables {
		page := shown{Items: make(map[string]json.RawMessage)}
		for _, id := range slices.Sorted(maps.Keys(table.items)) {
			if item := table.items[id]; item.exists {
				page.Count++
				if len(page.Items) < show && json.Valid([]byte(item.attributes)) {
					page.Items[id] = json.RawMessage(table.canonical(item.attributes))
				}
			}
		}
		catalogs[key.catalog+" "+string(key.itemType)] = page
	}
	text, err := json.MarshalIndent(map[string]any{"catalogs": catalogs, "counters": c.counters}, "", "  ")
	if err != nil {
		return []byte(`{}`)
	}
	return text
}
