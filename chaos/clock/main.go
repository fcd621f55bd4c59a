// Clock builds a program whose wall clock is wrong: it goes ahead of the machine's, or
// behind, by as many seconds as COURIER_CLOCK_OFFSET_SECONDS says. Its monotonic clock
// is right, as it is on a machine with a wrong clock. Nothing in the program knows of
// it: the standard library's time.Now is replaced by an overlay while it is compiled.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	out := flag.String("out", "bin/worker-clock", "the program to write")
	source := flag.String("package", "./cmd/worker", "the package to build")
	flag.Parse()
	if err := build(ctx, *source, *out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
}

// offset is what is added to the package time.
const offset = `package time

import "syscall"

var clockOffset = readClockOffset()

func readClockOffset() (seconds int64) {
	text, _ := syscall.Getenv("COURIER_CLOCK_OFFSET_SECONDS")
	negative := len(text) > 0 && text[0] == '-'
	if negative {
		text = text[1:]
	}
	for i := 0; i < len(text) && '0' <= text[i] && text[i] <= '9'; i++ {
		seconds = 10*seconds + int64(text[i]-'0')
	}
	if negative {
		return -seconds
	}
	return seconds
}
`

const (
	original = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	shifted  = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n\tsec += clockOffset\n"
)

func build(ctx context.Context, source, out string) error {
	folder, err := os.MkdirTemp("", "courier-clock-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("finding the standard library: %w", err)
	}
	library := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	text, err := os.ReadFile(filepath.Join(library, "time.go")) //nolint:gosec // the library's
	if err != nil {
		return err
	}
	if strings.Count(string(text), original) != 1 {
		return fmt.Errorf("time.Now of %s is written in another way than this program knows", runtime.Version())
	}
	files := map[string]string{"time.go": strings.Replace(string(text), original, shifted, 1), "clock_offset.go": offset}
	overlay := map[string]map[string]string{"Replace": {}}
	for name, content := range files {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return err
		}
		overlay["Replace"][filepath.Join(library, name)] = path
	}
	described, err := json.Marshal(overlay)
	if err != nil {
		return err
	}
	list := filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(list, described, 0o600); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-overlay", list, "-o", out, source) //nolint:gosec // what the caller named
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	return command.Run()
}
