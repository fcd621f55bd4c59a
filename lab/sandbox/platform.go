package sandbox

import (
	"net/http"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/setting"
)

// Platform is a simulated platform: HTTP with state, faults on request, and what tests
// ask it.
type Platform interface {
	http.Handler
	// BasePath is what comes before the paths of the endpoints in a base_url, up to and
	// with the version, such as /v5.
	BasePath() string
	// CatalogKey names a catalog for Items and Apply, by the keys that an account gives
	// it in the configuration.
	CatalogKey(keys setting.Values) string
	// Items are the items of one catalog type in one catalog, as JSON, by id.
	Items(catalogKey string, itemType catalog.Type) map[string]string
	// Apply changes the state by one mutation at once, with no merging and no encoding.
	Apply(catalogKey string, itemType catalog.Type, m *catalog.Mutation) error
	// InjectNext makes a fault happen to the next call of the kind.
	InjectNext(call CallKind, fault Fault)
	// SetPlan replaces Options.Plan.
	SetPlan(plan []PlannedFault)
	// SetSwitches has what the switches say happen from now on, in place of Options.Plan
	// and of what switches said before.
	SetSwitches(switches Switches)
	// RevokeTokens refuses every token from now on, or takes them again.
	RevokeTokens(revoked bool)
	Counters() Counters
	// Pending is how many accepted batches are not applied yet; Settle applies them now.
	Pending() int
	Settle()
	// Close ends the platform's own work and waits for it.
	Close()
}
