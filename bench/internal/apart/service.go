package apart

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/catalog-courier/catalog-courier/lab/embedded"
	"github.com/catalog-courier/catalog-courier/lab/process"
)

// Service is this program in another process. It returns its address once it can be reached,
// and serves until the process ends.
type Service func(ctx context.Context, argument string) (address string, err error)

// Services by the name with which the program is called, beside those of this package.
type Services map[string]Service

// A program that is called with serviceCall, a name and an argument is that service.
const (
	serviceCall      = "serve"
	serviceArguments = 4
)

const (
	brokerService       = "broker"
	syncedBrokerService = "broker-synced"
)

// Run serves, and does not return, in a process that was started as a service. A program
// calls it before anything else.
func (s Services) Run() {
	if len(os.Args) != serviceArguments || os.Args[1] != serviceCall {
		return
	}
	all := Services{brokerService: serveBroker(false), syncedBrokerService: serveBroker(true)}
	maps.Copy(all, s)
	if serve, ok := all[os.Args[2]]; ok {
		os.Exit(run(serve, os.Args[3]))
	}
}

// run returns the exit code.
func run(serve Service, argument string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	address, err := serve(ctx, argument)
	if err == nil {
		_, err = fmt.Fprintln(os.Stdout, address)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	<-ctx.Done() // or the parent has ended, and the kernel ends this
	return 0
}

func serveBroker(synced bool) Service {
	return func(_ context.Context, folder string) (string, error) {
		server, err := embedded.StartNATS(embedded.NATSOptions{StoreDir: folder, Port: -1, SyncAlways: synced})
		if err != nil {
			return "", err
		}
		return server.URL(), nil
	}
}

// ServeHTTP has a handler serve at a free address until the process ends.
func ServeHTTP(ctx context.Context, handler http.Handler) (address string, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: handler, ReadTimeout: time.Minute, WriteTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	return "http://" + listener.Addr().String(), nil
}

// startService starts this program as a service and returns the address that it writes.
func startService(name, argument string) (child *process.Child, address string, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = read.Close() }()
	command := exec.Command(self, serviceCall, name, argument) //nolint:gosec,noctx // this very program; Stop ends it
	command.Stdout, command.Stderr = write, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for this process alone
	child, err = process.Start(command, process.Options{})
	_ = write.Close() // the child has its own
	if err != nil {
		return nil, "", err
	}
	const within = time.Minute
	if err := read.SetReadDeadline(time.Now().Add(within)); err != nil {
		return child, "", err
	}
	line, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		return child, "", fmt.Errorf("the address of %s: %w", name, err)
	}
	return child, strings.TrimSpace(line), nil
}
