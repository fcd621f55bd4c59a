package service

import (
	"context"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/itemindex"
)

// openItemIndex adds the index of items to the consumers of the outbox.
func (w *worker) openItemIndex(s *surroundings) {
	index := itemindex.New(s.store, itemindex.Limit(), w.log)
	consumer := index.Consumer()
	consumer.Failed = func(error) { w.observer.instruments.EventsFailed(w.observer.nowhere, itemindex.Name) }
	w.consumers.all = append(w.consumers.all, consumer)
	w.consumers.maintain = index.Maintain
}

// maintainIndex fills the index and notes the quotas until ctx ends: one worker does it for
// all, the owner of the maintenance partition.
func (w *worker) maintainIndex(ctx context.Context, lease ledger.Lease) {
	if w.consumers.maintain != nil {
		w.consumers.maintain(ctx, lease)
	}
}
