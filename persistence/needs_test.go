package persistence

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPostgresVersions(t *testing.T) {
	t.Parallel()
	for version, recent := range map[string]bool{
		"14.0": true, "15.4 (Debian 15.4-1)": true, "18beta1": true, "19devel": true,
		"13.22": false, "9.6.24": false, "": false, "new": false,
	} {
		require.Equal(t, recent, recentPostgres(version), version)
	}
}
