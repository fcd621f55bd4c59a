//go:build !unix

package embedded

import (
	"errors"
	"os"
	"os/exec"
)

// identity is the system user that Postgres runs as. Without Unix sockets and
// signals there is no embedded Postgres, so there is never one.
type identity struct{}

func serverIdentity() (identity, error) {
	return identity{}, errors.New("an embedded Postgres needs a Unix system")
}

func (identity) apply(*exec.Cmd)      {}
func (identity) own(string) error     { return nil }
func (identity) reaches(string) error { return nil }

func lockFolder(*os.File) (bool, error) { return true, nil }
