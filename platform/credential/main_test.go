package credential_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/lab/embedded/pgtest"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
	"github.com/catalog-courier/catalog-courier/platform/credential"
	"github.com/catalog-courier/catalog-courier/platform/pinterest"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Main(m)) }

// What must never be seen anywhere.
const (
	clientSecret = "canary-client-secret-51c0"
	firstRefresh = "pinr_canary-refresh-77aa"
	firstKey     = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	secondKey    = "//////////////////////////////////////////8="
)

func simulated() sandbox.OAuth {
	return sandbox.OAuth{ClientID: "app", ClientSecret: clientSecret, RefreshToken: firstRefresh, Rotate: true}
}

// bed is a simulated platform and a database that several workers share.
type bed struct {
	tb        testing.TB
	pinterest *pinterestsim.Platform
	store     credential.Store
	pool      *pgxpool.Pool
	log       *logged
}

func newBed(tb testing.TB, oauth sandbox.OAuth) *bed {
	tb.Helper()
	pool, err := persistence.Open(tb.Context(), persistence.PoolConfig{URL: persistencetest.Database(tb), MaxConns: 6})
	require.NoError(tb, err)
	tb.Cleanup(pool.Close)
	store, err := persistence.NewStore(pool, persistence.Config{})
	require.NoError(tb, err)
	tb.Cleanup(store.Close)
	return bedOn(tb, oauth, store, pool)
}

func bedOn(tb testing.TB, oauth sandbox.OAuth, store credential.Store, pool *pgxpool.Pool) *bed {
	tb.Helper()
	b := &bed{
		tb: tb, store: store, pool: pool, log: &logged{},
		pinterest: pinterestsim.New(sandbox.Options{OAuth: oauth}),
	}
	tb.Cleanup(b.pinterest.Close)
	return b
}

func keys(tb testing.TB, current, former string) *credential.Keyring {
	tb.Helper()
	ring, err := credential.ParseKeys(current, former)
	require.NoError(tb, err)
	return ring
}

// worker is one worker's source. It is not looked after: nothing happens but what
// calls cause.
func (b *bed) worker(edits ...func(*credential.OAuthConfig)) *credential.OAuth {
	b.tb.Helper()
	c := credential.OAuthConfig{
		OAuth: pinterest.Descriptor().OAuth,
		URL:   "http://pinterest.test/v5/oauth/token", ClientID: "app", ClientSecret: config.NewSecret(clientSecret),
		RefreshToken: config.NewSecret(firstRefresh), Keys: keys(b.tb, firstKey, ""), Store: b.store,
		HTTP:   &http.Client{Transport: sandbox.Transport(b.pinterest)},
		Logger: slog.New(slog.NewJSONHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, edit := range edits {
		edit(&c)
	}
	source := credential.NewOAuth(c)
	b.tb.Cleanup(func() { end(source) })
	return source
}

// end waits until nothing is under way any more.
func end(source *credential.OAuth) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	source.Run(ended)
}

func (b *bed) token(source credential.Source) string {
	b.tb.Helper()
	token, err := source.Token(b.tb.Context())
	require.NoError(b.tb, err)
	return token
}

// change changes the row, such as to let time pass.
func (b *bed) change(set string) {
	b.tb.Helper()
	tag, err := b.pool.Exec(b.tb.Context(), "UPDATE courier.credential SET "+set)
	require.NoError(b.tb, err)
	require.Equal(b.tb, int64(1), tag.RowsAffected())
}

// past lets a minute and more pass since the last renewal.
const past = "refreshed_at = refreshed_at - interval '2 minutes'"

func (b *bed) await(what string, condition func() bool) {
	b.tb.Helper()
	deadline, look := time.NewTimer(30*time.Second), time.NewTicker(20*time.Millisecond)
	defer deadline.Stop()
	defer look.Stop()
	for !condition() {
		select {
		case <-look.C:
		case <-deadline.C:
			b.tb.Fatalf("not in time: %s\n%s", what, b.log.String())
		}
	}
}

// logged keeps what is logged.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

var _ io.Writer = (*logged)(nil)

func (l *logged) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) count(words string) int { return strings.Count(l.String(), words) }
