package persistence_test

import (
	"context"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/precondition"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/persistence/persistencetest"
)

// trackedParameters are the only ones that PgBouncer takes at the start of a connection.
var trackedParameters = map[string]bool{
	"user": true, "database": true, "application_name": true, "client_encoding": true, "DateStyle": true, "datestyle": true,
	"TimeZone": true, "timezone": true, "standard_conforming_strings": true, "IntervalStyle": true, "intervalstyle": true,
}

// pooler answers as PgBouncer does: it refuses startup parameters that it does not
// track and, by transaction, gives a client the one server connection that is free.
type pooler struct {
	t             *testing.T
	upstream      string // host:port or a socket
	network       string
	byTransaction bool
	language      map[string]string // of what the server says: its word for each severity
	room          chan struct{}     // what is in it is open; nil: no limit
	ended         chan struct{}

	mu      sync.Mutex
	clients []*pooled
}

// pooled is a client and the server connection that is its own at the moment.
type pooled struct {
	mu       sync.Mutex
	frontend *pgproto3.Frontend
}

// startPooler listens in front of the database and returns the address through it.
func startPooler(t *testing.T, database string, byTransaction bool) (address string) {
	t.Helper()
	return (&pooler{byTransaction: byTransaction}).start(t, database)
}

// start listens in front of the database and returns the address through it.
func (p *pooler) start(t *testing.T, database string) (address string) {
	t.Helper()
	parsed, err := url.Parse(database)
	require.NoError(t, err)
	p.t, p.network, p.upstream, p.ended = t, "tcp", parsed.Host, make(chan struct{})
	if folder := parsed.Query().Get("host"); folder != "" {
		port := parsed.Query().Get("port")
		if port == "" {
			port = "5432"
		}
		p.network, p.upstream = "unix", folder+"/.s.PGSQL."+port
	}
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		close(p.ended)
		serving.Wait()
	})
	query := parsed.Query()
	query.Del("host")
	query.Del("port")
	query.Set("sslmode", "disable")
	parsed.Host, parsed.RawQuery = listener.Addr().String(), query.Encode()
	return parsed.String()
}

func (p *pooler) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	backend := pgproto3.NewBackend(client, client)
	first, err := backend.ReceiveStartupMessage()
	if err != nil {
		return
	}
	startup, ok := first.(*pgproto3.StartupMessage)
	if !ok {
		return // a request to cancel
	}
	for name := range startup.Parameters {
		if !trackedParameters[name] {
			backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "08P01", Message: "unsupported startup parameter: " + name})
			_ = backend.Flush()
			return
		}
	}
	if p.room != nil { // PgBouncer lets a client wait for its turn
		select {
		case p.room <- struct{}{}:
			defer func() { <-p.room }()
		case <-p.ended:
			return
		}
	}
	server, frontend, err := p.open(startup, backend)
	if err != nil {
		return
	}
	if p.byTransaction { // others may have it meanwhile
		p.t.Cleanup(func() { _ = server.Close() })
	} else {
		defer func() { _ = server.Close() }()
	}
	own := &pooled{frontend: frontend}
	p.mu.Lock()
	p.clients = append(p.clients, own)
	p.mu.Unlock()
	p.relay(backend, own)
	p.mu.Lock()
	p.clients = slices.DeleteFunc(p.clients, func(other *pooled) bool { return other == own })
	p.mu.Unlock()
}

// swap gives a client the server connection of another, as a pooler by transaction may.
func (p *pooler) swap(client *pooled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, other := range p.clients {
		if other != client {
			client.mu.Lock()
			other.mu.Lock()
			client.frontend, other.frontend = other.frontend, client.frontend
			other.mu.Unlock()
			client.mu.Unlock()
			return
		}
	}
}

// open connects to the server and passes on what it greets with.
func (p *pooler) open(startup *pgproto3.StartupMessage, backend *pgproto3.Backend) (net.Conn, *pgproto3.Frontend, error) {
	server, err := (&net.Dialer{}).DialContext(context.Background(), p.network, p.upstream)
	if err != nil {
		return nil, nil, err
	}
	frontend := pgproto3.NewFrontend(server, server)
	frontend.Send(startup)
	if err := frontend.Flush(); err != nil {
		return server, nil, err
	}
	for {
		message, err := frontend.Receive()
		if err != nil {
			return server, nil, err
		}
		backend.Send(message)
		if _, ready := message.(*pgproto3.ReadyForQuery); ready {
			return server, frontend, backend.Flush()
		}
	}
}

func (p *pooler) relay(backend *pgproto3.Backend, client *pooled) {
	for {
		message, err := backend.Receive()
		if err != nil {
			return
		}
		if _, ends := message.(*pgproto3.Terminate); ends && p.byTransaction {
			return
		}
		if p.byTransaction {
			if query, ok := message.(*pgproto3.Query); ok && query.String == "BEGIN" {
				p.swap(client)
			}
		}
		client.mu.Lock()
		frontend := client.frontend
		client.mu.Unlock()
		frontend.Send(message)
		if err := frontend.Flush(); err != nil {
			return
		}
		switch message.(type) {
		case *pgproto3.Query, *pgproto3.Sync:
		case *pgproto3.Terminate:
			return
		default:
			continue
		}
		for ready := false; !ready; {
			answer, err := frontend.Receive()
			if err != nil {
				return
			}
			if problem, ok := answer.(*pgproto3.ErrorResponse); ok && p.language != nil {
				problem.Severity = p.language[problem.SeverityUnlocalized]
			}
			backend.Send(answer)
			_, ready = answer.(*pgproto3.ReadyForQuery)
		}
		if backend.Flush() != nil {
			return
		}
	}
}

// TestBehindAPooler: by session everything works, and by transaction nothing begins.
func TestBehindAPooler(t *testing.T) {
	t.Parallel()
	database := persistencetest.Database(t)
	t.Run("by session", func(t *testing.T) {
		t.Parallel()
		address := startPooler(t, database, false)
		failures, err := persistence.Preconditions(t.Context(), address)
		require.NoError(t, err)
		require.Empty(t, failures)
		_, err = persistence.Migrate(t.Context(), address)
		require.NoError(t, err)
		pool := newPool(t, address)
		for setting, wanted := range map[string]string{
			"statement_timeout": "30s", "idle_in_transaction_session_timeout": "30s", "jit": "off", "TimeZone": "UTC",
			"default_transaction_isolation": "read committed", "plan_cache_mode": "force_custom_plan", "synchronous_commit": "on",
		} {
			var found string
			require.NoError(t, pool.QueryRow(t.Context(), "SELECT current_setting($1)", setting).Scan(&found))
			require.Equal(t, wanted, found, setting)
		}
		pool.Close()
	})
	t.Run("by transaction", func(t *testing.T) {
		t.Parallel()
		address := startPooler(t, database, true)
		failures, err := persistence.Preconditions(t.Context(), address)
		require.NoError(t, err)
		require.Len(t, failures, 1)
		require.Equal(t, "pool_mode", failures[0].Key)
		require.True(t, precondition.Permanent(failures.Err()))
		_, err = persistence.Migrate(t.Context(), address)
		require.ErrorContains(t, err, "a pooler by transaction")
	})
}
