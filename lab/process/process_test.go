package process_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/lab/process"
)

// patience is far above what any step takes on a busy machine.
const patience = 20 * time.Second

// ways are both: the kernel's, where it has one, and the shell's.
var ways = map[string]process.Options{"bound": {}, "watched": {Watched: true}}

// shell starts a script and waits for its first line.
func shell(t *testing.T, options process.Options, script string) (child *process.Child, line string) {
	t.Helper()
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer func() { _ = read.Close() }()
	cmd := exec.Command("sh", "-c", script)
	cmd.Stdout = write
	child, err = process.Start(cmd, options)
	require.NoError(t, err)
	require.NoError(t, write.Close())
	t.Cleanup(child.Kill)
	line, err = bufio.NewReader(read).ReadString('\n')
	require.NoError(t, err)
	return child, strings.TrimSpace(line)
}

func TestChildTellsHowItEnded(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			good, _ := shell(t, options, "echo begun")
			require.NoError(t, good.Await(patience))
			require.True(t, good.Ended())
			require.ErrorIs(t, good.Signal(syscall.SIGTERM), os.ErrProcessDone)

			bad, _ := shell(t, options, "echo begun; exit 7")
			var exit *exec.ExitError
			require.ErrorAs(t, bad.Err(), &exit)
			require.Equal(t, 7, exit.ExitCode())
		})
	}
}

func TestSignalsReachTheChild(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			child, _ := shell(t, options, `trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done`)
			require.ErrorIs(t, child.Await(50*time.Millisecond), process.ErrStays)
			require.NoError(t, child.Signal(syscall.SIGTERM))
			var exit *exec.ExitError
			require.ErrorAs(t, child.Await(patience), &exit)
			require.Equal(t, 3, exit.ExitCode())
		})
	}
}

func TestStopGrowsFirmer(t *testing.T) {
	t.Parallel()
	for name, options := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			child, _ := shell(t, options, `trap '' TERM; echo ready; while :; do sleep 0.05; done`)
			deaf := process.Step{Signal: syscall.SIGTERM, Within: 100 * time.Millisecond}
			require.ErrorIs(t, child.Stop(t.Context(), deaf), process.ErrStays)
			require.False(t, child.Ended())
			require.NoError(t, child.Stop(t.Context(), deaf, process.Step{Signal: syscall.SIGKILL, Within: patience}))
			require.True(t, child.Ended())
			child.Kill() // harmless
		})
	}
}

func TestStopDoesNotWaitPastItsContext(t *testing.T) {
	t.Parallel()
	child, _ := shell(t, process.Options{}, `trap '' TERM; echo ready; while :; do sleep 0.05; done`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, child.Stop(ctx, process.Step{Signal: syscall.SIGTERM, Within: time.Hour}), process.ErrStays)
}

func TestProgramThatIsNotThere(t *testing.T) {
	t.Parallel()
	_, err := process.Start(exec.Command(filepath.Join(t.TempDir(), "nothing")), process.Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestUsage(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		_, err := process.ReadStat(os.Getpid())
		require.ErrorIs(t, err, process.ErrUnknown)
		return
	}
	child, line := shell(t, process.Options{}, `i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo $$; while :; do sleep 0.05; done`)
	require.Equal(t, strconv.Itoa(child.PID()), line)
	stat, err := process.ReadStat(child.PID())
	require.NoError(t, err)
	require.Equal(t, os.Getpid(), stat.Parent)
	require.Positive(t, stat.CPU)
	memory, err := process.Memory(child.PID())
	require.NoError(t, err)
	require.Greater(t, memory, int64(100<<10))
	peak, err := process.Peak(child.PID())
	require.NoError(t, err)
	require.GreaterOrEqual(t, peak, memory)
	require.GreaterOrEqual(t, process.WithChildren(child.PID()), stat.CPU)
	require.GreaterOrEqual(t, process.WithChildren(os.Getpid()), stat.CPU)
	require.Zero(t, process.WithChildren(1<<30))
	_, err = process.ReadStat(1 << 30)
	require.ErrorIs(t, err, process.ErrUnknown)
}
