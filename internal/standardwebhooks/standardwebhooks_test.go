package standardwebhooks_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/standardwebhooks"
)

// TestSignAsOthersDo has the example of the reference implementations.
func TestSignAsOthersDo(t *testing.T) {
	t.Parallel()
	key, err := standardwebhooks.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	require.NoError(t, err)
	header := http.Header{}
	standardwebhooks.Sign(header, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`), key)
	require.Equal(t, http.Header{
		"Webhook-Id":        {"msg_p5jXN8AQM9LWM0D4loKWxJek"},
		"Webhook-Timestamp": {"1614265330"},
		"Webhook-Signature": {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
	}, header)
	one := header.Get("Webhook-Signature")
	standardwebhooks.Sign(header, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`), key, key)
	require.Equal(t, one+" "+one, header.Get("Webhook-Signature"), "one for each key")
	header = http.Header{}
	standardwebhooks.Sign(header, "a", time.Unix(1, 0), nil)
	require.Equal(t, http.Header{"Webhook-Id": {"a"}, "Webhook-Timestamp": {"1"}}, header)
}

func TestParseSecret(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "whsec_", "whsec_c2hvcnQ=", "Y2F0YWxvZy1jb3VyaWVyLWV4YW1wbGUtc2VjcmV0", "whsec_!"} {
		_, err := standardwebhooks.ParseSecret(bad)
		require.ErrorIs(t, err, standardwebhooks.ErrSecret, bad)
	}
}
