//go:build unix

package embedded

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// identity is the system user that Postgres runs as: this process's own, unless
// that is root, whom Postgres refuses.
type identity struct {
	credential *syscall.Credential // nil: this process's own
	name       string
}

// serverIdentity chooses the user. Postgres looks its own name up, so only users
// with an entry in the system's user database will do.
func serverIdentity() (identity, error) {
	if os.Geteuid() != 0 {
		return identity{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(account.Uid, 10, 32)
		if err != nil {
			continue
		}
		gid, err := strconv.ParseUint(account.Gid, 10, 32)
		if err != nil {
			continue
		}
		return identity{
			credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)},
			name:       name,
		}, nil
	}
	return identity{}, errors.New("postgres refuses to run as root, and there is neither a user postgres nor a user nobody")
}

// apply makes cmd run as the identity, in a process group of its own: a Ctrl-C
// in the terminal is for the parent, which stops Postgres when it is ready to.
func (id identity) apply(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: id.credential, Setpgid: true}
}

// own gives a folder to the identity and checks that it can get there.
func (id identity) own(dir string) error {
	if err := os.Chmod(dir, 0o700); err != nil { //nolint:gosec // a folder needs the x bit
		return err
	}
	if id.credential == nil {
		return nil
	}
	if err := os.Chown(dir, int(id.credential.Uid), int(id.credential.Gid)); err != nil {
		return err
	}
	return id.reaches(filepath.Dir(dir))
}

// reaches checks the folders above a folder for the right to pass through.
func (id identity) reaches(dir string) error {
	if id.credential == nil {
		return nil
	}
	for {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if !id.passes(info) {
			return fmt.Errorf("postgres would run as user %s, who cannot enter %s: choose a folder elsewhere, or run as another user than root", id.name, dir)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return nil
		}
		dir = parent
	}
}

func (id identity) passes(info os.FileInfo) bool {
	const owner, group, others = 0o100, 0o010, 0o001
	mode := info.Mode().Perm()
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case ok && stat.Uid == id.credential.Uid:
		return mode&owner != 0
	case ok && stat.Gid == id.credential.Gid:
		return mode&group != 0
	default:
		return mode&others != 0
	}
}

// lockFolder marks a folder as in use until the file is closed or the process
// ends. ok is false when another process holds it.
func lockFolder(file *os.File) (ok bool, err error) {
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
