package clock_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/test/chaos/clock"
)

// watch prints the wall clock, and what the monotonic clock says since the start,
// once for each line that it reads.
const watch = `package main

import (
	"bufio"
	"fmt"
	"os"
	"time"
)

func main() {
	start := time.Now()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(time.Now().Unix(), int64(time.Since(start)/time.Second))
	}
}
`

// TestASetClock: the wall clock is what was set, before and during the run, and the
// monotonic clock is right all the time.
func TestASetClock(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "main.go"), []byte(watch), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "go.mod"), []byte("module watch\n\ngo 1.26\n"), 0o600))
	program := filepath.Join(folder, "watch")
	require.NoError(t, clock.Build(t.Context(), folder, ".", program, filepath.Join(folder, "overlay")))

	file := filepath.Join(folder, "offset")
	const ahead, behind = 95 * 24 * time.Hour, -95 * 24 * time.Hour
	command := exec.CommandContext(t.Context(), program)
	command.Env = append(os.Environ(), clock.Environment(ahead), clock.FileVariable+"="+file)
	asks, err := command.StdinPipe()
	require.NoError(t, err)
	answers, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	lines := bufio.NewScanner(answers)
	look := func() (offset time.Duration, passed int64) {
		_, err := asks.Write([]byte("\n"))
		require.NoError(t, err)
		require.True(t, lines.Scan())
		wall, mono, ok := cut(lines.Text())
		require.True(t, ok, lines.Text())
		return time.Until(time.Unix(wall, 0)), mono
	}
	await := func(wanted time.Duration) {
		deadline := time.Now().Add(10 * time.Second)
		for {
			offset, passed := look()
			require.Less(t, passed, int64(30), "the monotonic clock is right")
			if (offset - wanted).Abs() < 5*time.Second {
				return
			}
			require.True(t, time.Now().Before(deadline), "%s instead of %s", offset, wanted)
		}
	}
	await(ahead)
	require.NoError(t, clock.Set(file, behind))
	await(behind)
	require.NoError(t, clock.Set(file, 10*time.Minute))
	await(10 * time.Minute)
	require.NoError(t, asks.Close())
	require.NoError(t, command.Wait())
}

func cut(line string) (wall, passed int64, ok bool) {
	for i := range line {
		if line[i] == ' ' {
			wall, err := strconv.ParseInt(line[:i], 10, 64)
			passed, err2 := strconv.ParseInt(line[i+1:], 10, 64)
			return wall, passed, err == nil && err2 == nil
		}
	}
	return 0, 0, false
}
