package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// errMetrics says that a worker did not tell its metrics.
var errMetrics = errors.New("no metrics")

// processStats are what a worker has at a moment. Sizes are in bytes.
type processStats struct {
	memory      int64 // resident
	heap        int64 // what the Go runtime uses but stacks
	goroutines  int64
	files       int           // descriptors, sockets included
	connections int           // to Postgres, which are by Unix socket here, and nothing else is
	told        time.Duration // until the worker had told its metrics
}

func (w *worker) stats(ctx context.Context) (v processStats, err error) {
	if v.memory, err = w.memory(); err != nil {
		return v, err
	}
	if v.files, v.connections, err = w.descriptors(); err != nil {
		return v, err
	}
	began := time.Now()
	metrics, err := w.metrics(ctx, "go_goroutine_count", "go_memory_used_bytes")
	if err != nil {
		return v, err
	}
	v.told = time.Since(began)
	for series, value := range metrics {
		switch {
		case strings.HasPrefix(series, "go_goroutine_count"):
			v.goroutines = int64(value)
		case strings.Contains(series, `go_memory_type="other"`):
			v.heap = int64(value)
		}
	}
	return v, nil
}

// descriptors counts the open files of the process, and those among them that are
// Unix sockets.
func (w *worker) descriptors() (files, unix int, err error) {
	folder := fmt.Sprintf("/proc/%d", w.PID())
	text, err := os.ReadFile(filepath.Join(folder, "net/unix")) //nolint:gosec // a number made into a path of /proc
	if err != nil {
		return 0, 0, err
	}
	sockets := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 6 {
			sockets["socket:["+fields[6]+"]"] = true // the inode, see unix(7)
		}
	}
	open, err := os.ReadDir(filepath.Join(folder, "fd"))
	if err != nil {
		return 0, 0, err
	}
	for _, one := range open {
		target, err := os.Readlink(filepath.Join(folder, "fd", one.Name()))
		if err != nil {
			continue // closed meanwhile
		}
		files++
		if sockets[target] {
			unix++
		}
	}
	return files, unix, nil
}

// metrics asks the worker for the series of some metrics, by name with attributes.
func (w *worker) metrics(ctx context.Context, wanted ...string) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.address+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: the worker says %s", errMetrics, answer.Status)
	}
	return seriesOf(answer.Body, wanted)
}

// seriesOf reads Prometheus's text format as far as it is needed here.
func seriesOf(text io.Reader, wanted []string) (map[string]float64, error) {
	found := map[string]float64{}
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		for _, name := range wanted {
			rest, ok := strings.CutPrefix(line, name)
			if !ok || rest == "" || (rest[0] != '{' && rest[0] != ' ') {
				continue
			}
			end := strings.LastIndexByte(line, '}') + 1
			if end == 0 {
				end = len(name)
			}
			fields := strings.Fields(line[end:])
			if len(fields) == 0 {
				continue
			}
			value, err := strconv.ParseFloat(fields[0], 64)
			if err != nil {
				return nil, fmt.Errorf("the series %s: %w", line[:end], err)
			}
			found[line[:end]] = value
		}
	}
	return found, lines.Err()
}
