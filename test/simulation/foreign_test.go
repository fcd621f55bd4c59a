package simulation

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue/queuemodel"
)

// bind has the stream and the ledger name each other, as the first start does.
func (w *world) bind() {
	identity := ledger.StreamIdentity{Stream: w.id("stream"), Installation: w.id("installation")}
	if err := w.stream.Bind(w.tb.Context(), identity); err != nil {
		w.tb.Fatal(err)
	}
	w.ledger.Record(identity)
}

// id follows from the seed.
func (w *world) id(of string) string {
	return uuid.NewSHA1(uuid.Nil, []byte(fmt.Sprint(w.seed, of))).String()
}

const foreignPrefix = "foreign"

// foreignStream is another installation's, with accounts and items of the same names.
func (w *world) foreignStream() *queuemodel.Stream {
	other := queuemodel.New(w.plan.partitions)
	if err := other.Bind(w.tb.Context(), ledger.StreamIdentity{Stream: w.id("foreign stream"), Installation: w.id("elsewhere")}); err != nil {
		w.tb.Fatal(err)
	}
	for i := range w.random.IntN(2 * w.plan.mutations) {
		account, _ := w.account(w.random.IntN(w.plan.accounts))
		_, err := other.Publish(publish.Mutation{
			ID: fmt.Sprint(foreignPrefix, i), Account: account, Catalog: "c", Type: w.typeOf(account),
			ItemID: fmt.Sprint("i", w.random.IntN(w.plan.items)), Operation: catalog.Delete,
		})
		if err != nil {
			w.tb.Fatal(err)
		}
	}
	return other
}

// replaceStream has the address lead to another stream for a while, to which workers
// reconnect and at which others start. Then it leads back, and a worker is started by
// hand: those that ended do not come back.
func (w *world) replaceStream() {
	w.log.add("world", "puts another stream in the place of the stream", "")
	w.disturb()
	back := w.stream.Replace(w.foreignStream())
	for range 1 + w.random.IntN(2) {
		w.pass(time.Duration(w.random.Int64N(int64(15 * time.Second))))
		if w.random.IntN(2) == 0 {
			w.start()
		}
	}
	w.log.add("world", "brings the stream back", "")
	w.disturb()
	back()
	w.start()
}
