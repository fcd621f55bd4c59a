package rig

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/catalog-courier/catalog-courier/lab/process"
)

// CPU is processor time spent so far. On a machine that is busy with other work too,
// it tells more than a rate does.
type CPU struct {
	Process  time.Duration // broker, workers, platforms and publisher
	Postgres time.Duration // the server with all its processes; 0 where that cannot be told
}

// Since is what was spent after before.
func (c CPU) Since(before CPU) CPU {
	return CPU{Process: c.Process - before.Process, Postgres: c.Postgres - before.Postgres}
}

// CPU reads the processor time of this process and of Postgres.
func (s *Servers) CPU(ctx context.Context) (CPU, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return CPU{}, fmt.Errorf("read the processor time: %w", err)
	}
	spent := CPU{Process: time.Duration(usage.Utime.Nano() + usage.Stime.Nano())}
	var backend int
	if err := s.Database.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&backend); err != nil {
		return CPU{}, fmt.Errorf("find the server's processes: %w", err)
	}
	spent.Postgres = postgresCPU(backend)
	return spent, nil
}

// postgresCPU adds up the server that a backend belongs to, by /proc.
func postgresCPU(backend int) (sum time.Duration) {
	self, err := process.ReadStat(backend)
	if err != nil {
		return 0
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0
	}
	for _, path := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		one, err := process.ReadStat(pid)
		switch {
		case err != nil: // it has ended
		case pid == self.Parent:
			sum += one.CPU + one.Ended
		case one.Parent == self.Parent:
			sum += one.CPU
		}
	}
	return sum
}
