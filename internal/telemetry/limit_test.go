package telemetry_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/telemetry"
)

// lockedBuffer is written by the log's own timers too.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

func (b *lockedBuffer) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buffer.Reset()
}

// TestAFloodOfWarningsIsSummedUp: the first are logged, the rest is counted, for each
// kind and account, and no flood of one hides another.
func TestAFloodOfWarningsIsSummedUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		log := telemetry.NewLogger(&out, "json", slog.LevelInfo)
		const flood = 10_000
		for i := range flood {
			log.Warn("bad message", slog.String("account", "one"), slog.Int("n", i))
			log.With(slog.String("account", fmt.Sprintf("invented-%d", i))).Warn("unknown account")
			log.Error("no account at all")
			log.Info("information is not limited")
		}
		log.Warn("bad message", slog.String("account", "two"))
		log.Warn("another kind", slog.String("account", "one"))
		require.Equal(t, flood, strings.Count(out.String(), "information is not limited"))
		text := strings.ReplaceAll(out.String(), "information", "")
		require.Equal(t, 6, strings.Count(text, "bad message"), "five of one account, and one of another")
		require.Equal(t, 100, strings.Count(text, "unknown account"))
		require.Equal(t, 100, strings.Count(text, "no account at all"))
		require.Equal(t, 1, strings.Count(text, "another kind"))
		require.NotContains(t, text, "were not logged")

		out.Reset()
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		require.Contains(t, out.String(), `"message":"bad message","lines":9995,"account":"one"`)
		require.Contains(t, out.String(), `"message":"unknown account","lines":9900,"account":"(several)"`)
		require.Contains(t, out.String(), `"message":"no account at all","lines":9900`)
		require.Equal(t, 3, strings.Count(out.String(), "\n"))

		out.Reset()
		log.Warn("bad message", slog.String("account", "one"))
		require.Contains(t, out.String(), "bad message", "the next window")
	})
}
