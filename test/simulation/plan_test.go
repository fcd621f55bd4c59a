package simulation

import (
	"fmt"
	"slices"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
)

// plan is what a history is like.
type plan struct {
	partitions int
	workers    int
	mutations  int
	accounts   int
	items      int  // per account: few, so that many mutations meet
	chunk      int  // messages of one read
	page       int  // rows of one page of waiting ones
	lines      int  // of the largest pack; 1: plain messages only
	mixed      bool // some packs are smaller, and some messages plain

	// Rates of what goes wrong, per side of a call.
	cuts, kills, freezes float64
	// actions are how many times the driver does something to the world.
	actions        int
	restoresStream int    // how often the stream is restored from an older copy
	restoresLedger bool   // the ledger is
	lagging        bool   // to a copy that is some seconds older, while much is under way
	replacesStream bool   // another stream stands in its place for a while
	sleeper        bool   // one worker stays frozen until all is done
	sleepsIn       string // the call in which it falls asleep
	localizes      bool   // Meta's catalogs have localizations
	oneApp         bool   // all accounts are of one platform and one app
	versions       bool   // producers count the changes of each item
	pauses         bool   // platforms ask for long pauses, and workers go in the middle of them
	drops          bool   // Meta ingests nothing of a body with a bad record, and nothing else odd happens
	ailment        ailment
	refusals       *refusals // of one account; nil: none
	reloads        *reloads  // of the configuration; nil: none

	platform        sandbox.Options
	pinterestFaults []sandbox.PlannedFault
	metaFaults      []sandbox.PlannedFault
}

func (w *world) newPlan() plan {
	r := w.random
	rate := func(most float64) float64 { // often none at all
		if r.IntN(3) == 0 {
			return 0
		}
		return most * r.Float64()
	}
	p := plan{
		partitions: 1 + r.IntN(4), workers: 1 + r.IntN(3), mutations: 20 + r.IntN(41), accounts: 1 + r.IntN(3), items: 1 + r.IntN(6),
		chunk: 1 + r.IntN(30), page: 1 + r.IntN(20),
		cuts: rate(0.05), kills: rate(0.004), freezes: rate(0.004), actions: r.IntN(8),
		sleeper: r.IntN(6) == 0, sleepsIn: []string{"POST", "Commit"}[r.IntN(2)],
	}
	switch r.IntN(8) {
	case 0:
		p.restoresStream = 1 + r.IntN(2)
	case 1, 2:
		p.restoresLedger = true
	}
	p.platform = sandbox.Options{
		Seed:  w.seed,
		Delay: time.Duration(r.Int64N(int64(2 * time.Second))), Jitter: time.Duration(r.Int64N(int64(4 * time.Second))),
		LateBy: time.Duration(r.Int64N(int64(6 * time.Second))), AllowIncomplete: true,
		// Enough for all, and told with each answer: a fault that speaks of a quota
		// that is used up would be believed for an hour otherwise.
		Writes: sandbox.RateLimit{Calls: 2000, Window: time.Minute}, Reads: sandbox.RateLimit{Calls: 2000, Window: time.Minute},
		Existing: []sandbox.CreateOnExisting{sandbox.Replace, sandbox.Refuse, sandbox.LayOver}[r.IntN(3)],
	}
	if r.IntN(3) > 0 {
		p.pinterestFaults = w.faults(append(commonFaults, pinterestFaults...))
		p.metaFaults = w.faults(append(commonFaults, metaFaults...))
	}
	if p.restoresLedger && r.IntN(4) > 0 {
		// What is sent and forgotten takes a while, and there are newer changes of it.
		p.lagging, p.platform.Delay = true, p.platform.Delay+settle/2
		p.partitions, p.accounts, p.items, p.mutations = 1, 1, 1+r.IntN(2), 40+r.IntN(21)
	}
	p.localizes = r.IntN(3) == 0
	p.versions = r.IntN(2) == 0
	if p.restoresStream == 0 && !p.restoresLedger && r.IntN(6) == 0 {
		p.drops, p.platform.DropsBadBodies = true, true
		p.pinterestFaults, p.metaFaults = nil, nil
	}
	if r.IntN(4) == 0 {
		w.makeIll(&p)
	} else if r.IntN(4) == 0 {
		w.makePauses(&p)
	}
	p.refusals = w.newRefusals(&p)
	p.reloads = w.newReloads(&p)
	// A mirror that is away hides a lost tail: see the limits in docs/reliability.md.
	p.replacesStream = !p.restoresLedger && p.restoresStream == 0 && w.seed%5 == 0
	if p.lines = 1; w.packing.IntN(3) > 0 {
		p.lines, p.mixed = 2+w.packing.IntN(9), w.packing.IntN(2) == 0
	}
	return p
}

