package rig

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// Serve makes a handler reachable at a free address of this machine, host and port,
// until end is called. That breaks the calls under way.
func Serve(ctx context.Context, handler http.Handler) (address string, end func() error, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }() // end waits for it
	return listener.Addr().String(), func() error {
		err := server.Close()
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}, nil
}
