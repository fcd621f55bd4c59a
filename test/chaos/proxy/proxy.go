// Package proxy stands between two programs and makes their connections bad on
// request: it cuts, holds, slows and refuses them.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Proxy takes TCP connections on a free port of 127.0.0.1 and passes them on. It
// holds at most 64 KiB of each connection.
type Proxy struct {
	listener net.Listener
	ended    chan struct{}
	work     sync.WaitGroup

	mu      sync.Mutex
	network string // of the target: tcp or unix
	target  string
	links   map[*link]struct{}
	refused bool
	open    chan struct{} // closed unless connections are held
	rate    int           // bytes a second and direction, 0 for any
	closed  bool
}

// link is one connection with the one that it is passed on to.
type link struct {
	near, far net.Conn
	ended     chan struct{}
	end       sync.Once
}

func (l *link) cut() {
	l.end.Do(func() {
		close(l.ended)
		_ = l.near.Close()
		_ = l.far.Close()
	})
}

const (
	chunk       = 32 << 10
	dialTimeout = 5 * time.Second
)

// Start passes connections on to a target, "tcp" or "unix", until Close.
func Start(ctx context.Context, network, target string) (*Proxy, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for a proxy: %w", err)
	}
	p := &Proxy{
		listener: listener, ended: make(chan struct{}), network: network, target: target,
		links: map[*link]struct{}{}, open: make(chan struct{}),
	}
	close(p.open)
	p.work.Go(p.serve)
	return p, nil
}

// Address is where it listens, host:port.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Retarget passes new connections on to another address.
func (p *Proxy) Retarget(network, target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.network, p.target = network, target
}

// Cut breaks all connections that there are and returns how many.
func (p *Proxy) Cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.cut()
	}
	return len(p.links)
}

// Refuse closes new connections at once, or takes them again.
func (p *Proxy) Refuse(refused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused = refused
}

// Hold lets nothing pass either way, without a word to anybody, or lets it go on.
func (p *Proxy) Hold(held bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
		if held {
			p.open = make(chan struct{})
		}
	default:
		if !held {
			close(p.open)
		}
	}
}

// Slow lets so many bytes pass a second in each direction of a connection; 0 lifts
// the limit.
func (p *Proxy) Slow(bytesPerSecond int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = bytesPerSecond
}

// Close breaks everything and waits until it is gone.
func (p *Proxy) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	close(p.ended)
	for l := range p.links {
		l.cut()
	}
	p.mu.Unlock()
	err := p.listener.Close()
	p.work.Wait()
	return err
}

func (p *Proxy) serve() {
	for {
		near, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			select { // out of descriptors, perhaps: it passes
			case <-p.ended:
				return
			case <-time.After(10 * time.Millisecond):
				continue
			}
		}
		p.work.Go(func() { p.connect(near) })
	}
}

// connect passes one connection on until either end closes it.
func (p *Proxy) connect(near net.Conn) {
	p.mu.Lock()
	network, target, refused := p.network, p.target, p.refused || p.closed
	p.mu.Unlock()
	if refused {
		_ = near.Close()
		return
	}
	far, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(context.Background(), network, target)
	if err != nil {
		_ = near.Close()
		return
	}
	l := &link{near: near, far: far, ended: make(chan struct{})}
	defer l.cut()
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.links[l] = struct{}{}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.links, l)
	}()
	var ways sync.WaitGroup
	ways.Go(func() { p.pass(l, near, far) })
	ways.Go(func() { p.pass(l, far, near) })
	ways.Wait()
}

// pass copies one direction. Whichever ends first ends both: none of the protocols
// that go through here closes one half.
func (p *Proxy) pass(l *link, from, to net.Conn) {
	defer l.cut()
	buffer := make([]byte, chunk)
	for {
		n, err := from.Read(buffer)
		if n > 0 && (!p.await(l, n) || !write(to, buffer[:n])) {
			return
		}
		if err != nil {
			return
		}
	}
}

func write(to net.Conn, content []byte) bool {
	_, err := to.Write(content)
	return err == nil
}

// await waits until n bytes may pass; false when the connection is over.
func (p *Proxy) await(l *link, n int) bool {
	p.mu.Lock()
	open, rate := p.open, p.rate
	p.mu.Unlock()
	select {
	case <-open:
	case <-l.ended:
		return false
	}
	if rate <= 0 {
		return true
	}
	timer := time.NewTimer(time.Duration(n) * time.Second / time.Duration(rate))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.ended:
		return false
	}
}