// kindOfFault is a fault with the calls that it may hit.
type kindOfFault struct {
	kind   sandbox.FaultKind
	submit bool
	poll   bool
}

// lies are faults by which a platform says of good records that they are bad, some
// of them although it applied them.
var lies = map[sandbox.FaultKind]bool{
	sandbox.RefuseBatch: true, sandbox.TooLarge: true, sandbox.EmptyHandles: true, sandbox.FailBatch: true,
	sandbox.NoHandles: true, sandbox.NobodyNamed: true,
	sandbox.TotalTooHigh: true, sandbox.ListBeyondZero: true, sandbox.OmitFirst: true, sandbox.OmitAll: true,
}

// lied reports that platforms tell lies in this history.
func (p *plan) lied() bool {
	return slices.ContainsFunc(slices.Concat(p.pinterestFaults, p.metaFaults), func(f sandbox.PlannedFault) bool { return lies[f.Fault.Kind] })
}

var (
	commonFaults = []kindOfFault{
		{sandbox.RateLimited, true, true},
		{sandbox.RateLimitedSilent, true, true},
		{sandbox.ServerError, true, true},
		{sandbox.Reset, true, true},
		{sandbox.HTMLError, true, true},
		{sandbox.TokenRevoked, true, true},
		{sandbox.SpamBlocked, true, true},
		{sandbox.ServerErrorAfter, true, false},
		{sandbox.ResetAfter, true, true},
		{sandbox.Hang, true, true},
		{sandbox.Slow, true, true},
		{sandbox.HTML, true, true},
		{sandbox.Truncated, true, true},
		{sandbox.OddForm, true, true},
		{sandbox.ErrorIn200, true, true},
		{sandbox.RefuseBatch, true, false},
		{sandbox.TooLarge, true, false},
		{sandbox.FailBatch, true, false},
		{sandbox.LostHandle, false, true},
		{sandbox.UnknownStatus, false, true},
		{sandbox.OmitFirst, false, true},
		{sandbox.OmitAll, false, true},
		{sandbox.WrongIDs, false, true},
		{sandbox.OtherBatch, false, true},
		{sandbox.DuplicateIDs, false, true},
	}
	pinterestFaults = []kindOfFault{{sandbox.SkipBatch, true, false}}
	metaFaults      = []kindOfFault{
		{sandbox.EmptyHandles, true, false},
		{sandbox.NoHandles, true, false},
		{sandbox.NobodyNamed, true, false},
		{sandbox.EmptyData, false, true},
		{sandbox.TotalTooHigh, false, true},
		{sandbox.ListBeyondZero, false, true},
	}
)

// faults chooses some of the kinds, each for a few of the calls.
func (w *world) faults(kinds []kindOfFault) (planned []sandbox.PlannedFault) {
	for range 1 + w.random.IntN(5) {
		kind := kinds[w.random.IntN(len(kinds))]
		fault := sandbox.Fault{Kind: kind.kind, Duration: time.Duration(w.random.Int64N(int64(5 * time.Second)))}
		rate := 0.25 * w.random.Float64()
		if kind.submit {
			planned = append(planned, sandbox.PlannedFault{Call: sandbox.Submit, Fault: fault, Rate: rate})
		}
		if kind.poll {
			planned = append(planned, sandbox.PlannedFault{Call: sandbox.Poll, Fault: fault, Rate: rate})
		}
	}
	return planned
}

// account names its platform: p1, m2 and so on.
func (w *world) account(n int) (name string, platform string) {
	turn := w.seed
	if !w.plan.oneApp {
		turn += uint64(n)
	}
	if turn%2 == 0 {
		return fmt.Sprint("p", n), "pinterest"
	}
	return fmt.Sprint("m", n), "meta"
}

