//go:build !linux

package process

import (
	"os/exec"
	"syscall"
)

const kernelEndsOrphans = false

func bindToParent(*exec.Cmd, syscall.Signal) {}
