package embedded

import (
	"os/exec"
	"syscall"
)

const kernelEndsOrphans = true

// bindToParent has the kernel send the child SIGQUIT, Postgres's immediate
// shutdown, when the calling thread ends.
func bindToParent(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
}
