package replay_test

import (
	"bytes"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgertest"
	"github.com/catalog-courier/catalog-courier/lab/embedded/natstest"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/queue"
	"github.com/catalog-courier/catalog-courier/replay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m), natstest.ServersOwn()...) }

// place is a database and a stream.
type place struct {
	store *persistence.Store
	pool  *pgxpool.Pool
	js    jetstream.JetStream
	lease ledger.Lease
	*replay.Replayer
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{lease: ledger.Lease{Token: uuid.New()}}
	var err error
	p.pool, err = persistence.Open(t.Context(), persistence.PoolConfig{URL: persistencetest.Database(t), MaxConns: 4})
	require.NoError(t, err)
	t.Cleanup(p.pool.Close)
	p.store, err = persistence.NewStore(p.pool, persistence.Config{})
	require.NoError(t, err)
	t.Cleanup(p.store.Close)
	require.NoError(t, p.store.EnsurePartitions(t.Context(), 1))
	_, err = p.pool.Exec(t.Context(), "update courier.lease set token = $1, last_transaction = $1", p.lease.Token)
	require.NoError(t, err)
	p.js = natstest.Start(t).JetStream(t)
	_, err = queue.Ensure(t.Context(), p.js, queue.StreamConfig{})
	require.NoError(t, err)
	p.Replayer = replay.New(replay.Options{
		Store: p.store, Publisher: publish.NewPublisher(p.js, publish.Options{}), Installation: "test", By: "ana",
	})
	return p
}

func (p *place) commit(t *testing.T, fill func(*ledger.Transaction)) {
	t.Helper()
	tx := ledgertest.Transaction(p.lease)
	fill(tx)
	require.NoError(t, p.store.Commit(t.Context(), p.lease, tx))
}

// refuse makes a dead letter of a message that broke a rule.
func (p *place) refuse(t *testing.T, sequence uint64, item string, reason catalog.Reason) {
	t.Helper()
	p.commit(t, func(tx *ledger.Transaction) {
		tx.Invalid = []ledger.InvalidMutation{{Mutation: ledgertest.Mutation(sequence, item), Problem: catalog.Problem{Reason: reason, Field: "price", Text: "no"}}}
	})
}

// letters are all dead letters, oldest first.
func (p *place) letters(t *testing.T) []persistence.DeadLetter {
	t.Helper()
	letters, err := p.store.DeadLetters(t.Context(), persistence.DeadLetterFilter{States: persistence.LetterStates()})
	require.NoError(t, err)
	return letters
}

func (p *place) stored(t *testing.T) uint64 {
	t.Helper()
	stream, err := p.js.Stream(t.Context(), queue.DefaultStreamName)
	require.NoError(t, err)
	return stream.CachedInfo().State.Msgs
}

// TestPreviewSaysWhatReplayDoes, and an unknown id keeps everything from being done.
func TestPreviewSaysWhatReplayDoes(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.refuse(t, 1, "a", catalog.WrongType)
	p.refuse(t, 2, "b", catalog.UnknownAccount)
	p.refuse(t, 3, "c", catalog.UnknownAccount)
	p.commit(t, func(tx *ledger.Transaction) {
		tx.Batches = []ledger.Batch{ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(4, "a")))}
	})
	letters := p.letters(t)
	_, err := p.pool.Exec(t.Context(), "update courier.dead_letter set lost = 5, body = '' where id = $1", letters[1].ID)
	require.NoError(t, err)

	preview, err := p.Preview(t.Context(), persistence.DeadLetterFilter{})
	require.NoError(t, err)
	require.Equal(t, replay.Preview{
		Letters: 3, Newer: 1, Lost: 1, Hopeless: 1, Published: 1,
		Reasons: map[catalog.Reason]int{catalog.WrongType: 1, catalog.UnknownAccount: 2},
	}, preview)
	require.Zero(t, p.stored(t))

	var unknown *replay.UnknownError
	_, err = p.Replay(t.Context(), persistence.DeadLetterFilter{IDs: []int64{letters[2].ID, 998, 999}})
	require.ErrorAs(t, err, &unknown)
	require.EqualError(t, err, "998, 999: no such dead letter")
	_, err = p.Dismiss(t.Context(), []int64{letters[2].ID, 999}, "x")
	require.ErrorAs(t, err, &unknown)
	_, err = p.Preview(t.Context(), persistence.DeadLetterFilter{IDs: []int64{999}})
	require.ErrorAs(t, err, &unknown)
	require.Zero(t, p.stored(t))

	result, err := p.Replay(t.Context(), persistence.DeadLetterFilter{})
	require.NoError(t, err)
	require.Equal(t, replay.Result{Replayed: 1, Newer: []replay.Skipped{{ID: letters[0].ID, ItemID: "a"}}, Lost: []replay.Skipped{{ID: letters[1].ID, ItemID: "b"}}}, result)
	require.EqualValues(t, 1, p.stored(t))
	replayed := p.letters(t)[2]
	require.Equal(t, persistence.LetterReplayed, replayed.State)
	require.Equal(t, "ana", replayed.ReplayedBy)
	require.Empty(t, replayed.ReplacedBy)
}

