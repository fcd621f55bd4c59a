package fetch_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/catalog-courier/catalog-courier/source/fetch"
)

// TestDocumentedAddresses: each example of docs/feeds.md is taken, one for each scheme.
func TestDocumentedAddresses(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/feeds.md")
	require.NoError(t, err)
	host, _ := newKey(t)
	_, private := newKey(t)
	taken := 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1) {
		var example struct {
			Feed struct {
				URL, Username, Region, Endpoint string
				PasswordFile                    string `yaml:"password_file"`
				PrivateKeyFile                  string `yaml:"private_key_file"`
				KnownHostsFile                  string `yaml:"known_hosts_file"`
				AccessKeyFile                   string `yaml:"access_key_file"`
				SecretKeyFile                   string `yaml:"secret_key_file"`
				Header                          map[string]string
			}
		}
		require.NoError(t, yaml.Unmarshal(block[1], &example))
		feed := example.Feed
		if feed.URL == "" {
			continue
		}
		options := fetch.Options{
			Username: feed.Username, Header: feed.Header, Region: feed.Region, Endpoint: feed.Endpoint,
			Password: feed.PasswordFile, AccessKey: feed.AccessKeyFile, SecretKey: feed.SecretKeyFile,
		}
		if feed.PrivateKeyFile != "" {
			options.PrivateKey = private
		}
		if feed.KnownHostsFile != "" {
			options.KnownHosts = []byte(knownhosts.Line([]string{"files.example"}, host.PublicKey()))
		}
		_, err := fetch.Parse(feed.URL, options)
		require.NoError(t, err, feed.URL)
		taken++
	}
	require.Equal(t, 4, taken)
}
