package service

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
)

// TestWhatNamesAnApp: its id before its secrets, so that replacing a secret loses no
// quota that is known; and never the secret itself.
func TestWhatNamesAnApp(t *testing.T) {
	t.Parallel()
	const secret = "canary-app-secret"
	require.Equal(t, appOf(config.Account{AppID: "7"}), appOf(config.Account{AppID: "7", ClientID: "c"}))
	require.NotContains(t, appOf(config.Account{ClientID: secret}), secret)
	require.NotEqual(t, appOf(config.Account{AppID: "7"}), appOf(config.Account{ClientID: "7"}), "an id and a client id are two things")
	require.Empty(t, appOf(config.Account{AccessToken: config.NewSecret(secret)}))
}
