package delivery

import (
	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/platform"
)

// FollowedHandle names a handle of an open batch.
type FollowedHandle struct {
	Batch  uuid.UUID
	Handle string
}

// Followed lists where the handles of open batches were given, for the engine that goes
// on under another configuration. moved reports whether the lane's batches go to
// another place there: what did not move is left out, unless it was given at a third
// place before. It must not be called before Run has returned.
func (e *Engine) Followed(moved func(lane catalog.Lane) bool) map[FollowedHandle]platform.Endpoint {
	followed := map[FollowedHandle]platform.Endpoint{}
	for id, f := range e.batches.byID {
		for _, h := range f.handles {
			if h.former || moved(f.lane.key) {
				followed[FollowedHandle{Batch: id, Handle: h.name}] = h.endpoint
			}
		}
	}
	return followed
}
