package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ErrUnknown says that this system does not tell of other processes; Linux does.
var ErrUnknown = errors.New("only Linux tells of other processes")

// Stat is what /proc says of a process.
type Stat struct {
	Parent int
	CPU    time.Duration // processor time
	Ended  time.Duration // processor time of its children that have ended
}

// ReadStat reads the processor time of a process. The error wraps ErrUnknown where that
// cannot be told.
func ReadStat(pid int) (s Stat, err error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return Stat{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return parseStat(pid, text)
}

// parseStat reads the fields of proc_pid_stat(5).
func parseStat(pid int, text []byte) (s Stat, err error) {
	// The name is in brackets and may hold anything; the fields follow the last one.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const parent, userTime, systemTime, endedUser, endedSystem = 1, 11, 12, 13, 14
	if len(fields) <= endedSystem {
		return Stat{}, fmt.Errorf("%w: the stat of process %d has %d fields", ErrUnknown, pid, len(fields))
	}
	number := func(field int) int64 {
		n, parseErr := strconv.ParseInt(fields[field], 10, 64)
		err = errors.Join(err, parseErr)
		return n
	}
	const ticksPerSecond = 100 // USER_HZ, the same on every Linux that Go runs on
	ticks := func(a, b int) time.Duration { return time.Duration(number(a)+number(b)) * time.Second / ticksPerSecond }
	s = Stat{Parent: int(number(parent)), CPU: ticks(userTime, systemTime), Ended: ticks(endedUser, endedSystem)}
	return s, err
}

// WithChildren is the processor time of a process, of those of its children that have
// ended, and of those that run, without theirs. It is 0 where that cannot be told.
func WithChildren(pid int) (sum time.Duration) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0
	}
	for _, path := range stats {
		other, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		one, err := ReadStat(other)
		switch {
		case err != nil: // it has ended
		case other == pid:
			sum += one.CPU + one.Ended
		case one.Parent == pid:
			sum += one.CPU
		}
	}
	return sum
}

// Memory is the resident memory of a process, in bytes. The error wraps ErrUnknown where
// that cannot be told.
func Memory(pid int) (int64, error) { return memoryField(pid, "VmRSS") }

// Peak is the most resident memory that a process has had since its program began, in
// bytes. The error wraps ErrUnknown where that cannot be told.
func Peak(pid int) (int64, error) { return memoryField(pid, "VmHWM") }

func memoryField(pid int, name string) (int64, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("%w: there is no %s in the status of process %d", ErrUnknown, name, pid)
}
