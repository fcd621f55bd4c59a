package delivery

import (
	"log/slog"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// unconfiguredLanes are the lanes whose mutations wait for a newer configuration.
type unconfiguredLanes struct {
	lanes    map[catalog.Lane]*unconfiguredLane
	lastLook time.Time
}

// unconfiguredLane is a lane that the configuration does not know.
type unconfiguredLane struct {
	since   time.Time
	problem catalog.Problem
	loading bool
	added   bool // something was added since the last page was asked for
}

func (e *Engine) parkUnconfigured(m *catalog.Mutation, now time.Time) {
	if _, ok := e.unconfigured.lanes[m.Lane]; !ok {
		if len(e.unconfigured.lanes) >= maxUnconfigured {
			e.refuse(m, e.resolver.resolve(m.Lane).problem) // no grace: nobody configures as many
			return
		}
		e.unconfigured.lanes[m.Lane] = &unconfiguredLane{since: now}
		e.log.WarnContext(e.calls.ctx, "mutations arrive for an account or catalog that is not configured; they wait for a newer configuration",
			slog.String("account", m.Lane.Account), slog.String("catalog", m.Lane.Catalog), slog.Duration("grace", e.cfg.UnknownAccountGrace),
			slog.String("reason", e.resolver.resolve(m.Lane).problem.Text))
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
		if s.loading || now.Sub(s.since) < e.cfg.UnknownAccountGrace {
			continue
		}
		info := e.resolver.resolve(lane)
		if info.endpoint != nil {
			continue // cannot happen while the configuration stands still
		}
		s.loading, s.added, s.problem = true, false, *info.problem
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
	}
}
