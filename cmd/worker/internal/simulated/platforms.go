// Package simulated serves the simulated platforms over HTTP, all on one address.
package simulated

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform"
)

// Options say how the platforms behave.
type Options struct {
	Address   string // where to listen; a port 0 takes a free one
	Platforms []platform.Descriptor
	Behaviour sandbox.Options
	// Faults are switches that are on from the start, such as 429=10% or meta/outage=30s.
	Faults []string
}

// Platforms are the simulated platforms, listening.
type Platforms struct {
	list     []Platform
	faults   *faults
	server   *http.Server
	listener net.Listener
	done     chan error
}

// Platform is one of them.
type Platform struct {
	sandbox.Platform

	Name  string
	Title string
	// Path is what comes before the paths of the endpoints.
	Path string
	// URL is the base_url of an account.
	URL string
}

// Start listens and answers until Close.
func Start(ctx context.Context, options Options) (*Platforms, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", options.Address)
	if err != nil {
		return nil, fmt.Errorf("listening for the simulated platforms: %w", err)
	}
	p := &Platforms{listener: listener, done: make(chan error, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.index)
	for _, descriptor := range options.Platforms {
		one := Platform{Platform: descriptor.Simulated(options.Behaviour), Name: descriptor.Name, Title: descriptor.Title}
		one.Path = "/" + one.Name + one.BasePath()
		one.URL = "http://" + listener.Addr().String() + one.Path
		mux.Handle(one.Path+"/", http.StripPrefix(one.Path, one))
		p.list = append(p.list, one)
	}
	p.faults = newFaults(p.list)
	if err := p.faults.set(options.Faults); err != nil {
		for _, one := range p.list {
			one.Close()
		}
		return nil, errors.Join(err, listener.Close())
	}
	mux.Handle(FaultsPath, p.faults)
	p.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10}
	go func() { p.done <- p.server.Serve(listener) }()
	return p, nil
}

func (p *Platforms) index(w http.ResponseWriter, _ *http.Request) {
	_, _ = fmt.Fprint(w, "Simulated platforms.\n\n"+p.Lines(func(one Platform) string { return one.Path + "/  lists the items it has" })+FaultsPath+"  the faults that are on\n")
}

// Address is where they listen, as host:port.
func (p *Platforms) Address() string { return p.listener.Addr().String() }

// All are the platforms in the order of Options.Platforms.
func (p *Platforms) All() []Platform { return p.list }

// Find gives the platform with the name.
func (p *Platforms) Find(name string) (one Platform, found bool) {
	for _, one := range p.list {
		if one.Name == name {
			return one, true
		}
	}
	return Platform{}, false
}

// Lines says something of each platform, after its title.
func (p *Platforms) Lines(of func(Platform) string) string {
	width := 0
	for _, one := range p.list {
		width = max(width, len(one.Title))
	}
	var text strings.Builder
	for _, one := range p.list {
		fmt.Fprintf(&text, "%-*s %s\n", width+1, one.Title+":", of(one))
	}
	return text.String()
}

// Close ends the listener and the platforms' own work, and waits for both.
func (p *Platforms) Close() error {
	for _, one := range p.list {
		one.Close()
	}
	err := p.server.Close()
	if serveErr := <-p.done; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return err
}
