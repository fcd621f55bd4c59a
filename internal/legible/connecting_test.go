package legible_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// TestConnectingShowsWhatCounts: the texts are the driver's own.
func TestConnectingShowsWhatCounts(t *testing.T) {
	t.Parallel()
	const (
		head  = "failed to connect to `user=courier database=ledger`:"
		noTLS = "10.0.0.1:5432 (db): tls error: server refused TLS connection"
		full  = "10.0.0.1:5432 (db): server error: FATAL: sorry, too many clients already (SQLSTATE 53300)"
		gone  = "10.0.0.1:5432 (db): dial error: dial tcp 10.0.0.1:5432: connect: connection refused"
		other = "10.0.0.2:5432 (db): tls error: server refused TLS connection"
		hba   = "10.0.0.1:5432 (db): server error: FATAL: no pg_hba.conf entry for host \"10.0.0.9\", no encryption (SQLSTATE 28000)"
		hand  = "10.0.0.1:5432 (db): tls error: remote error: tls: handshake failure"
	)
	for _, test := range []struct{ name, text, want string }{
		{"nothing of it", "other\n\ttext", "other\n\ttext"},
		{"one attempt", head + " " + gone, head + " " + gone},
		{"too many clients", head + "\n\t" + noTLS + "\n\t" + full, head + " " + full},
		{"without TLS first", head + "\n\t" + hba + "\n\t" + noTLS, head + " " + hba},
		{"both count", head + "\n\t" + hand + "\n\t" + hba, head + " " + hand + "; " + hba},
		{"twice the same", head + "\n\t" + gone + "\n\t" + gone, head + " " + gone},
		{"TLS alone is wanted", head + " " + noTLS, head + " " + noTLS},
		{"TLS alone is wanted of two", head + "\n\t" + noTLS + "\n\t" + other, head + " " + noTLS + "; " + other},
		{"two hosts", head + "\n\t" + noTLS + "\n\t" + full + "\n\t" + other, head + " " + full + "; " + other},
		{"wrapped", "opening the ledger: " + head + "\n\t" + noTLS + "\n\t" + full + "\nmore", "opening the ledger: " + head + " " + full + "\nmore"},
		{"two failures", head + "\n\t" + noTLS + "\n\t" + full + "\n" + head + "\n\t" + gone + "\n\t" + gone, head + " " + full + "\n" + head + " " + gone},
		{"refused twice", head + "\n\t" + noTLS + "\n\t" + noTLS, head + " " + noTLS},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, legible.Connecting(test.text))
		})
	}
}
