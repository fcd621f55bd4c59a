package delivery

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/nearest"
	"github.com/catalog-courier/catalog-courier/platform"
)

// laneInfo is what the configuration says of a lane: its account and endpoint, or why
// there is none.
type laneInfo struct {
	account  *Account
	endpoint platform.Endpoint
	problem  *catalog.Problem // why there is no endpoint
	// configured is false when a newer configuration may know the lane: unknown
	// accounts and catalogs get a grace time, an unknown type does not.
	configured bool
}

// resolver finds what the configuration says of lanes, and holds mutations to it. The
// loop, the intake and the recorder use it.
type resolver struct {
	accounts func(name string) (*Account, bool)
	names    func() []string // of the accounts; nil: not known
	log      *slog.Logger

	mu    sync.Mutex
	known map[catalog.Lane]laneInfo
}

func (r *resolver) resolve(lane catalog.Lane) laneInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	if info, ok := r.known[lane]; ok {
		return info
	}
	info := r.lookUp(lane)
	// Unknown lanes are not cached: producers choose their names, so a cache of
	// them would grow without bound.
	if info.endpoint != nil {
		r.known[lane] = info
	}
	return info
}

func (r *resolver) lookUp(lane catalog.Lane) laneInfo {
	account, ok := r.accounts(lane.Account)
	if !ok {
		return laneInfo{problem: &catalog.Problem{
			Reason: catalog.UnknownAccount, Field: "subject",
			Text: "account \"" + lane.Account + "\" is not in the configuration of the workers" + r.nearestAccount(lane.Account),
		}}
	}
	endpoint, problem := account.Client.Endpoint(lane.Catalog, lane.Type)
	if problem != nil && problem.Reason == catalog.UnknownCatalog {
		told := *problem
		told.Text += nearestName(lane.Catalog, account.Catalogs)
		problem = &told
	}
	if problem != nil {
		return laneInfo{account: account, problem: problem, configured: problem.Reason != catalog.UnknownCatalog}
	}
	return laneInfo{account: account, endpoint: endpoint, configured: true}
}

func (r *resolver) nearestAccount(name string) string {
	if r.names == nil {
		return ""
	}
	return nearestName(name, r.names())
}

// nearestName tells of the known name that was perhaps meant, as the end of a sentence.
func nearestName(name string, known []string) string {
	if likely := nearest.To(name, known); likely != "" {
		return "; the nearest known name is \"" + likely + "\""
	}
	return ""
}

// check validates a decoded mutation. A panic is that message's problem alone.
func (r *resolver) check(ctx context.Context, m *catalog.Mutation) (problem *catalog.Problem) {
	defer func() {
		if panicked := recover(); panicked != nil {
			r.log.ErrorContext(ctx, "checking a mutation panicked; it becomes a dead letter",
				slog.String("mutation_id", m.ID), slog.String("panic", fmt.Sprint(panicked)))
			problem = &catalog.Problem{Reason: catalog.InternalError, Text: "Courier could not check this message; please report it"}
		}
	}()
	info := r.resolve(m.Lane)
	switch {
	case info.endpoint != nil:
		if !m.Checked {
			if problem, m.Warnings = info.endpoint.Validate(m); problem != nil {
				return problem
			}
			m.Checked = true
		}
		// What the engine's own goroutine is going to ask of the endpoint is asked here
		// first, where a panic does no harm.
		first, rest := info.endpoint.Split(m.Change())
		info.endpoint.RecordSize(m.Key(), first)
		if rest != nil {
			info.endpoint.RecordSize(m.Key(), *rest)
		}
		return nil
	case info.configured:
		return info.problem
	default:
		return nil // a stray: it waits for a newer configuration
	}
}
