package rig

import (
	"context"
	"fmt"
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
	if self, err := process.ReadStat(backend); err == nil {
		spent.Postgres = process.WithChildren(self.Parent)
	}
	return spent, nil
}
