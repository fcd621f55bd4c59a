package delivery

import "log/slog"

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