// TestEditPublishesOnceAsANewMutation that is noted in the letter.
func TestEditPublishesOnceAsANewMutation(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.refuse(t, 1, "a", catalog.WrongType)
	letter := p.letters(t)[0]
	body, err := replay.SetAttribute(letter.Message.Data, "price", `"1.00 EUR"`)
	require.NoError(t, err)

	_, err = p.Edit(t.Context(), letter.ID, letter.Message.Data, "")
	require.ErrorIs(t, err, replay.ErrUnchanged)
	var problem *catalog.Problem
	_, err = p.Edit(t.Context(), letter.ID, []byte(`{"item_id":"a","operation":"PATCH"}`), "")
	require.ErrorAs(t, err, &problem)
	require.Equal(t, catalog.UnknownOperation, problem.Reason)
	_, err = p.Edit(t.Context(), 999, body, "")
	require.EqualError(t, err, "999: no such dead letter")
	require.Zero(t, p.stored(t))

	edited, err := p.Edit(t.Context(), letter.ID, body, "")
	require.NoError(t, err)
	require.NotEqual(t, letter.MutationID, edited.MutationID)
	stream, err := p.js.Stream(t.Context(), queue.DefaultStreamName)
	require.NoError(t, err)
	stored, err := stream.GetMsg(t.Context(), 1)
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"`+edited.MutationID+`","item_id":"a","operation":"UPSERT","attributes":{"title":"number 1","price":"1.00 EUR"}}`, string(stored.Data))
	letter = p.letters(t)[0]
	require.Equal(t, edited.MutationID, letter.ReplacedBy)
	require.Equal(t, persistence.LetterReplayed, letter.State)
	require.Equal(t, ledgertest.Mutation(1, "a").Message.Data, letter.Message.Data, "the letter keeps what it was")

	_, err = p.Edit(t.Context(), letter.ID, bytes.Replace(body, []byte("1.00"), []byte("2.00"), 1), "")
	require.ErrorIs(t, err, replay.ErrNotOpen)
	require.ErrorContains(t, err, "it was edited, and published as mutation ")

	p.refuse(t, 2, "b", catalog.WrongType)
	_, err = p.Edit(t.Context(), p.letters(t)[1].ID, body, "")
	require.ErrorIs(t, err, replay.ErrOtherItem, "the body is about a")
	body = bytes.Replace(body, []byte(`"item_id":"a"`), []byte(`"item_id":"b"`), 1)
	p.commit(t, func(tx *ledger.Transaction) {
		tx.Batches = []ledger.Batch{ledgertest.Batch(ledgertest.Record(ledgertest.Mutation(3, "b")))}
	})
	letter = p.letters(t)[1]
	_, err = p.Edit(t.Context(), letter.ID, body, "")
	require.ErrorIs(t, err, replay.ErrNewerChanges)
	p.Force = true
	_, err = p.Edit(t.Context(), letter.ID, body, "")
	require.NoError(t, err)
	require.EqualValues(t, 2, p.stored(t))
}

// TestDismissAllTakesWhatIsOpen and matches.
func TestDismissAllTakesWhatIsOpen(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for i := range uint64(5) {
		p.refuse(t, i+1, string(rune('a'+i)), catalog.WrongType)
	}
	p.refuse(t, 6, "z", catalog.InvalidJSON)
	ids := []int64{p.letters(t)[0].ID}
	dismissed, err := p.Dismiss(t.Context(), ids, "sold out")
	require.NoError(t, err)
	require.Equal(t, 1, dismissed)
	dismissed, err = p.DismissAll(t.Context(), persistence.DeadLetterFilter{Reason: catalog.WrongType}, "old")
	require.NoError(t, err)
	require.Equal(t, 4, dismissed)
	letters := p.letters(t)
	require.Equal(t, "sold out", letters[0].DismissReason)
	require.Equal(t, "old", letters[4].DismissReason)
	require.Equal(t, persistence.LetterOpen, letters[5].State)
	result, err := p.Replay(t.Context(), persistence.DeadLetterFilter{})
	require.NoError(t, err)
	require.EqualValues(t, 1, result.Replayed, "what is dismissed is not replayed")
	result, err = p.Replay(t.Context(), persistence.DeadLetterFilter{IDs: ids, States: persistence.LetterStates()})
	require.NoError(t, err)
	require.EqualValues(t, 1, result.Replayed, "unless somebody asks for it")
}
