package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// input is an opened file or standard input.
type input struct {
	name  string
	file  *os.File // nil for standard input
	about fs.FileInfo
	lines *lineReader
}

// regular reports an input whose size is known and which never keeps a reader waiting.
func (s *input) regular() bool { return s.about != nil && s.about.Mode().IsRegular() }

// openAll opens all inputs and looks at the beginnings of regular files, before anything
// is sent: a wrong name or a wrong file must not be found halfway.
func openAll(ctx context.Context, streams cli.Streams, lane catalog.Lane, names []string) (sources []*input, err error) {
	if len(names) == 0 {
		names = []string{"-"}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, closeInputs(sources))
		}
	}()
	var wrong []error
	for _, name := range names {
		opened, err := openInput(ctx, streams, lane, name)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		for _, other := range sources {
			if sameInput(opened, other) {
				return append(sources, opened), cli.UsageErrorf("%s and %s are the same input; its lines would be published twice", legible.Text(other.name), legible.Text(name))
			}
		}
		sources = append(sources, opened)
		if opened.regular() {
			if err := sniff(opened.name, opened.lines.in); err != nil {
				wrong = append(wrong, err)
			}
		}
	}
	return sources, errors.Join(wrong...)
}

func openInput(ctx context.Context, streams cli.Streams, lane catalog.Lane, name string) (*input, error) {
	if name == "-" {
		return &input{name: name, lines: newLineReader("standard input", streams.In, lane)}, nil
	}
	file, err := openFile(ctx, streams, name)
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("opening %s: %w", legible.Text(name), failed.Err)
	}
	if err != nil {
		return nil, err
	}
	about, err := file.Stat()
	if err == nil && about.IsDir() {
		err = fmt.Errorf("%s is a directory; name the files in it", legible.Text(name))
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &input{name: name, file: file, about: about, lines: newLineReader(name, file, lane)}, nil
}

// pipePatience is how long a named pipe may wait for its writer without a word.
const pipePatience = time.Second

// openFile opens a file for reading. A named pipe opens when it has a writer: that is
// said, and a signal ends the wait.
func openFile(ctx context.Context, streams cli.Streams, name string) (*os.File, error) {
	type opened struct {
		file *os.File
		err  error
	}
	result := make(chan opened, 1)
	go func() { // ends with the writer or with the process: nothing interrupts the call
		file, err := os.Open(name) //nolint:gosec // the user names the file
		result <- opened{file, err}
	}()
	notice := time.NewTimer(pipePatience)
	defer notice.Stop()
	for {
		select {
		case got := <-result:
			return got.file, got.err
		case <-notice.C:
			_, _ = fmt.Fprintf(streams.Err, "waiting for a writer of %s\n", legible.Text(name))
		case <-ctx.Done():
			return nil, fmt.Errorf("opening %s, which has no writer: %w", legible.Text(name), context.Cause(ctx))
		}
	}
}

func sameInput(a, b *input) bool {
	if a.file == nil || b.file == nil {
		return a.file == b.file
	}
	return a.regular() && os.SameFile(a.about, b.about)
}

func closeInputs(sources []*input) error {
	var failed error
	for _, s := range sources {
		if s.file != nil {
			failed = errors.Join(failed, s.file.Close())
		}
	}
	return failed
}

// shortened is an error when a regular file ended before the size it had when opened.
func (s *input) shortened() error {
	if !s.regular() || s.lines.consumed >= s.about.Size() {
		return nil
	}
	return fmt.Errorf("%s became shorter while it was read: %d of %d bytes", legible.Text(s.name), s.lines.consumed, s.about.Size())
}

// totalSize is how many bytes there are to read; 0 when nobody can tell.
func totalSize(sources []*input) int64 {
	var total int64
	for _, s := range sources {
		if !s.regular() {
			return 0
		}
		total += s.about.Size()
	}
	return total
}
