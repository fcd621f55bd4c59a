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

// Core is what both simulated platforms share: state, accepted batches, faults.
type Core struct {
	Options Options
	Hash    hasher
	dialect Dialect

	Mu       sync.Mutex
	Random   *rand.Rand
	Tables   map[TableKey]*table
	Batches  map[string]*Batch
	order    []string // handles, oldest first
	made     int
	injected map[CallKind][]Fault
	revoked  bool
	Grants   oauth
	windows  map[string]*window
	Regained map[string]time.Time // when a quota is free again that a fault called used up
	ruleHits map[string]int
	struck   map[string]time.Time // when the ending of an item had its effect: see Magic
	shares   []ItemRule           // of switches
	outage   time.Time            // every call fails until then
	Recent   map[uint64]time.Time // bodies, for SkipRepeats
	Seen     Counters
	closed   chan struct{}
	work     sync.WaitGroup // timers under way
}

// Dialect is what a platform makes of accepted records.
type Dialect struct {
	// MeaningOf says what operations do to the items of a table.
	MeaningOf func(key TableKey) Meaning
	// ItemOf is how the platform's answers name the item with an id. Nil: by the id.
	ItemOf func(id string) string
	// Check finds what is wrong with a record when it is applied. Nil finds nothing. The
	// lock is held.
	Check func(key TableKey, id string) []Issue
	// Rejects and Warns are what the platform says of an item with such an ending: see
	// Options.Magic. Rejects may be nil.
	Rejects, Warns func(id string) Issue
	// NamesRejected says that results name rejected items alone: one that such an ending
	// has them leave out is rejected.
	NamesRejected bool
	// Deleted, when not nil, is called with an item that was deleted, with the lock held.
	Deleted func(key TableKey, id string)
}

// Batch is an accepted body.
type Batch struct {
	Handle  string
	Key     TableKey
	Changes []Change
	Created time.Time
	timer   *time.Timer
	due     time.Time
	late    bool
	Failed  bool // fails as a whole
	Skipped bool
	slow    time.Duration // applied so much later
	silent  bool          // applied, but in progress permanently

	Done     bool
	Finished time.Time
	Results  []Result // in the order of the records
}

// Result is what became of one record.
type Result struct {
	ID       string
	Errors   []Issue
	Warnings []Issue
	Omitted  bool
}

func NewCore(options Options, dialect Dialect) *Core {
	options = options.withDefaults()
	return &Core{
		Grants:  oauth{Refresh: options.OAuth.RefreshToken, Issued: make(map[string]time.Time)},
		Options: options, Hash: hasher{maphash.MakeSeed()}, dialect: dialect,
		Random:  rand.New(rand.NewPCG(options.Seed, 1)), //nolint:gosec // repeatable on purpose
		Tables:  make(map[TableKey]*table),
		Batches: make(map[string]*Batch), injected: make(map[CallKind][]Fault),
		windows: make(map[string]*window), Regained: make(map[string]time.Time), ruleHits: make(map[string]int),
		struck: make(map[string]time.Time),
		Recent: make(map[uint64]time.Time), closed: make(chan struct{}),
		Seen: Counters{Faults: make(map[FaultKind]int)},
	}
}

// InjectNext makes the fault happen to the next call of the kind; several wait in
// line.
func (c *Core) InjectNext(call CallKind, fault Fault) {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	c.injected[call] = append(c.injected[call], fault)
}

// SetPlan replaces Options.Plan from now on.
func (c *Core) SetPlan(plan []PlannedFault) {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	c.Options.Plan = plan
}

// RevokeTokens refuses every token from now on, or takes them again.
func (c *Core) RevokeTokens(revoked bool) {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	c.revoked = revoked
}

// Counters returns what was seen so far.
func (c *Core) Counters() Counters {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	counters := c.Seen
	counters.Faults = maps.Clone(c.Seen.Faults)
	return counters
}

// Items returns the items of one catalog type in one catalog by item id, each as a
// JSON object with sorted names.
func (c *Core) Items(catalogKey string, itemType catalog.Type) map[string]string {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	table := c.Tables[TableKey{catalogKey, itemType}]
	if table == nil {
		return map[string]string{}
	}
	items := make(map[string]string, len(table.Items))
	for id, item := range table.Items {
		if item.Exists {
			items[id] = table.canonical(item.Attributes)
		}
	}
	return items
}

