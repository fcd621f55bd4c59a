// Package simulated serves the simulated platforms over HTTP, both on one
// address.
package simulated

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

// The paths of the platforms, up to and with the version.
const (
	pinterestPath = "/pinterest/v5"
	metaPath      = "/meta/v25.0"
)

// Options say how the platforms behave.
type Options struct {
	Address   string // where to listen; a port 0 takes a free one
	Pinterest sandbox.Options
	Meta      sandbox.Options
}

// Platforms are both simulated platforms, listening.
type Platforms struct {
	Pinterest *sandbox.Pinterest
	Meta      *sandbox.Meta
	server    *http.Server
	listener  net.Listener
	done      chan error
}

// Start listens and answers until Close.
func Start(ctx context.Context, options Options) (*Platforms, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", options.Address)
	if err != nil {
		return nil, fmt.Errorf("listening for the simulated platforms: %w", err)
	}
	p := &Platforms{
		Pinterest: sandbox.NewPinterest(options.Pinterest), Meta: sandbox.NewMeta(options.Meta),
		listener: listener, done: make(chan error, 1),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.index)
	mux.Handle(pinterestPath+"/", under(pinterestPath, p.Pinterest))
	mux.Handle(metaPath+"/", under(metaPath, p.Meta))
	p.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10}
	go func() { p.done <- p.server.Serve(listener) }()
	return p, nil
}

// under serves a platform below a path.
func under(path string, handler http.Handler) http.Handler {
	return http.StripPrefix(strings.TrimSuffix(path, "/"), handler)
}

func (p *Platforms) index(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "Simulated platforms.\n\n"+
		"Pinterest: "+pinterestPath+"/  lists the items it has\n"+
		"Meta:      "+metaPath+"/  lists the items it has\n")
}

// PinterestURL is the base_url of an account of the simulated Pinterest.
func (p *Platforms) PinterestURL() string {
	return "http://" + p.listener.Addr().String() + pinterestPath
}

// MetaURL is the base_url of an account of the simulated Meta.
func (p *Platforms) MetaURL() string { return "http://" + p.listener.Addr().String() + metaPath }

// Close ends the listener and the platforms' own work, and waits for both.
func (p *Platforms) Close() error {
	p.Pinterest.Close()
	p.Meta.Close()
	err := p.server.Close()
	if serveErr := <-p.done; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return err
}
