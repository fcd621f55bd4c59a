package apart

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/catalog-courier/catalog-courier/lab/process"
	"golang.org/x/sys/unix"
)

// Usage is processor time, user and system.
type Usage struct{ Program, Broker, Platforms, Postgres time.Duration }

// Total is that of all.
func (u Usage) Total() time.Duration { return u.Program + u.Broker + u.Platforms + u.Postgres }

// Since is what was used after before.
func (u Usage) Since(before Usage) Usage {
	return Usage{u.Program - before.Program, u.Broker - before.Broker, u.Platforms - before.Platforms, u.Postgres - before.Postgres}
}

// Used is what the processes have used so far; program may be nil.
func (s *Servers) Used(program *process.Child) (u Usage, err error) {
	for _, one := range []struct {
		child *process.Child
		into  *time.Duration
	}{{program, &u.Program}, {s.broker, &u.Broker}, {s.platforms, &u.Platforms}} {
		if one.child == nil {
			continue
		}
		stat, statErr := process.ReadStat(one.child.PID())
		err = errors.Join(err, statErr)
		*one.into = stat.CPU + stat.Ended
	}
	u.Postgres = process.WithChildren(s.postmaster)
	return u, err
}

// UsedHere is the processor time of this process.
func UsedHere() (time.Duration, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, err
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}

// SpentHere is the time and the processor time of this process that something takes.
func SpentHere(do func() error) (took, spent time.Duration, err error) {
	runtime.GC() // what came before is not of this
	before, err := UsedHere()
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := do(); err != nil {
		return 0, 0, err
	}
	took = time.Since(began)
	after, err := UsedHere()
	return took, after - before, err
}

// Transactions is how many Postgres has committed, those of a second ago at least.
func (s *Servers) Transactions(ctx context.Context) (n float64, err error) {
	err = s.Pool.QueryRow(ctx, `SELECT xact_commit::float8 FROM pg_stat_database WHERE datname = current_database()`).Scan(&n)
	return n, err
}

// Stored is the size of the broker's files, in bytes.
func (s *Servers) Stored() (sum int64, err error) { return sizeOf(s.streams()) }

func sizeOf(folder string) (sum int64, err error) {
	err = filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the broker has removed it meanwhile
		}
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	return sum, err
}

// Load is the machine's, of the last minute; 0 where that cannot be seen.
func Load() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	return parseLoad(string(text))
}

func parseLoad(text string) float64 {
	first, _, _ := strings.Cut(text, " ")
	minute, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return minute
}

// Clock is the processor time of a process, in nanoseconds where /proc counts in hundredths
// of a second.
func Clock(pid int) (time.Duration, error) {
	var spent unix.Timespec
	// What clock_getcpuclockid(3) makes of a process: its scheduler's clock.
	const scheduler = 2
	err := unix.ClockGettime(int32(^pid<<3|scheduler), &spent) //nolint:gosec // a process id has 22 bits
	return time.Duration(spent.Nano()), err
}
