package service

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestOneLineForManyPartitions: one for each thing that happened, with how many it happened to.
func TestOneLineForManyPartitions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		together := newTogether(slog.New(slog.NewTextHandler(&out, nil)))
		for partition := range 64 {
			together.add(t.Context(), "restored", partition, time.Duration(partition)*time.Second)
			time.Sleep(10 * time.Millisecond)
		}
		together.add(t.Context(), "lost", 7, 0)
		time.Sleep(2 * settling)
		synctest.Wait()
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		require.Len(t, lines, 2)
		require.Contains(t, lines[0], "msg=restored partitions=64 which=\"[0 1 2")
		require.Contains(t, lines[0], "nothing_is_sent_for=1m3s")
		require.Contains(t, lines[1], "msg=lost partitions=1 which=[7]")

		out.Reset()
		for range 1000 { // it is said although there is no end of it
			together.add(t.Context(), "restored", 1, 0)
			time.Sleep(settling / 2)
		}
		synctest.Wait()
		require.Positive(t, strings.Count(out.String(), "\n"))
		together.close(t.Context())
		said := out.String()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, said, out.String(), "nothing comes after the end")
	})
}
