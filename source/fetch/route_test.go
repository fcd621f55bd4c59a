package fetch

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSameOrigin(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		from, to string
		same     bool
	}{
		{"https://a.example/x", "https://a.example:443/y", true},
		{"http://a.example", "https://a.example", true},
		{"http://a.example:80", "https://a.example", true},
		{"http://a.example:8080", "https://a.example", false},
		{"http://a.example", "https://a.example:8443", false},
		{"https://a.example", "https://a.example:8443", false},
		{"https://a.example", "https://b.a.example", false},
		{"https://a.example", "https://a.example.evil.example", false},
		{"https://a.example", "http://a.example", false},
	} {
		from, err := url.Parse(test.from)
		require.NoError(t, err)
		to, err := url.Parse(test.to)
		require.NoError(t, err)
		require.Equal(t, test.same, sameOrigin(from, to), "%s %s", test.from, test.to)
	}
}

// TestPrivateNetworks: a public server must not send a fetch into the private network that it
// is made from. The settings may name any host.
func TestPrivateNetworks(t *testing.T) {
	t.Parallel()
	for _, inside := range []string{"127.0.0.1:80", "10.0.0.1:80", "192.168.1.1:80", "169.254.169.254:80", "100.100.100.200:80", "[::1]:80", "[fd00:ec2::254]:80", "[::ffff:127.0.0.1]:80", "0.0.0.0:80"} {
		public := &route{}
		require.NoError(t, public.admit(t.Context(), "tcp", "203.0.113.1:443", nil))
		require.NoError(t, public.admit(t.Context(), "tcp", "[2001:db8::1]:443", nil))
		public.left.Store(true)
		require.NoError(t, public.admit(t.Context(), "tcp", "203.0.113.2:443", nil))
		require.ErrorIs(t, public.admit(t.Context(), "tcp", inside, nil), ErrRedirect, inside)
		private := &route{}
		require.NoError(t, private.admit(t.Context(), "tcp", inside, nil))
		private.left.Store(true)
		require.NoError(t, private.admit(t.Context(), "tcp", "10.0.0.2:80", nil))
	}
}
