package apart

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
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

// Median is the mean of the two in the middle where their number is even. There are some,
// sorted.
func Median(sorted []float64) float64 {
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Quantile is the smallest value that such a share is not above. There are some, sorted.
func Quantile(sorted []float64, share float64) float64 {
	return sorted[max(0, int(math.Ceil(share*float64(len(sorted))))-1)]
}

// Summary is the median, with the range of more than one value, and "" of none.
func Summary(values []float64, digits int) string {
	if len(values) == 0 {
		return ""
	}
	write := func(v float64) string { return strconv.FormatFloat(v, 'f', digits, 64) }
	sorted := slices.Sorted(slices.Values(values))
	least, most := write(sorted[0]), write(sorted[len(sorted)-1])
	if least == most {
		return least
	}
	return write(Median(sorted)) + " (" + least + "–" + most + ")"
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
