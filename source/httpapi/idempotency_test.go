package httpapi

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/message"
)

const remove = `{"item_id":"a","operation":"DELETE"}`

func TestAKeyNamesTheMutationsOfItsRequest(t *testing.T) {
	t.Parallel()
	a := start(t, setup{})
	body := "\n" + remove + "\n" + `{"id":"own","item_id":"b","operation":"DELETE"}` + "\n" + strings.Replace(remove, `"a"`, `"c"`, 1)
	got := a.do(call{body: body, header: map[string]string{headerKey: "run-7"}}).accepted(t)
	require.Regexp(t, `^run-7-[0-9a-f]{16}/2$`, got.IDs[0])
	require.Equal(t, "own", got.IDs[1])
	require.Equal(t, strings.TrimSuffix(got.IDs[0], "/2")+"/4", got.IDs[2])
	require.Equal(t, got.IDs, idsOf(a.mutations()))

	quoted := a.do(call{body: body, header: map[string]string{headerKey: `"run-7"`}}).accepted(t)
	require.Equal(t, got.IDs, quoted.IDs, "the quotes of the draft are not of the key")
	require.Len(t, a.stored(), 3)
}

// TestAKeyWithAnotherBody: the server that saw the first says so; another server stores the
// second under its own ids, so nothing is lost.
func TestAKeyWithAnotherBody(t *testing.T) {
	t.Parallel()
	a := start(t, setup{})
	header := map[string]string{headerKey: "run-7"}
	a.do(call{body: remove, header: header}).accepted(t)
	a.do(call{body: remove + "\n" + remove, header: header}).problem(t, kindKeyReused)
	require.Len(t, a.stored(), 1)

	other := a.do(call{body: remove, header: header, path: "/v1/mutations/acme/de/RETAIL"})
	require.Equal(t, http.StatusAccepted, other.status, "another path is another request")
	admin := a.do(call{body: `{"item_id":"z","operation":"DELETE"}`, header: header, token: "Bearer " + anyToken})
	require.Equal(t, http.StatusAccepted, admin.status, "keys belong to their caller")

	restarted, err := New(a.server.options)
	require.NoError(t, err)
	require.NoError(t, a.stop())
	a.serve(Serving{}, restarted.Handler())
	a.do(call{body: `{"item_id":"b","operation":"DELETE"}`, header: header}).accepted(t)
	require.Equal(t, []string{"a", "a", "z", "b"}, itemsOf(a.mutations()))
	a.do(call{body: remove, header: map[string]string{headerKey: "run-8"}}).accepted(t)
}

func TestARefusedRequestDoesNotUseItsKey(t *testing.T) {
	t.Parallel()
	a := start(t, setup{})
	header := map[string]string{headerKey: "run-7"}
	a.do(call{body: "{}", header: header}).problem(t, kindInvalidLines)
	a.do(call{body: remove, header: header}).accepted(t)
}

func TestKeysThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", `""`, "a b", "é", `a"b`, `"a`, "a\\b", "a\x01", strings.Repeat("k", maxKey+1), "a\x7f"} {
		_, refused := idempotencyKey(http.Header{headerKey: {key}})
		require.NotNil(t, refused, "%q", key)
		require.Equal(t, kindParameter, refused.kind)
	}
	_, refused := idempotencyKey(http.Header{headerKey: {"a", "a"}})
	require.NotNil(t, refused)
	longest := strings.Repeat("k", maxKey)
	key, refused := idempotencyKey(http.Header{headerKey: {`"` + longest + `"`}})
	require.Nil(t, refused)
	require.Equal(t, longest, key)
	id := pack(key, digest{}) + "/" + strconv.Itoa(DefaultMaxBody) // more lines than any request has
	require.Nil(t, message.CheckID("id", id))
}

func TestKeysAreForgottenWithTheWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory := newKeyMemory(2 * time.Minute)
		to := catalog.Lane{Account: "acme"}
		use := func(key string, body byte) (seen, conflict bool) { return memory.use("shop", key, to, digest{body}) }
		seen, conflict := use("k", 1)
		require.Equal(t, [2]bool{false, false}, [2]bool{seen, conflict})
		time.Sleep(2*time.Minute - time.Nanosecond)
		seen, conflict = use("k", 1)
		require.Equal(t, [2]bool{true, false}, [2]bool{seen, conflict})
		seen, conflict = use("k", 2)
		require.Equal(t, [2]bool{false, true}, [2]bool{seen, conflict})
		time.Sleep(time.Nanosecond)
		seen, conflict = use("k", 2)
		require.Equal(t, [2]bool{false, false}, [2]bool{seen, conflict})
	})
}

func TestTheMemoryOfKeysIsBounded(t *testing.T) {
	t.Parallel()
	memory := newKeyMemory(time.Hour)
	for i := range maxKeys + 10 {
		memory.use("shop", strconv.Itoa(i), catalog.Lane{}, digest{1})
	}
	require.Len(t, memory.bodies, maxKeys)
	_, conflict := memory.use("shop", strconv.Itoa(maxKeys+9), catalog.Lane{}, digest{2})
	require.True(t, conflict)
	_, conflict = memory.use("shop", "0", catalog.Lane{}, digest{2})
	require.False(t, conflict, "the oldest is forgotten")
	require.Len(t, memory.bodies, maxKeys)
}
