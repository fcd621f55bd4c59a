package oracle

import "time"

// Event is an outcome event, as a consumer of the stream gets it.
type Event struct {
	Key    Key // of the message whose outcome it tells
	ID     string
	Status string
	// FinishedAt is when the mutation became final, as the event says.
	FinishedAt time.Time
}

// checkEvents is E1: of each final mutation at least one event was published, and none
// says anything else than its row. A stream that was restored from an older copy has lost
// events; a database that was restored has forgotten what it told.
func (v *Verdict) checkEvents(h *History) {
	if !h.Told {
		return
	}
	rows := make(map[Key]Row, len(h.Rows))
	for _, r := range h.Rows {
		rows[r.Key] = r
	}
	told, ids := make(map[Key]bool, len(h.Events)), make(map[string]Event, len(h.Events))
	for _, e := range h.Events {
		if same, repeated := ids[e.ID]; repeated && (same.Key != e.Key || same.Status != e.Status) {
			v.addf(OutcomesAreTold, "two events with one id: %+v and %+v", same, e)
		}
		ids[e.ID] = e
		r, known := rows[e.Key]
		switch {
		case e.FinishedAt.Before(h.Restored):
		case !known:
			v.addf(OutcomesAreTold, "an event of no row: %+v", e)
		case r.Status != e.Status:
			v.addf(OutcomesAreTold, "an event contradicts its row: %+v and %+v", e, r)
		}
		if known && r.Status == e.Status {
			told[e.Key] = true
		}
	}
	for _, r := range h.Rows {
		if Final(r.Status) && !told[r.Key] && !h.Rewound && !r.FinishedAt.Before(h.Restored) {
			v.addf(OutcomesAreTold, "a final mutation has no event: %+v", r)
		}
	}
}
