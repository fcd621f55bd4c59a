package process

import (
	"io"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// watchdogScript starts the command given as its arguments after the number of the
// signal for an orphan, and waits for it. Meanwhile it reads lines from its standard
// input, each the number of a signal to pass on. End of input means that the parent
// is gone.
const watchdogScript = `exec 3<&0
orphaned=$1; shift
"$@" </dev/null 3<&- & child=$!
{ while read -r signal; do kill -"$signal" "$child"; done; kill -"$orphaned" "$child"; } <&3 2>/dev/null & watcher=$!
exec 3<&-
wait "$child"; status=$?
kill "$watcher" 2>/dev/null
exit "$status"`

// startWatched puts a shell between this process and the command, holding the reading
// end of a pipe whose writing end dies with this process. It works on every Unix; the
// kernel's own way, where there is one, needs no shell.
func startWatched(cmd *exec.Cmd, orphaned syscall.Signal) (*Child, error) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		return nil, err
	}
	cmd.Args = append([]string{shell, "-c", watchdogScript, "watchdog", strconv.Itoa(int(orphaned)), cmd.Path}, cmd.Args[1:]...)
	cmd.Path = shell
	orders, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &Child{Began: time.Now(), pid: cmd.Process.Pid, orders: orders, done: make(chan struct{})}
	c.signal = func(s syscall.Signal) error {
		_, err := io.WriteString(orders, strconv.Itoa(int(s))+"\n")
		return err
	}
	go func() { // ends with the process, which Kill and Stop wait for
		defer close(c.done)
		c.err = cmd.Wait()
	}()
	return c, nil
}
