package service_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/publish"
	"github.com/catalog-courier/catalog-courier/replay"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// packOf are the headers of a pack.
func packOf(id string) nats.Header {
	return nats.Header{"Content-Type": {message.PackContentType}, "Content-Encoding": {message.PackEncoding}, "Nats-Msg-Id": {id}}
}

// TestPacks: the lines of packs are delivered as messages of their own are; a bad line is one
// dead letter, which is replayed alone, and so is one that the platform refuses; what cannot be
// read is one as well; and a pack of nothing but bad lines delays nothing.
func TestPacks(t *testing.T) {
	t.Parallel()
	rules := []sandbox.ItemRule{{Contains: "refused", Action: sandbox.RefuseItem, Message: "The price is far too low."}}
	env := rig.Start(t, rig.Options{Pinterest: sandbox.Options{Rules: rules}, PackLines: publish.DefaultPackLines})
	const subject = "catalog.mutations.acme-pinterest.us.RETAIL"
	line := func(item, title string) string {
		attributes, err := json.Marshal(rig.Whole("RETAIL", title))
		require.NoError(t, err)
		return `{"item_id":"` + item + `","operation":"UPSERT","attributes":` + string(attributes) + `}`
	}
	mixed := strings.Join([]string{
		line("twice", "older"), line("once", "alone"), `{"item_id":`, line("refused", "cheap"), line("twice", "newer"),
		strings.Replace(line("named", "own id"), "{", `{"id":"named",`, 1),
	}, "\r\n")
	sequence := env.PublishRaw(subject, string(message.CompressPack([]byte(mixed))), packOf("mixed"))
	hostile := strings.Repeat("x\n", message.MaxPackLines)
	env.PublishRaw(subject, string(message.CompressPack([]byte(hostile))), packOf("hostile"))
	env.PublishRaw(subject, "this is not zstd", packOf("unreadable"))
	began := time.Now()
	env.StartWorker("a", rig.WorkerOptions{})
	ids := env.Publish(upserts(rig.Retail, "many", 1200)...)
	env.AwaitStatus(ids[1199], "succeeded", patience)
	t.Logf("what was published behind a pack of %d bad lines was delivered after %s", message.MaxPackLines, time.Since(began).Round(time.Millisecond))
	env.AwaitFinal(6+message.MaxPackLines+1+1200, 2*patience)

	for id, status := range map[string]string{
		"mixed/1": "superseded", "mixed/2": "succeeded", "mixed/3": "invalid", "mixed/4": "failed", "mixed/5": "succeeded", "named": "succeeded",
		"hostile/1": "invalid", "hostile/10000": "invalid", "unreadable": "invalid",
	} {
		require.Equal(t, status, env.StatusOf(id).Status, id)
	}
	place := env.StatusOf("mixed/4").Position
	require.Equal(t, sequence, place.Sequence)
	require.Equal(t, 4, place.Line)
	require.Contains(t, env.Items(rig.Retail)["twice"], "newer")

	letter := func(id string) persistence.DeadLetter {
		letters, err := env.Store.DeadLetters(t.Context(), persistence.DeadLetterFilter{MutationID: id})
		require.NoError(t, err)
		require.Len(t, letters, 1)
		return letters[0]
	}
	bad := letter("mixed/3")
	require.Equal(t, `{"item_id":`, string(bad.Message.Data), "the message is the line")
	require.Equal(t, catalog.InvalidJSON, bad.Reason)
	unreadable := letter("unreadable")
	require.Equal(t, "this is not zstd", string(unreadable.Message.Data))
	require.Equal(t, catalog.BadPack, unreadable.Reason)
	refused := letter("mixed/4")
	again, err := replay.Republication(&refused, "test")
	require.NoError(t, err)
	require.Empty(t, again.Headers, "nothing says that it is a pack")
	env.PublishRaw(again.Subject, string(again.Data), nats.Header{"Nats-Msg-Id": {again.ID}})
	env.AwaitFinal(6+message.MaxPackLines+1+1200+1, patience)
	final := env.StatusOf("mixed/4")
	require.Equal(t, "failed", final.Status, "the same change is refused again")
	require.Greater(t, final.Position.Sequence, place.Sequence)
	require.Zero(t, final.Position.Line, "it is a message of its own now")
	env.CheckInvariants()
}
