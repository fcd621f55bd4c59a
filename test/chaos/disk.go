package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// disk is where a store keeps its files. Where this process may mount, it is a file
// system of limited size, so that it can be filled up.
type disk struct {
	folder  string
	mounted bool
}

const (
	diskOptions = "size=3g,mode=0755"
	ballastStep = 1 << 20
)

// makeDisk makes the folder and tries to mount a small file system on it.
func makeDisk(ctx context.Context, folder string) (*disk, error) {
	if err := os.Mkdir(folder, 0o755); err != nil { //nolint:gosec // Postgres runs as another user than root
		return nil, err
	}
	d := &disk{folder: folder}
	if os.Geteuid() == 0 {
		//nolint:gosec // our own temporary folder
		d.mounted = exec.CommandContext(ctx, "mount", "-t", "tmpfs", "-o", diskOptions, "tmpfs", folder).Run() == nil
	}
	return d, nil
}

func (d *disk) path(name string) string { return filepath.Join(d.folder, name) }

// fill leaves no room on the disk.
func (d *disk) fill() (err error) {
	ballast, err := os.Create(d.path("ballast"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ballast.Close()) }()
	for step := ballastStep; step > 0; step /= 16 {
		zeros := make([]byte, step)
		for err == nil {
			_, err = ballast.Write(zeros)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return fmt.Errorf("filling the disk: %w", err)
		}
		err = nil
	}
	return nil
}

// free makes room again.
func (d *disk) free() error { return os.Remove(d.path("ballast")) }

// remove takes the disk away with all that is on it.
func (d *disk) remove(ctx context.Context) error {
	var err error
	if d.mounted {
		err = exec.CommandContext(ctx, "umount", d.folder).Run() //nolint:gosec // our own folder
	}
	return errors.Join(err, os.RemoveAll(d.folder))
}

// copyFolder copies files with their owners, as Postgres insists on its own.
func copyFolder(ctx context.Context, from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	//nolint:gosec // our own folders
	if output, err := exec.CommandContext(ctx, "cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copying %s: %w: %s", from, err, output)
	}
	return nil
}
