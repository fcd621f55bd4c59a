package sources_test

import (
	"context"
	"slices"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/test/evidence"
)

// ChangeItems may end between publishing and keeping.
func (h *history) ChangeItems(ctx context.Context, route int32, ids []string,
	change func(ctx context.Context, known map[string]persistence.SourceItem) ([]persistence.SourceItem, error),
) error {
	return h.Sources.ChangeItems(ctx, route, ids, func(ctx context.Context, known map[string]persistence.SourceItem) ([]persistence.SourceItem, error) {
		states, err := change(ctx, known)
		h.mu.Lock()
		defer h.mu.Unlock()
		if err == nil && h.commitsLeft == 0 {
			return nil, errCrash
		}
		h.commitsLeft--
		return states, err
	})
}

// send is the stream: what has an id that it had before is dropped.
func (h *history) send(ctx context.Context, mutations []publish.Mutation) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.messagesLeft >= 0 && h.messagesLeft < len(mutations) {
		if err := h.store(ctx, mutations[:h.messagesLeft]); err != nil {
			return err
		}
		return errCrash
	}
	h.messagesLeft -= len(mutations)
	return h.store(ctx, mutations)
}

func (h *history) store(ctx context.Context, mutations []publish.Mutation) error {
	if len(mutations) == 0 {
		return nil
	}
	if h.stream != nil {
		return h.publish(ctx, mutations)
	}
	for _, m := range mutations {
		publication, err := m.Publication()
		if err != nil {
			return err
		}
		if h.seen[publication.ID] {
			continue
		}
		h.seen[publication.ID] = true
		h.sequence++
		if err := h.apply(evidence.Decode(publication, publish.Result{Sequence: h.sequence}, h.now)); err != nil {
			return err
		}
	}
	return nil
}

// apply has a platform take a mutation.
func (h *history) apply(m *catalog.Mutation) error {
	return h.sims[slices.Index(historyLanes[:], m.Lane)].Apply(catalogKey, m.Lane.Type, m)
}

// consume has the platforms take what is new in the real stream.
func (h *history) consume(t *rapid.T) {
	if h.stream == nil {
		return
	}
	info, err := h.stream.Info(context.Background())
	require.NoError(t, err)
	for h.sequence < info.State.LastSeq {
		h.sequence++
		stored, err := h.stream.GetMsg(context.Background(), h.sequence)
		require.NoError(t, err)
		var decoder message.Decoder
		for _, arrival := range decoder.DecodeAll(nil, message.Raw{
			Subject: stored.Subject, Headers: stored.Header, Data: stored.Data, Time: stored.Time, Position: catalog.Position{Sequence: stored.Sequence},
		}) {
			require.Nil(t, arrival.Problem)
			require.NoError(t, h.apply(arrival.Mutation))
		}
	}
}
