package console_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/console"
	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
	"github.com/catalog-courier/catalog-courier/status"
)

func TestMain(m *testing.M) { pgtest.Main(m).Run() }

// desk is a console on a real database.
type desk struct {
	pool    *pgxpool.Pool
	store   *persistence.Store
	audit   *persistence.Audit
	handler http.Handler
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	pool, err := persistence.Open(t.Context(), persistence.PoolConfig{URL: persistencetest.Database(t), MaxConns: 4})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	store, err := persistence.NewStore(pool, persistence.Config{})
	require.NoError(t, err)
	t.Cleanup(store.Close)
	require.NoError(t, store.EnsurePartitions(t.Context(), 4))
	require.NoError(t, store.RegisterAccounts(t.Context(), []persistence.Account{{Name: "shop-meta", Platform: "meta"}, {Name: "shop-pinterest", Platform: "pinterest"}}))
	audit := persistence.NewAudit(pool)
	pages, err := console.New(console.Options{
		Reader: status.NewReader(pool, status.Config{}), Letters: store, Audit: audit, Do: &console.Actions{Accounts: store}, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	return &desk{pool: pool, store: store, audit: audit, handler: pages.Handler()}
}

func (d *desk) get(path string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodGet, "http://localhost"+path, http.NoBody)
	answer := httptest.NewRecorder()
	d.handler.ServeHTTP(answer, request)
	return answer
}

func (d *desk) post(path string, form url.Values) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, "http://localhost"+path, strings.NewReader(form.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := httptest.NewRecorder()
	d.handler.ServeHTTP(answer, request)
	return answer
}

func (d *desk) actions(t *testing.T) []persistence.AuditEntry {
	t.Helper()
	entries, err := d.audit.List(t.Context(), persistence.AuditFilter{})
	require.NoError(t, err)
	return entries
}

// TestEveryPageOfAnEmptyDatabase: nothing is there yet, and every page says so.
func TestEveryPageOfAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, path := range []string{
		"/", "/issues", "/issues/items", "/items", "/items?q=x", "/dead-letters", "/dead-letters/groups", "/batches", "/accounts", "/accounts/shop-meta", "/sources",
		"/webhooks", "/workers", "/audit", "/issues?format=csv", "/dead-letters?format=csv", "/items?q=x&format=csv",
		"/batches?format=csv", "/accounts?format=csv", "/sources?format=csv", "/webhooks?format=csv", "/audit?format=csv", "/dead-letters/groups?format=csv",
		"/api/v1/accounts", "/api/v1/issues", "/api/v1/dead-letters", "/api/v1/batches", "/api/v1/series", "/api/v1/workers", "/api/v1/audit",
	} {
		answer := d.get(path)
		require.Equal(t, http.StatusOK, answer.Code, "%s: %s", path, answer.Body)
	}
	for _, path := range []string{
		"/item?id=x", "/mutation?id=x", "/batches/01a22495-0000-7000-8000-000000000001", "/accounts/nobody", "/runs/7", "/dead-letters/7", "/api/v1/item?id=x",
	} {
		require.Equal(t, http.StatusNotFound, d.get(path).Code, path)
	}
	require.Equal(t, http.StatusBadRequest, d.get("/batches/x").Code)
	require.Equal(t, http.StatusBadRequest, d.get("/api/v1/item/timeline?id=x&before=y").Code)
	require.Equal(t, http.StatusBadRequest, d.get("/items?q=x&after=!").Code)
}

func TestActionsAreWrittenDown(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	// Without a reason nothing is done, and nothing is written.
	require.Equal(t, http.StatusUnprocessableEntity, d.post("/accounts/shop-meta/pause", url.Values{"why": {"x"}}).Code)
	for _, wrong := range []url.Values{{"for": {"soon"}}, {"for": {"1ms"}}, {"until": {"2020-01-01T00:00Z"}}, {"until": {"soon"}}, {"for": {"2h"}, "until": {"2100-01-01T00:00Z"}}} {
		wrong.Set("why", "the shop moves")
		require.Equal(t, http.StatusBadRequest, d.post("/accounts/shop-meta/pause", wrong).Code, wrong)
	}
	require.Equal(t, http.StatusNotFound, d.post("/accounts/nobody/pause", url.Values{"why": {"the shop moves"}}).Code)
	require.Empty(t, d.actions(t))

	answer := d.post("/accounts/shop-meta/pause", url.Values{"why": {"the shop moves"}, "for": {"4h"}})
	require.Equal(t, http.StatusSeeOther, answer.Code)
	require.Contains(t, d.get(answer.Header().Get("Location")).Body.String(), "shop-meta is paused for 4 hours.")
	states, err := d.store.Accounts(t.Context(), []string{"shop-meta"})
	require.NoError(t, err)
	require.Equal(t, "paused", states["shop-meta"].State)
	require.WithinDuration(t, time.Now().Add(4*time.Hour), states["shop-meta"].ResumesAt, time.Minute)

	require.Equal(t, http.StatusOK, d.post("/api/v1/accounts/shop-meta/resume", url.Values{"why": {"it has moved"}}).Code)
	entries := d.actions(t)
	require.Len(t, entries, 2)
	require.Equal(t, "resume_account", entries[0].Action)
	pause := entries[1]
	require.Equal(t, []string{"pause_account", "shop-meta", "local", "none", "the shop moves", "done"}, []string{pause.Action, pause.Target, pause.Who, pause.How, pause.Reason, pause.Result})
	require.NotNil(t, pause.FinishedAt)
	require.Contains(t, d.get("/audit?action=pause_account").Body.String(), "the shop moves")
	require.NotContains(t, d.get("/audit?action=pause_account").Body.String(), "it has moved")

	// Of any length, and until a time.
	answer = d.post("/accounts/shop-meta/pause", url.Values{"why": {"the shop moves"}, "for": {"99h"}})
	require.Contains(t, d.get(answer.Header().Get("Location")).Body.String(), "shop-meta is paused for 4 days 3 hours.")
	answer = d.post("/accounts/shop-meta/pause", url.Values{"why": {"the shop moves"}, "until": {"2100-01-01T10:00"}})
	require.Contains(t, d.get(answer.Header().Get("Location")).Body.String(), "shop-meta is paused until 2100-01-01 10:00 UTC.")
	states, err = d.store.Accounts(t.Context(), []string{"shop-meta"})
	require.NoError(t, err)
	require.True(t, states["shop-meta"].ResumesAt.Equal(time.Date(2100, 1, 1, 10, 0, 0, 0, time.UTC)))
}

