package main

import (
	"context"
	"errors"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/test/evidence"
	"github.com/catalog-courier/catalog-courier/test/oracle"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// judge has the oracle judge the run, and returns the status of each mutation. The
// platforms are honest here: what succeeded must be taken one at a time too, and each
// record that they applied is a success.
func judge(ctx context.Context, service *rig.Servers, streams []*stream, succeeded map[string]int) (statuses map[string]string, broken, err error) {
	rows, err := evidence.Statuses(ctx, service.Database)
	if err != nil {
		return nil, nil, err
	}
	h := &oracle.History{Strict: true}
	statuses = make(map[string]string, len(rows))
	for _, r := range rows {
		h.Rows = append(h.Rows, r.Row(oracle.Key{ID: r.MutationID}))
		statuses[r.MutationID] = r.Status
	}
	lanes := make([]catalog.Lane, 0, len(streams))
	for _, s := range streams {
		lanes = append(lanes, s.lane)
		for _, m := range s.mutations {
			h.Messages = append(h.Messages, oracle.Message{Key: oracle.Key{ID: m.ID}, Mutation: m})
		}
	}
	for _, violation := range service.Judge(h, lanes, succeeded).Violations {
		broken = errors.Join(broken, errors.New(violation.String()))
	}
	return statuses, broken, nil
}
