package sources_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// step names what the program sends, or hears, such as "before LockSourceItems" and "after
// LockSourceItems", and how often it did so before.
type step struct {
	what string
	nth  int
}

func (s step) String() string { return fmt.Sprintf("%s, number %d", s.what, s.nth+1) }

// gate lets messages pass until the program is killed.
type gate struct {
	mu    sync.Mutex
	at    step // where the program is killed
	kill  func()
	fired bool
	seen  map[string]int
}

// pass reports whether a message may pass. At the step it kills the program, and returns
// when it is gone: the message was then never sent, or never heard.
func (g *gate) pass(what string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fired {
		return false
	}
	now := step{what, g.seen[what]}
	g.seen[what]++
	if now == g.at {
		g.fired = true
		g.kill()
		return false
	}
	return true
}

// killed reports whether the program was killed.
func (g *gate) killed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.fired
}

// steps lists all that was seen.
func (g *gate) steps() (all []step) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(g.seen)) {
		for nth := range g.seen[what] {
			all = append(all, step{what, nth})
		}
	}
	return all
}

// wire is a protocol: it reads from one side what passes as one, and names it; "" is not a
// step.
type wire interface {
	fromProgram(r *bufio.Reader) (message []byte, what string, err error)
	fromServer(r *bufio.Reader) (message []byte, what string, err error)
}

// relay passes connections on to a server, message by message, and returns its address.
func relay(t *testing.T, g *gate, network, target string, protocol func() wire) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var work sync.WaitGroup
	work.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := (&net.Dialer{}).DialContext(t.Context(), network, target)
			if err != nil {
				_ = near.Close()
				continue
			}
			spoken := protocol()
			pump := func(from, to net.Conn, read func(*bufio.Reader) ([]byte, string, error)) {
				defer from.Close()
				defer to.Close()
				reader := bufio.NewReader(from)
				for {
					message, what, err := read(reader)
					if err != nil || what != "" && !g.pass(what) {
						return
					}
					if _, err := to.Write(message); err != nil {
						return
					}
				}
			}
			work.Go(func() { pump(near, far, spoken.fromProgram) })
			work.Go(func() { pump(far, near, spoken.fromServer) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		work.Wait() // the program is gone by then, and its connections with it
	})
	return listener.Addr().String()
}

// postgres names requests by the names of their statements.
type postgres struct {
	mu         sync.Mutex
	started    bool
	statements map[string]string
	now        string
}

func newPostgres() wire { return &postgres{statements: make(map[string]string), now: "connecting"} }

var queryName = regexp.MustCompile(`^-- name: (\w+)`)

func nameOf(query string) string {
	if found := queryName.FindStringSubmatch(query); found != nil {
		return found[1]
	}
	word, _, _ := strings.Cut(strings.TrimSpace(query), " ")
	return strings.ToLower(strings.Trim(word, ";"))
}

// frame reads a message with its type.
func frame(r *bufio.Reader) ([]byte, error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	whole := make([]byte, 1+binary.BigEndian.Uint32(head[1:]))
	copy(whole, head)
	_, err := io.ReadFull(r, whole[5:])
	return whole, err
}

// fromProgram reads up to the end of a request: a server works on parts of it at once.
func (p *postgres) fromProgram(r *bufio.Reader) (request []byte, what string, err error) {
	if !p.started {
		p.started = true
		length, err := r.Peek(4)
		if err != nil {
			return nil, "", err
		}
		greeting := make([]byte, binary.BigEndian.Uint32(length))
		_, err = io.ReadFull(r, greeting)
		return greeting, "before connecting", err
	}
	for {
		part, err := frame(r)
		if err != nil {
			return nil, "", err
		}
		request = append(request, part...)
		body := string(part[5:])
		p.mu.Lock()
		switch part[0] {
		case 'P':
			name, rest, _ := strings.Cut(body, "\x00")
			query, _, _ := strings.Cut(rest, "\x00")
			p.statements[name] = nameOf(query)
			p.now = "preparing " + p.statements[name]
		case 'B':
			_, rest, _ := strings.Cut(body, "\x00")
			name, _, _ := strings.Cut(rest, "\x00")
			p.now = p.statements[name]
		case 'Q':
			p.now = nameOf(strings.TrimRight(body, "\x00"))
		}
		now := p.now
		p.mu.Unlock()
		switch part[0] {
		case 'Q', 'S':
			return request, "before " + now, nil
		case 'X':
			return request, "", nil
		}
	}
}

func (p *postgres) fromServer(r *bufio.Reader) (answer []byte, what string, err error) {
	for {
		part, err := frame(r)
		if err != nil {
			return nil, "", err
		}
		answer = append(answer, part...)
		if part[0] == 'Z' {
			p.mu.Lock()
			defer p.mu.Unlock()
			return answer, "after " + p.now, nil
		}
		if part[0] == 'R' && len(part) > 8 && binary.BigEndian.Uint32(part[5:]) != 0 {
			return answer, "", nil // the server asks for a password
		}
	}
}

// natsWire names messages to the stream and its answers.
type natsWire struct{}

func newNATS() wire { return natsWire{} }

// line reads a line of the protocol with its payload.
func line(r *bufio.Reader) (whole []byte, fields []string, err error) {
	whole, err = r.ReadBytes('\n')
	if err != nil {
		return nil, nil, err
	}
	fields = strings.Fields(string(whole))
	if len(fields) == 0 {
		return whole, []string{""}, nil
	}
	switch fields[0] {
	case "PUB", "HPUB", "MSG", "HMSG":
		size, err := strconv.Atoi(fields[len(fields)-1])
		if err != nil {
			return nil, nil, err
		}
		payload := make([]byte, size+2)
		if _, err := io.ReadFull(r, payload); err != nil {
			return nil, nil, err
		}
		whole = append(whole, payload...)
	}
	return whole, fields, nil
}

func (natsWire) fromProgram(r *bufio.Reader) (message []byte, what string, err error) {
	message, fields, err := line(r)
	switch {
	case err != nil:
		return nil, "", err
	case fields[0] != "PUB" && fields[0] != "HPUB":
		return message, "", nil
	case strings.HasPrefix(fields[1], "$JS."):
		return message, "before a question to the stream", nil
	default:
		return message, "before publishing", nil
	}
}

func (natsWire) fromServer(r *bufio.Reader) (message []byte, what string, err error) {
	message, fields, err := line(r)
	if err == nil && (fields[0] == "MSG" || fields[0] == "HMSG") {
		what = "after an answer of the stream"
	}
	return message, what, err
}

// postgresThrough is the address of the database by way of a relay.
func postgresThrough(t *testing.T, g *gate, database string) string {
	t.Helper()
	parsed, err := url.Parse(database)
	require.NoError(t, err)
	network, target, query := "tcp", parsed.Host, parsed.Query()
	if folder := query.Get("host"); folder != "" {
		port := query.Get("port")
		if port == "" {
			port = "5432"
		}
		network, target = "unix", filepath.Join(folder, ".s.PGSQL."+port)
		query.Del("host")
		query.Del("port")
	}
	parsed.Host = relay(t, g, network, target, newPostgres)
	query.Set("sslmode", "disable")
	parsed.RawQuery = query.Encode()
	return parsed.String()
}

// natsThrough is the address of NATS by way of a relay.
func natsThrough(t *testing.T, g *gate, address string) string {
	t.Helper()
	parsed, err := url.Parse(address)
	require.NoError(t, err)
	return "nats://" + relay(t, g, "tcp", parsed.Host, newNATS)
}
