package service_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// TestAWaitingRowThatCannotBeRead is a dead letter, and the rest of its lane goes on.
func TestAWaitingRowThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]string{
		"no payload":            `'\x'`,
		"no zstd":               `'\x00112233'`,
		"the payload of a kind": `'\x28b52ffd0401000000ffffffff'`,
		"another's":             `(select payload from courier.waiting order by sequence desc limit 1)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := rig.Start(t, rig.Options{})
			first := env.StartWorker("a", rig.WorkerOptions{})
			env.Await("the account is known", patience, func() bool { return env.Store.PauseAccount(t.Context(), rig.PinterestAccount, "a test") == nil })
			ids := env.Publish(upserts(rig.Retail, "item", 5)...)
			for _, id := range ids {
				env.AwaitStatus(id, "waiting", patience)
			}
			require.NoError(t, first.Stop())
			_, err := env.DB.Exec(t.Context(), "update courier.waiting set payload = "+damage+" where sequence = (select stream_sequence from courier.mutation_status where mutation_id = $1)", ids[2])
			require.NoError(t, err)
			require.NoError(t, env.Store.ResumeAccount(t.Context(), rig.PinterestAccount))
			second := env.StartWorker("b", rig.WorkerOptions{})
			for i, id := range ids {
				if i != 2 {
					env.AwaitStatus(id, "succeeded", patience)
				}
			}
			env.AwaitStatus(ids[2], "invalid", patience)
			letter := awaitLetter(t, env, ids[2])
			require.Equal(t, catalog.Unrecordable, letter.Reason)
			require.Equal(t, "item-2", letter.ItemID)
			require.Positive(t, letter.Message.Lost)
			require.Zero(t, env.Count("select count(*) from courier.waiting"))
			require.Zero(t, second.Log.Count("the partition stopped"))
			require.NoError(t, second.Stop())
		})
	}
}

// TestABatchThatCannotBeRead is followed as far as it was sent; what the platform does
// not say is unconfirmed, and the partition goes on.
func TestABatchThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, forget := range map[string]bool{"with its handle": false, "without its handle": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := rig.Start(t, rig.Options{Pinterest: sandbox.Options{Delay: 4500 * time.Millisecond}})
			first := env.StartWorker("a", rig.WorkerOptions{})
			ids := env.Publish(upserts(rig.Retail, "item", 3)...)
			env.Await("it is sent", patience, func() bool {
				return env.Count("select count(*) from courier.attempt where result = 1") == 1
			})
			require.NoError(t, first.Stop())
			_, err := env.DB.Exec(t.Context(), `update courier.batch set payload = '\x00'`)
			require.NoError(t, err)
			if forget {
				_, err = env.DB.Exec(t.Context(), "delete from courier.attempt")
				require.NoError(t, err)
			}
			second := env.StartWorker("b", rig.WorkerOptions{})
			later := env.Publish(upserts(rig.Retail, "later", 3)...)
			want := "succeeded"
			if forget {
				want = "unconfirmed"
			}
			for _, id := range ids {
				env.AwaitStatus(id, want, patience)
			}
			for _, id := range later {
				env.AwaitStatus(id, "succeeded", patience)
			}
			require.Equal(t, forget, len(deadLetters(t, env)) == 3)
			require.Zero(t, second.Log.Count("the partition stopped"))
			require.NoError(t, second.Stop())
		})
	}
}