// Pending is how many accepted batches are not applied yet.
func (c *Core) Pending() int {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	return len(c.waiting())
}

func (c *Core) waiting() []*Batch {
	var waiting []*Batch
	for _, handle := range c.order {
		if b := c.Batches[handle]; b != nil && !b.Done {
			waiting = append(waiting, b)
		}
	}
	return waiting
}

// Settle applies all accepted batches now, in the order in which they were due.
func (c *Core) Settle() {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	waiting := c.waiting()
	slices.SortStableFunc(waiting, func(a, b *Batch) int { return a.due.Compare(b.due) })
	for _, b := range waiting {
		if b.timer.Stop() {
			c.work.Done()
		}
		c.apply(b)
	}
}

// Close drops what is not applied yet, lets hanging calls go and waits for the
// platform's own work to end. It may be called again.
func (c *Core) Close() {
	c.Mu.Lock()
	select {
	case <-c.closed:
	default:
		close(c.closed)
		for _, b := range c.waiting() {
			if b.timer.Stop() {
				c.work.Done()
			}
			b.Done = true
		}
	}
	c.Mu.Unlock()
	c.work.Wait()
}

// Accept takes a batch and has it applied later. The caller holds the lock.
func (c *Core) Accept(b *Batch, bodySize int, fault FaultKind) {
	c.made++
	now := time.Now()
	b.Created = now
	b.Failed, b.Skipped = fault == FailBatch, b.Skipped || fault == SkipBatch
	delay := c.Options.Delay + b.slow
	if c.Options.Jitter > 0 {
		delay += time.Duration(c.Random.Int64N(int64(c.Options.Jitter) + 1))
	}
	if fault == Hang {
		b.late = true
		delay += c.Options.LateBy
	}
	c.Seen.Accepted++
	c.Seen.Records += len(b.Changes)
	c.Seen.MaxItems = max(c.Seen.MaxItems, len(b.Changes))
	c.Seen.MaxBytes = max(c.Seen.MaxBytes, bodySize)
	c.expect(b)
	b.due = now.Add(delay)
	c.Batches[b.Handle] = b
	c.order = append(c.order, b.Handle)
	c.forgetOldest()
	c.work.Add(1)
	b.timer = time.AfterFunc(delay, func() {
		defer c.work.Done()
		c.Mu.Lock()
		defer c.Mu.Unlock()
		c.apply(b)
	})
}

func (c *Core) expect(b *Batch) {
	table := c.tableOf(b.Key)
	for i := range b.Changes {
		change := &b.Changes[i]
		if change.Twice {
			c.Seen.DuplicateItems++
		}
		if b.Skipped {
			continue
		}
		overlapping, repeated := table.expect(change)
		if overlapping {
			c.Seen.Overlaps++
		}
		if repeated {
			c.Seen.Repeats++
		}
	}
}

func (c *Core) tableOf(key TableKey) *table {
	found := c.Tables[key]
	if found == nil {
		found = newTable(c.dialect.MeaningOf(key))
		key.Catalog = strings.Clone(key.Catalog)
		key.ItemType = catalog.Type(strings.Clone(string(key.ItemType)))
		c.Tables[key] = found
	}
	return found
}

// forgetOldest drops the oldest finished batches beyond the bound.
func (c *Core) forgetOldest() {
	for len(c.order) > keepBatches && c.Batches[c.order[0]].Done {
		delete(c.Batches, c.order[0])
		c.order = c.order[1:]
	}
}

// apply does the work of a batch. The caller holds the lock.
func (c *Core) apply(b *Batch) {
	if b.Done {
		return
	}
	b.Done, b.Finished = true, time.Now()
	table := c.tableOf(b.Key)
	b.Results = make([]Result, len(b.Changes))
	for i := range b.Changes {
		b.Results[i] = c.applyChange(table, &b.Changes[i], b)
		if len(b.Results[i].Errors) > 0 {
			c.Seen.Refused++
		}
	}
	c.Seen.Applied++
	if b.late {
		c.Seen.Late++
	}
	b.Changes = nil // lets the body go
}

