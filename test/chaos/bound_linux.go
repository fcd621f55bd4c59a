package main

import (
	"os/exec"
	"syscall"
)

// bindToParent has the kernel kill the child when the calling thread ends, so that
// nothing outlives a run that was killed itself.
func bindToParent(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