func (w *world) newConfig() *config.Config {
	r := w.random
	c := &config.Config{
		NATS: config.NATS{Partitions: w.plan.partitions, Stream: config.Stream{ReplayWindow: 24 * time.Hour}},
		Worker: config.Worker{
			LeaseTTL: leaseTTL, RecordWithin: time.Second, MemoryLimit: 1 << 30,
			UnknownAccountGrace: time.Minute, DrainTimeout: 5 * time.Second, Retention: 24 * time.Hour,
		},
		Accounts: map[string]config.Account{},
	}
	if r.IntN(3) == 0 {
		c.Worker.MemoryLimit = 4000 + r.Int64N(40_000)
	}
	if w.plan.lagging {
		// Many commits while nothing is sent: their number soon says nothing.
		c.Worker.RecordWithin = 100 * time.Millisecond
	}
	for n := range w.plan.accounts {
		name, platform := w.account(n)
		c.Accounts[name] = config.Account{
			Name: name, Platform: platform, AccessToken: config.NewSecret(tokenPrefix + name), AppID: w.app(), Keys: keysOf(platform),
			Catalogs: w.catalogsOf(n, platform),
			Delivery: config.Delivery{
				BaseURL: "http://" + platform + ".test/v1", Rules: config.RulesOff,
				Batch:  config.Batch{MaxItems: 1 + r.IntN(10), MaxBytes: 600 + r.IntN(4000), MaxAge: time.Duration(1 + r.Int64N(int64(2*time.Second)))},
				Poll:   config.Poll{Min: 200 * time.Millisecond, Max: 3 * time.Second, GiveUp: 90 * time.Second},
				Retry:  config.Retry{MaxAttempts: 8, Min: 300 * time.Millisecond, Max: longestRetry},
				Settle: w.broken.settleOf(settle), Concurrency: 1 + r.IntN(4),
			},
		}
	}
	return c
}

// keysOf are the account keys of a platform: percentages of a quota are of a minute.
func keysOf(platform string) setting.Values {
	if platform == "meta" {
		return setting.Values{"quota_window": time.Minute}
	}
	return nil
}

// tokenPrefix is what an account's access token begins with; its name follows.
const tokenPrefix = "a-token-of-"

// longestRetry is the longest rest before something is tried again.
const longestRetry = 5 * time.Second

// app names the app of all accounts, "" when each has its own.
func (w *world) app() string {
	if w.plan.oneApp {
		return "77"
	}
	return ""
}

// catalogsOf is what an account writes to: c, and on Meta perhaps l, which localizes
// the items of c. On Pinterest the old body, which alone knows DELETE_DISCONTINUED,
// takes turns with the present one.
func (w *world) catalogsOf(n int, platform string) map[string]config.Catalog {
	id := number(1000 + n)
	switch legacy := w.random.IntN(2) == 0; {
	case platform == "pinterest" && legacy:
		country := []string{"US", "GB", "DE", "FR"}[n] // all write to the oldest catalog
		return map[string]config.Catalog{"c": {Name: "c", Keys: setting.Values{"country": country, "language": "en-US", "body": "legacy"}}}
	case platform == "pinterest":
		return map[string]config.Catalog{"c": {Name: "c", Keys: setting.Values{"country": "US", "language": "en-US", "catalog_id": id}}}
	case w.plan.localizes:
		return map[string]config.Catalog{
			"c": {Name: "c", Keys: setting.Values{"catalog_id": id}}, "l": {Name: "l", Keys: setting.Values{"catalog_id": id, "endpoint": "localized_items_batch"}},
		}
	default:
		return map[string]config.Catalog{"c": {Name: "c", Keys: setting.Values{"catalog_id": id}}}
	}
}

// catalogKey is how the platform calls the catalog of an account.
func (w *world) catalogKey(account string) string {
	settings := w.config.Accounts[account].Catalogs["c"]
	if w.isMeta(account) {
		return settings.Keys.Text("catalog_id")
	}
	return pinterestsim.Catalog(settings.Keys.Text("country"), settings.Keys.Text("language"), settings.Keys.Text("catalog_id"))
}
