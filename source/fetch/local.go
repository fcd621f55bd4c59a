package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/sleep"
)

// local is a file of this machine. It is read where it is, and not copied.
type local struct {
	path   string
	settle time.Duration
}

// fetch hashes the file: a size and a time of modification can be those of other content.
func (l local) fetch(ctx context.Context, f *Fetcher, former fingerprint) (*File, error) {
	before, err := os.Stat(l.path) // before opening: opening a pipe would wait for its writer
	if err != nil {
		return nil, failFile(err)
	}
	switch {
	case before.IsDir():
		return nil, fail(ErrNotFound, "it is a folder", "name the file")
	case !before.Mode().IsRegular():
		return nil, fail(ErrNotFound, fmt.Sprintf("it is not a regular file (%s)", before.Mode().Type()), "write the feed to a file")
	case before.Size() > f.options.MaxBytes:
		return nil, tooLarge(before.Size(), f.options.MaxBytes)
	}
	started := time.Now()
	sum, err := hashOf(ctx, l.path, before)
	if interrupted := ended(ctx, &f.options); interrupted != nil {
		return nil, interrupted
	}
	if err != nil {
		return nil, failFile(err)
	}
	if recent(before.ModTime(), started, l.settle) {
		if err := sleep.For(ctx, l.settle); err != nil {
			return nil, ended(ctx, &f.options)
		}
	}
	now, err := os.Stat(l.path)
	if err != nil {
		return nil, failFile(err)
	}
	if !sameFile(before, now) || sum.bytes != before.Size() {
		return nil, changed()
	}
	if former.sha256 == sum.sha256 {
		return nil, fail(ErrUnchanged, "", "")
	}
	at, notes := modification(before.ModTime(), started, started, nil)
	return &File{
		Path: l.path, At: at, Bytes: sum.bytes, Name: filepath.Base(l.path), Notes: notes, before: before,
		Fingerprint: fingerprint{sha256: sum.sha256}.encode(f.id),
	}, nil
}

type sum struct {
	sha256 string
	bytes  int64
}

// hashOf reads the file that before is of.
func hashOf(ctx context.Context, path string, before os.FileInfo) (sum, error) {
	file, err := os.Open(path) //nolint:gosec // the path is the operator's
	if err != nil {
		return sum{}, err
	}
	defer func() { _ = file.Close() }() // it was only read
	if opened, err := file.Stat(); err != nil || !sameFile(before, opened) {
		return sum{}, err // no bytes: it changed
	}
	hash := sha256.New()
	read, err := io.Copy(hash, reading{ctx: ctx, from: file})
	return sum{sha256: hex.EncodeToString(hash.Sum(nil)), bytes: read}, err
}

// reading ends with its context. It says of each piece that it came.
type reading struct {
	ctx   context.Context //nolint:containedctx // it lives as long as one call that has the context
	from  io.Reader
	alive func()
}

func (r reading) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.from.Read(p)
	if n > 0 && r.alive != nil {
		r.alive()
	}
	return n, err
}

// sameFile reports whether nothing was written in between, as far as the file system says.
func sameFile(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// recent reports whether a file modified at modified may still be being written. A time in the
// future is another clock's.
func recent(modified, now time.Time, settle time.Duration) bool {
	return now.Sub(modified) < settle
}

func tooLarge(size, limit int64) *Error {
	return fail(ErrTooLarge, fmt.Sprintf("it has %d bytes and at most %d are read", size, limit), "raise max_bytes if the feed is right")
}

// failFile is the error of a file of this machine. The path is in the address.
func failFile(err error) *Error {
	what := err.Error()
	if found := (*fs.PathError)(nil); errors.As(err, &found) {
		what, err = found.Op+": "+found.Err.Error(), found.Err // a mistyped address is a path, too
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &Error{Kind: ErrNotFound, What: what, Do: "check the path; a path without / at its beginning is relative to the working directory", Cause: err}
	case errors.Is(err, fs.ErrPermission):
		return &Error{Kind: ErrDenied, What: what, Do: "let the user that Courier runs as read the file and enter its folders", Cause: err}
	}
	return &Error{Kind: ErrLocal, What: what, Do: "check the disk", Cause: err}
}
