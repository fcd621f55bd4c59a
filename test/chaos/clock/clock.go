// Package clock builds Go programs whose wall clock can be set from outside, to see
// what a wrong clock does. A statically linked Go program does not read the time
// through the C library, so the usual tools for that cannot reach it; here the
// standard library's time.Now is replaced while the program is built. The monotonic
// clock stays right, as it does when a real wall clock is set.
package clock

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// What a built program reads. Without them its clock is right.
const (
	// OffsetVariable holds the seconds by which the wall clock is ahead, from the
	// start of the process on; a negative number is behind.
	OffsetVariable = "COURIER_CLOCK_OFFSET"
	// FileVariable names a file with such a number. It is read again and again, so
	// that the clock can be set while the program runs; Set writes it. While the file
	// cannot be read the last offset stays.
	FileVariable = "COURIER_CLOCK_FILE"
)

// offsetSource is a file of package time.
//
//go:embed offset.go.txt
var offsetSource string

// Build builds a package of the module in folder into a program at output. Whoever
// builds several programs gives all of them one scratch folder.
func Build(ctx context.Context, folder, pkg, output, scratch string) error {
	overlay, err := writeOverlay(ctx, scratch)
	if err != nil {
		return fmt.Errorf("replacing time.Now: %w", err)
	}
	//nolint:gosec // the caller names the package
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-overlay", overlay, "-o", output, pkg)
	command.Dir = folder
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, said)
	}
	return nil
}

// Environment is what a built program needs to start with a clock that is ahead by
// offset, in whole seconds.
func Environment(offset time.Duration) string {
	return OffsetVariable + "=" + seconds(offset)
}

// Set writes the offset into the file that FileVariable names, in one step. A
// running program follows within 50 ms.
func Set(file string, offset time.Duration) error {
	next := file + ".next"
	if err := os.WriteFile(next, []byte(seconds(offset)), 0o600); err != nil {
		return err
	}
	return os.Rename(next, file)
}

func seconds(offset time.Duration) string {
	return strconv.FormatInt(int64(offset/time.Second), 10)
}

// The first line of time.Now, and what it becomes.
const (
	found    = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	replaced = found + "\tsec += courierOffset()\n"
)

// writeOverlay writes the replaced files and the list that go build -overlay reads.
func writeOverlay(ctx context.Context, folder string) (path string, err error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("asking for GOROOT: %w", err)
	}
	standard := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	original, err := os.ReadFile(filepath.Join(standard, "time.go")) //nolint:gosec // the toolchain's own source
	if err != nil {
		return "", err
	}
	if strings.Count(string(original), found) != 1 {
		return "", fmt.Errorf("this version of Go has another time.Now in %s: adapt chaos/clock", standard)
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return "", err
	}
	replace := map[string]string{}
	for name, text := range map[string]string{
		"time.go":           strings.Replace(string(original), found, replaced, 1),
		"courier_offset.go": offsetSource,
	} {
		at := filepath.Join(folder, name)
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(standard, name)] = at
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path = filepath.Join(folder, "overlay.json")
	return path, os.WriteFile(path, list, 0o600)
}
