package rig

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
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
func (r *Rig) CPU(ctx context.Context) (CPU, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return CPU{}, fmt.Errorf("read the processor time: %w", err)
	}
	spent := CPU{Process: time.Duration(usage.Utime.Nano() + usage.Stime.Nano())}
	var backend int
	if err := r.Database.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&backend); err != nil {
		return CPU{}, fmt.Errorf("find the server's processes: %w", err)
	}
	spent.Postgres = postgresCPU(strconv.Itoa(backend))
	return spent, nil
}

// postgresCPU adds up the server that a backend belongs to, by /proc.
func postgresCPU(backend string) time.Duration {
	self, ok := processStat(backend)
	if !ok {
		return 0
	}
	postmaster := self.parent
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0
	}
	var ticks int64
	for _, path := range stats {
		pid := filepath.Base(filepath.Dir(path))
		one, ok := processStat(pid)
		switch {
		case !ok:
		case pid == postmaster:
			ticks += one.own + one.ended
		case one.parent == postmaster:
			ticks += one.own
		}
	}
	const ticksPerSecond = 100 // USER_HZ, the same on all Linux systems in use
	return time.Duration(ticks) * time.Second / ticksPerSecond
}

// stat is what /proc says of a process, times in ticks.
type stat struct {
	parent string
	own    int64
	ended  int64 // of its children that have ended
}

func processStat(pid string) (stat, bool) {
	content, err := os.ReadFile(filepath.Join("/proc", pid, "stat")) //nolint:gosec // a number made into a path of /proc
	if err != nil {
		return stat{}, false
	}
	// The name is in brackets and may hold anything; the fields follow the last one.
	_, rest, ok := strings.Cut(string(content[max(bytes.LastIndexByte(content, ')'), 0):]), " ")
	fields := strings.Fields(rest)
	const parent, userTime, systemTime, endedUser, endedSystem = 1, 11, 12, 13, 14
	if !ok || len(fields) <= endedSystem {
		return stat{}, false
	}
	ticks := func(field int) int64 {
		n, err := strconv.ParseInt(fields[field], 10, 64)
		if err != nil {
			return 0
		}
		return n
	}
	return stat{parent: fields[parent], own: ticks(userTime) + ticks(systemTime), ended: ticks(endedUser) + ticks(endedSystem)}, true
}
