package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	temporaryPattern = "courier-postgres-*"
	lockName         = "in-use"
	// A temporary folder younger than this may not have its lock yet.
	sweepAge = time.Minute
)

// folder is where a cluster lives, held by a file lock while it is in use.
type folder struct {
	path      string
	sockets   string
	temporary []string // removed on release
	lock      *os.File
}

// openFolder prepares dir, or a temporary folder if dir is empty.
func openFolder(dir string, id identity) (*folder, error) {
	f := &folder{path: dir}
	if err := f.prepare(id); err != nil {
		return nil, errors.Join(err, f.release())
	}
	return f, nil
}

func (f *folder) prepare(id identity) error {
	if f.path == "" {
		sweepFolders(os.TempDir())
		path, err := os.MkdirTemp("", temporaryPattern)
		if err != nil {
			return err
		}
		f.path, f.temporary = path, append(f.temporary, path)
	}
	absolute, err := filepath.Abs(f.path)
	if err != nil {
		return err
	}
	f.path = absolute
	if err := os.MkdirAll(f.path, 0o700); err != nil {
		return err
	}
	if err := f.take(); err != nil {
		return err
	}
	if err := id.own(f.path); err != nil {
		return err
	}
	return f.chooseSockets(id)
}

// take locks the folder for this process.
func (f *folder) take() error {
	lock, err := os.OpenFile(filepath.Join(f.path, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	f.lock = lock
	ok, err := lockFolder(lock)
	if err != nil {
		return fmt.Errorf("locking %s: %w", f.path, err)
	}
	if !ok {
		return fmt.Errorf("%s is in use by another process", f.path)
	}
	return nil
}

// chooseSockets keeps the socket beside the data, unless the path is too long
// for a socket's name.
func (f *folder) chooseSockets(id identity) error {
	if len(f.path) <= maxSocketFolder {
		f.sockets = f.path
		return nil
	}
	path, err := os.MkdirTemp("/tmp", temporaryPattern)
	if err != nil {
		return err
	}
	f.sockets, f.temporary = path, append(f.temporary, path)
	return id.own(path)
}

// release gives the folder up and removes what was temporary.
func (f *folder) release() error {
	var err error
	for _, path := range f.temporary {
		err = errors.Join(err, os.RemoveAll(path))
	}
	if f.lock != nil {
		err = errors.Join(err, f.lock.Close())
	}
	return err
}

// sweepFolders removes temporary folders whose process was killed before it
// could. Other users' folders, and what cannot be removed, are left alone.
func sweepFolders(parent string) {
	paths, err := filepath.Glob(filepath.Join(parent, temporaryPattern))
	if err != nil {
		return
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || time.Since(info.ModTime()) < sweepAge || existingFile(path, "data", "postmaster.pid") {
			continue
		}
		lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR, 0) //nolint:gosec // a name that Glob found
		if err != nil {
			continue
		}
		if ok, err := lockFolder(lock); ok && err == nil {
			_ = os.RemoveAll(path)
		}
		_ = lock.Close()
	}
}
