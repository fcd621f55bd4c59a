package proxy_test

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/catalog-courier/catalog-courier/test/chaos/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers every line with itself.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer connection.Close()
				io.Copy(connection, connection)
			}()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-done
	})
	return listener.Addr().String()
}

type client struct {
	net.Conn
	lines *bufio.Reader
}

func dial(t *testing.T, p *proxy.Proxy) *client {
	t.Helper()
	connection, err := net.Dial("tcp", p.Address())
	require.NoError(t, err)
	t.Cleanup(func() { connection.Close() })
	return &client{connection, bufio.NewReader(connection)}
}

func (c *client) ask(line string, within time.Duration) error {
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return err
	}
	return c.answer(line, within)
}

func (c *client) answer(line string, within time.Duration) error {
	c.SetReadDeadline(time.Now().Add(within))
	got, err := c.lines.ReadString('\n')
	if err == nil && strings.TrimSpace(got) != line {
		return io.ErrUnexpectedEOF
	}
	return err
}

const patience = 10 * time.Second

func start(t *testing.T) *proxy.Proxy {
	t.Helper()
	target := echo(t)
	p, err := proxy.Start(t.Context(), "tcp", target)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func TestCutBreaksWhatIsThere(t *testing.T) {
	t.Parallel()
	p := start(t)
	c := dial(t, p)
	require.NoError(t, c.ask("one", patience))
	require.Equal(t, 1, p.Cut())
	require.Error(t, c.ask("two", patience))
	require.NoError(t, dial(t, p).ask("three", patience))
}

func TestRefusedConnections(t *testing.T) {
	t.Parallel()
	p := start(t)
	old := dial(t, p)
	require.NoError(t, old.ask("one", patience))
	p.Refuse(true)
	require.ErrorIs(t, dial(t, p).answer("", patience), io.EOF)
	require.NoError(t, old.ask("two", patience), "a connection that was there goes on")
	p.Refuse(false)
	require.NoError(t, dial(t, p).ask("three", patience))
}

func TestHeldConnectionsSayNothingAndLoseNothing(t *testing.T) {
	t.Parallel()
	p := start(t)
	c := dial(t, p)
	require.NoError(t, c.ask("one", patience))
	p.Hold(true)
	err := c.ask("two", 100*time.Millisecond)
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout())
	p.Hold(false)
	require.NoError(t, c.answer("two", patience))
}

func TestSlowConnections(t *testing.T) {
	t.Parallel()
	p := start(t)
	c := dial(t, p)
	require.NoError(t, c.ask("one", patience))
	const rate, size = 4000, 1000
	p.Slow(rate)
	began := time.Now()
	require.NoError(t, c.ask(strings.Repeat("x", size), patience))
	require.GreaterOrEqual(t, time.Since(began), 2*size*time.Second/rate, "both ways")
}

func TestRetarget(t *testing.T) {
	t.Parallel()
	p, err := proxy.Start(t.Context(), "unix", "/nobody/listens/here")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	require.Error(t, dial(t, p).ask("one", patience))
	p.Retarget("tcp", echo(t))
	require.NoError(t, dial(t, p).ask("two", patience))
	require.NoError(t, p.Close())
	require.NoError(t, p.Close(), "closing twice is harmless")
}
