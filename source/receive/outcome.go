package receive

import (
	"encoding/json"
	"fmt"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/source/run"
)

// maxFindings bounds what is kept of a delivery: a product may have 2,048 variants on each route.
const maxFindings = 50

// Outcome is what became of a delivery.
type Outcome struct {
	// ID is the row of the delivery, by which it is replayed; 0 where none was made.
	ID    int64                     `json:"id,omitempty"`
	State persistence.DeliveryState `json:"state"`
	// Repeated says that the delivery came before, with this state.
	Repeated bool `json:"repeated,omitempty"`
	// Published counts mutations that are stored in the stream, Unchanged items that the
	// delivery did not change, Older those of which something newer was sent before.
	Published int `json:"published"`
	Unchanged int `json:"unchanged"`
	Older     int `json:"older"`
	// Reason says why the state is not accepted, or why nothing changed.
	Reason string `json:"reason,omitempty"`
	// Findings are what is wrong with single items, a bounded number.
	Findings []run.Finding `json:"findings,omitempty"`

	good, bad int             // items, on all routes, that can be sent and that cannot
	foreign   int             // records, on all routes, of another language than the route's
	first     string          // the first error
	wrong     map[string]bool // items that cannot be sent on some route
}

// find keeps a finding about a route's item. An error says that an item is not sent.
func (o *Outcome) find(route run.Route, itemID string, findings ...run.Finding) {
	for _, finding := range findings {
		finding.Route, finding.ItemID = route.String(), itemID
		if finding.Severity == "error" && o.first == "" {
			o.first = fmt.Sprintf("item %q, %s: %s", itemID, finding.Field, finding.Rule)
		}
		if len(o.Findings) < maxFindings {
			o.Findings = append(o.Findings, finding)
		}
	}
}

// refuse counts an item of a route that cannot be sent. The key is its id, or another one that
// no item has.
func (o *Outcome) refuse(key string) {
	if o.wrong == nil {
		o.wrong = make(map[string]bool)
	}
	o.wrong[key] = true
	o.bad++
}

// conclude sets the state. lacks says what the delivery should have and does not.
func (o *Outcome) conclude(lacks string) {
	o.State = persistence.DeliveryAccepted
	switch {
	case o.bad > 0 && lacks != "":
		o.Reason = lacks + "; " + o.notSent()
	case o.bad > 0:
		o.Reason = o.notSent()
	case lacks != "":
		o.Reason = lacks
	default:
		if o.foreign > 0 && o.Published+o.Unchanged+o.Older == 0 && o.Reason == "" {
			o.Reason = "the records are of another language than those of the routes"
		}
		return
	}
	o.State = persistence.DeliveryPartial
	if o.good == 0 {
		o.State = persistence.DeliveryRejected
	}
}

// notSent says which items cannot be sent, each once for all routes.
func (o *Outcome) notSent() string {
	if len(o.wrong) <= 1 {
		return "cannot be sent: " + o.first
	}
	return fmt.Sprintf("%d items cannot be sent, the first: %s", len(o.wrong), o.first)
}

// row is the outcome as it is kept.
func (o *Outcome) row() persistence.WebhookDelivery {
	row := persistence.WebhookDelivery{
		ID: o.ID, State: o.State, Published: o.Published, Unchanged: o.Unchanged, Older: o.Older, Reason: o.Reason,
	}
	if encoded, err := json.Marshal(o.Findings); err == nil && len(o.Findings) > 0 {
		row.Findings = encoded
	}
	return row
}