func (c *Core) applyChange(table *table, change *Change, b *Batch) Result {
	id := change.ID
	if c.dialect.ItemOf != nil {
		id = c.dialect.ItemOf(id)
	}
	done := Result{ID: strings.Clone(id), Warnings: change.Warnings}
	if b.Skipped {
		return done
	}
	rule := c.rule(change.ID)
	if rule != nil && (rule.Action == RefuseItem || rule.rejectsUnnamed) && len(change.Errors) == 0 {
		change.Errors = []Issue{c.rejects(rule, done.ID)}
	}
	if len(change.Errors) == 0 && c.dialect.Check != nil {
		change.Errors = c.dialect.Check(b.Key, change.ID)
	}
	done.Errors = table.settle(change, b.Failed)
	if change.Operation == catalog.Delete && len(done.Errors) == 0 && !b.Failed && c.dialect.Deleted != nil {
		c.dialect.Deleted(b.Key, done.ID)
	}
	done.Omitted = rule != nil && rule.Action == OmitItem
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
func (c *Core) rule(id string) *ItemRule {
	for i := range c.Options.Rules {
		rule := &c.Options.Rules[i]
		if !strings.Contains(id, rule.Contains) {
			continue
		}
		if rule.Rate > 0 && c.Random.Float64() >= rule.Rate {
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
	if rule := c.magicRule(id); rule != nil {
		return rule
	}
	for i := range c.shares {
		if c.Random.Float64() < c.shares[i].Rate {
			return &c.shares[i]
		}
	}
	return nil
}

// NextFault decides whether this call misbehaves. The caller holds the lock.
func (c *Core) NextFault(call CallKind) Fault {
	if time.Now().Before(c.outage) {
		c.Seen.Faults[ServerError]++
		return Fault{Kind: ServerError}
	}
	if waiting := c.injected[call]; len(waiting) > 0 {
		c.injected[call] = waiting[1:]
		c.Seen.Faults[waiting[0].Kind]++
		return waiting[0]
	}
	for _, planned := range c.Options.Plan {
		if planned.Call == call && c.Random.Float64() < planned.Rate {
			c.Seen.Faults[planned.Fault.Kind]++
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

// Usage is how much of a rate limit is used up, with this call.
type Usage struct {
	Limit     RateLimit
	Remaining int // negative when this call is one too many
	Reset     time.Duration
}

// count counts a call against a limit. The caller holds the lock.
func (c *Core) count(name string, limit RateLimit) Usage {
	if limit.Calls <= 0 || limit.Window <= 0 {
		return Usage{}
	}
	now := time.Now()
	current := c.windows[name]
	if current == nil || now.Sub(current.started) >= limit.Window {
		current = &window{started: now}
		c.windows[name] = current
	}
	current.calls++
	counted := Usage{Limit: limit, Remaining: limit.Calls - current.calls, Reset: limit.Window - now.Sub(current.started)}
	if counted.Remaining < 0 {
		c.Seen.Limited++
	}
	return counted
}

func (u Usage) Exceeded() bool { return u.Remaining < 0 }

// State is what the page for people shows.
func (c *Core) State() []byte {
	const show = 50 // items per catalog
	type shown struct {
		Count int                        `json:"count"`
		Items map[string]json.RawMessage `json:"items"`
	}
	c.Mu.Lock()
	defer c.Mu.Unlock()
	catalogs := make(map[string]shown, len(c.Tables))
	for key, table := range c.Tables {
		page := shown{Items: make(map[string]json.RawMessage)}
		for _, id := range slices.Sorted(maps.Keys(table.Items)) {
			if item := table.Items[id]; item.Exists {
				page.Count++
				if len(page.Items) < show && json.Valid([]byte(item.Attributes)) {
					page.Items[id] = json.RawMessage(table.canonical(item.Attributes))
				}
			}
		}
		catalogs[key.Catalog+" "+string(key.ItemType)] = page
	}
	text, err := json.MarshalIndent(map[string]any{"catalogs": catalogs, "counters": c.Seen}, "", "  ")
	if err != nil {
		return []byte(`{}`)
	}
	return text
}
