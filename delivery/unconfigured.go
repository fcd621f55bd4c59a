package delivery

import (
	"cmp"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// unconfiguredLanes are the lanes whose mutations wait for a newer configuration.
type unconfiguredLanes struct {
	lanes    map[catalog.Lane]*unconfiguredLane
	lastLook time.Time
	// open are batches of such lanes that the last owner left: nobody follows them.
	// ending are those whose end is in a job.
	open   map[uuid.UUID]*ledger.OpenBatch
	ending map[uuid.UUID]bool
	// asked are the accounts that an operator wants removed; removing says that the last
	// step for one is under way.
	asked      map[string]bool
	removing   bool
	lastRemove time.Time
	// changed says that people are shown other lanes than these; nothing was shown yet.
	changed bool
}

// newUnconfigured has changed set: a former owner may have known less.
func newUnconfigured() unconfiguredLanes {
	return unconfiguredLanes{
		lanes: map[catalog.Lane]*unconfiguredLane{}, open: map[uuid.UUID]*ledger.OpenBatch{}, ending: map[uuid.UUID]bool{},
		asked: map[string]bool{}, changed: true,
	}
}

// unconfiguredLane is a lane that the configuration does not know.
type unconfiguredLane struct {
	since   time.Time
	words   string // why, for people
	problem catalog.Problem
	removed *catalog.Problem // not nil: an operator wants the account removed
	loading bool
	added   bool // something was added since the last page was asked for
}

// accounts names those of the lanes and of the open batches.
func (u *unconfiguredLanes) accounts() []string {
	names := map[string]bool{}
	for key := range u.lanes {
		names[key.Account] = true
	}
	for _, o := range u.open {
		names[o.Lane.Account] = true
	}
	for name := range u.asked {
		names[name] = true
	}
	return slices.Collect(maps.Keys(names))
}

// read takes in which of the accounts an operator wants removed; states is nil when that
// could not be read.
func (u *unconfiguredLanes) read(names []string, states map[string]ledger.AccountState) {
	if states == nil {
		return
	}
	for _, name := range names {
		if states[name].Removing {
			u.asked[name] = true
			continue
		}
		delete(u.asked, name)
		for key, s := range u.lanes {
			if key.Account == name {
				s.removed = nil
			}
		}
	}
}

// removeAsked goes on with the removal of accounts. One with a catalog that is configured
// is not touched.
func (e *Engine) removeAsked(now time.Time) {
	if len(e.unconfigured.asked) == 0 || now.Sub(e.unconfigured.lastRemove) < unconfiguredInterval {
		return
	}
	e.unconfigured.lastRemove = now
	for name := range e.unconfigured.asked {
		if _, configured := e.cfg.Accounts(name); !configured {
			e.removeAccount(name, now)
		}
	}
}

// toShow are the lanes as people are shown them, and whether that is news.
func (u *unconfiguredLanes) toShow(grace time.Duration) (strays []ledger.StrayLane, changed bool) {
	if !u.changed {
		return nil, false
	}
	u.changed = false
	for key, s := range u.lanes {
		strays = append(strays, ledger.StrayLane{Lane: key, Problem: s.words, Since: s.since, InvalidAt: s.since.Add(grace)})
	}
	shown := map[catalog.Lane]bool{}
	for _, o := range u.open {
		if u.lanes[o.Lane] == nil && !shown[o.Lane] {
			shown[o.Lane] = true
			strays = append(strays, ledger.StrayLane{Lane: o.Lane, Problem: notConfigured(o.Lane), Since: o.CreatedAt})
		}
	}
	return strays, true
}

func notConfigured(lane catalog.Lane) string {
	return "account " + lane.Account + ", catalog " + lane.Catalog + ", type " + string(lane.Type) + " is not in the configuration of the workers"
}

func (e *Engine) parkUnconfigured(m *catalog.Mutation, now time.Time) {
	if _, ok := e.unconfigured.lanes[m.Lane]; !ok {
		if len(e.unconfigured.lanes) >= maxUnconfigured {
			e.refuse(m, e.resolver.resolve(m.Lane).problem) // no grace: nobody configures as many
			return
		}
		words := e.resolver.resolve(m.Lane).problem.Text
		e.unconfigured.lanes[m.Lane] = &unconfiguredLane{since: now, words: words}
		// Its row is written with the mutation.
		e.jobs.next.after(func() { e.unconfigured.changed = true })
		e.log.WarnContext(e.calls.ctx, "mutations arrive for an account or catalog that is not configured; they wait for a newer configuration",
			slog.String("account", m.Lane.Account), slog.String("catalog", m.Lane.Catalog), slog.Duration("grace", e.cfg.UnknownAccountGrace),
			slog.String("reason", words))
	}
	e.unconfigured.lanes[m.Lane].added = true
	e.store(m)
}

// maxUnconfigured bounds the lanes that wait for a configuration: producers choose their
// names. Beyond it mutations of further ones are invalid at once.
const maxUnconfigured = 10_000

// unconfiguredInterval is how often lanes that are not configured are looked at.
const unconfiguredInterval = 200 * time.Millisecond

// expireUnconfigured makes the mutations of lanes that stayed unknown invalid, a page
// at a time.
func (e *Engine) expireUnconfigured(now time.Time) {
	if now.Sub(e.unconfigured.lastLook) < unconfiguredInterval {
		return
	}
	e.unconfigured.lastLook = now
	for lane, s := range e.unconfigured.lanes {
		if s.loading || s.removed == nil && now.Sub(s.since) < e.cfg.UnknownAccountGrace {
			continue
		}
		info := e.resolver.resolve(lane)
		if info.endpoint != nil {
			continue // cannot happen while the configuration stands still
		}
		s.loading, s.added, s.problem = true, false, *cmp.Or(s.removed, info.problem)
		e.jobs.next.loads = append(e.jobs.next.loads, &load{lane: lane, limit: pageSize, then: func(read *load) { e.onUnconfiguredRead(s, read) }})
	}
}

// onUnconfiguredRead makes a page of mutations invalid, and forgets the lane after the last.
func (e *Engine) onUnconfiguredRead(s *unconfiguredLane, read *load) {
	s.loading = false
	for i := range read.refused {
		e.refuse(read.refused[i].Mutation, &read.refused[i].Problem)
	}
	for _, m := range read.page.Mutations {
		e.refuse(m, &s.problem)
	}
	if !read.page.More && len(read.page.Mutations)+len(read.refused) == 0 && !s.added {
		delete(e.unconfigured.lanes, read.lane)
		e.unconfigured.changed = true
	}
}