// TestNothingIsDoneWithoutARecord: an action that cannot be written down is not taken.
func TestNothingIsDoneWithoutARecord(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	_, err := d.pool.Exec(t.Context(), "ALTER TABLE courier.audit ADD CONSTRAINT full_disk CHECK (false) NOT VALID")
	require.NoError(t, err)
	require.Equal(t, http.StatusInternalServerError, d.post("/accounts/shop-meta/pause", url.Values{"why": {"the shop moves"}}).Code)
	states, err := d.store.Accounts(t.Context(), []string{"shop-meta"})
	require.NoError(t, err)
	require.NotEqual(t, "paused", states["shop-meta"].State)
}

// TestTheLogHasPages: the newest action first, without a gap.
func TestTheLogHasPages(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for range 60 {
		_, err := d.audit.Begin(t.Context(), persistence.Action{Who: "ala", How: "oidc", Name: "pause_account", Target: "shop-meta", Expected: 3, Reason: "why"})
		require.NoError(t, err)
	}
	first := d.get("/audit").Body.String()
	require.Equal(t, 50, strings.Count(first, "<tr><td data-label=\"When\">"))
	require.Contains(t, first, "/audit?before=11")
	require.Equal(t, 10, strings.Count(d.get("/audit?before=11").Body.String(), "<tr><td data-label=\"When\">"))
}

// TestTheDatabaseIsAway: programs and people are told to try again, by every endpoint.
func TestTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	server, err := embedded.StartPostgres(t.Context(), embedded.PostgresOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	_, err = persistence.Migrate(t.Context(), server.URL())
	require.NoError(t, err)
	pool, err := persistence.Open(t.Context(), persistence.PoolConfig{URL: server.URL(), MaxConns: 4})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	store, err := persistence.NewStore(pool, persistence.Config{})
	require.NoError(t, err)
	t.Cleanup(store.Close)
	pages, err := console.New(console.Options{
		Reader: status.NewReader(pool, status.Config{}), Letters: store, Audit: persistence.NewAudit(pool), Do: &console.Actions{Accounts: store}, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	d := &desk{handler: pages.Handler()}
	require.Equal(t, http.StatusOK, d.get("/api/v1/accounts").Code)
	require.NoError(t, server.Stop())

	paths := []string{"/", "/items?q=x", "/item?id=x", "/issues", "/batches", "/accounts", "/dead-letters", "/sources", "/webhooks", "/workers", "/audit"}
	document, err := openapi3.NewLoader().LoadFromFile("../schema/console.openapi.yaml")
	require.NoError(t, err)
	for path, item := range document.Paths.Map() {
		if item.Get == nil {
			continue
		}
		query := url.Values{}
		for _, p := range item.Get.Parameters {
			example := fmt.Sprint(p.Value.Schema.Value.Examples[0])
			switch {
			case p.Value.In == "path":
				path = strings.Replace(path, "{"+p.Value.Name+"}", example, 1)
			case p.Value.Required:
				query.Set(p.Value.Name, example)
			}
		}
		paths = append(paths, path+"?"+query.Encode())
	}
	require.Greater(t, len(paths), 30)
	for _, path := range paths {
		answer := d.get(path)
		require.Equal(t, http.StatusServiceUnavailable, answer.Code, "%s: %s", path, answer.Body)
		require.NotEmpty(t, answer.Header().Get("Retry-After"), path)
		if strings.HasPrefix(path, "/api/") {
			require.Equal(t, "application/problem+json", answer.Header().Get("Content-Type"), path)
			require.Contains(t, answer.Body.String(), `"detail":"The database does not answer.`)
		}
	}
	answer := d.post("/api/v1/accounts/shop-meta/pause", url.Values{"why": {"the shop moves"}})
	require.Equal(t, http.StatusServiceUnavailable, answer.Code)
}
