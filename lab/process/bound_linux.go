package process

import (
	"os/exec"
	"syscall"
)

const kernelEndsOrphans = true

// bindToParent has the kernel send the child a signal when the calling thread ends.
func bindToParent(cmd *exec.Cmd, orphaned syscall.Signal) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = orphaned
}
