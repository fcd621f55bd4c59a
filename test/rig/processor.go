package rig

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// ProcessorTime is how long processors have worked for the process so far. Only
// Linux tells it of a running process; elsewhere the test is skipped.
func (p *Process) ProcessorTime() time.Duration {
	tb := p.env.tb
	tb.Helper()
	if runtime.GOOS != "linux" {
		tb.Skip("the processor time of another process is only known on Linux")
	}
	const ticksPerSecond = 100 // USER_HZ, the same on every Linux that Go runs on
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.command.Process.Pid))
	require.NoError(tb, err)
	// After the command's name in brackets; utime and stime are fields 14 and 15 of
	// proc_pid_stat(5), counted with the first two.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		require.NoError(tb, err)
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond
}
