package delivery

import (
	"log/slog"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
)

// noteAnswer logs what an answer says that belongs to no record. What is said of a
// handle again and again is logged once.
func (e *Engine) noteAnswer(f *openBatch, h *handle, note string) {
	if note == "" || (h != nil && h.note == note) {
		return
	}
	if h != nil {
		h.note = note
	}
	e.log.InfoContext(e.calls.ctx, "a platform's answer was understood only in part", slog.String("batch_id", f.batch.ID.String()),
		slog.String("account", f.batch.Lane.Account), slog.String("note", note))
}

// explained is a verdict that says why nothing is known of a record: where the answers
// say nothing of it, what became of the batch does.
func (f *openBatch) explained(v platform.Verdict) platform.Verdict {
	if v.Outcome != platform.Unknown || len(v.Errors) > 0 {
		return v
	}
	for _, h := range f.handles {
		if h.message != "" {
			v.Errors = []ledger.Issue{{Message: h.message}}
		}
	}
	return v
}
