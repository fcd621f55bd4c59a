package service_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// TestTroubleOfOneAccount (I6): an account whose platform never answers, one that is
// paused and one that floods delay another by a bounded time. The slowest of ten parts
// of its mutations counts, beside a quiet run in the same environment.
func TestTroubleOfOneAccount(t *testing.T) {
	t.Parallel()
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	t.Cleanup(func() { silent.CloseClientConnections(); silent.Close() })
	settings, lanes := rig.Settings{}, map[string]catalog.Lane{}
	for i, name := range []string{"silent", "paused", "flooding"} {
		settings["accounts."+name+".platform"] = "meta"
		settings["accounts."+name+".access_token"] = "token-" + name
		settings["accounts."+name+".catalogs.products"] = map[string]any{"catalog_id": strconv.Itoa(7000 + i)}
		lanes[name] = catalog.Lane{Account: name, Catalog: "products", Type: "PRODUCT_ITEM"}
	}
	settings["accounts.silent.base_url"] = silent.URL + "/v25.0"
	env := rig.Start(t, rig.Options{Settings: settings})
	w := env.StartWorker("a", rig.WorkerOptions{})
	w.AwaitLog("partition acquired", patience)
	quiet := slowest(env, "quiet")

	_, err := env.DB.Exec(t.Context(), `UPDATE courier.account SET state = 'paused', by_hand = true WHERE name = 'paused'`)
	require.NoError(t, err)
	for name, count := range map[string]int{"silent": 300, "paused": 300, "flooding": 5000} {
		env.Publish(upserts(lanes[name], name, count)...)
	}
	busy := slowest(env, "busy")
	t.Logf("the slowest part: %s in quiet, %s beside the others", quiet, busy)
	require.Less(t, busy, 2*quiet+5*time.Second, "bounded, on a busy machine too")
	require.Zero(t, env.Count(`SELECT count(*) FROM courier.mutation_status WHERE account = 'silent' AND status = 'succeeded'`))
}

// slowest publishes a hundred mutations of the environment's Meta account in ten parts, and
// tells the longest time that the last of a part took from publishing to its end.
func slowest(env *rig.Env, prefix string) time.Duration {
	var worst time.Duration
	for part := range 10 {
		ids := env.Publish(upserts(rig.Products, fmt.Sprint(prefix, "-", part), 10)...)
		last := env.AwaitStatus(ids[len(ids)-1], "succeeded", patience)
		worst = max(worst, last.FinishedAt.Sub(last.PublishedAt))
	}
	return worst
}
