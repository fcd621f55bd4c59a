package embedded

import (
	"io"
	"os/exec"
)

// watchdogScript starts the command given as its arguments and waits for it.
// Meanwhile it reads lines from its standard input, each the name of a signal to
// pass on. End of input means that the parent is gone.
const watchdogScript = `exec 3<&0
"$@" </dev/null 3<&- & child=$!
{ while read -r signal; do kill -s "$signal" "$child"; done; kill -s QUIT "$child"; } <&3 2>/dev/null & watcher=$!
exec 3<&-
wait "$child"; status=$?
kill "$watcher" 2>/dev/null
exit "$status"`

// startWatchedChild puts a shell between this process and the command, holding
// the reading end of a pipe whose writing end dies with this process. It works on
// every Unix; the kernel's own way, where there is one, needs no shell.
func startWatchedChild(cmd *exec.Cmd) (*child, error) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		return nil, err
	}
	cmd.Args = append([]string{shell, "-c", watchdogScript, "watchdog", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = shell
	orders, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{orders: orders, done: make(chan struct{})}
	c.stop = func(how stopMode) error {
		_, err := io.WriteString(orders, [...]string{"INT", "QUIT", "KILL"}[how]+"\n")
		return err
	}
	go func() {
		defer close(c.done)
		c.err = cmd.Wait()
	}()
	return c, nil
}
