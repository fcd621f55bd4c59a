package fetch_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/source/fetch"
)

func TestParse(t *testing.T) {
	t.Parallel()
	known := []byte("shop.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJm0nVLRYF8IkLcnuVkGZaYqZd3fqFzWTjVxVnHVo1kR\n")
	sftp := fetch.Options{Username: "u", Password: "pw-secret", KnownHosts: known}
	keys := fetch.Options{AccessKey: "AKIA123", SecretKey: "sk-secret"}
	for _, test := range []struct {
		location string
		options  fetch.Options
		shown    string // empty: refused
		text     string
	}{
		{"feeds/a.csv", fetch.Options{}, "feeds/a.csv", ""},
		{"file:feeds/a%20b.csv", fetch.Options{}, "feeds/a b.csv", ""},
		{"file:///feeds/a.csv", fetch.Options{}, "/feeds/a.csv", ""},
		{"./a:b.csv", fetch.Options{}, "./a:b.csv", ""},
		{"", fetch.Options{}, "", "is empty"},
		{"a\x00b", fetch.Options{}, "", "zero byte"},
		{"file://host/a.csv", fetch.Options{}, "", "names another host"},
		{"file:///a.csv?x=1", fetch.Options{}, "", "no ?"},
		{"file:%zz", fetch.Options{}, "", "malformed"},
		{"a.csv", fetch.Options{Password: "pw-secret"}, "", "a local file does not take"},
		{"ftp://u:pw-secret@host/a.csv", fetch.Options{}, "", `"ftp" is not a scheme`},
		{"a:b.csv", fetch.Options{}, "", "begins with ./"},
		{"https://u:pw-secret@shop.example:8443/a.csv?token=pw-secret#x", fetch.Options{}, "https://shop.example:8443/a.csv?…", ""},
		{"HTTPS://shop.example", fetch.Options{}, "https://shop.example", ""},
		{"https://shop.example/%2e%2e/a%0ab", fetch.Options{}, "https://shop.example/%2e%2e/a%0ab", ""},
		{"http://shop.example/feed.csv", fetch.Options{}, "http://shop.example/feed.csv", ""},
		{"http://shop.example/feed.csv", fetch.Options{Header: map[string]string{"user-agent": "x"}}, "http://shop.example/feed.csv", ""},
		{"http://shop/feed.csv", fetch.Options{Username: "u", Password: "pw-secret"}, "http://shop/feed.csv", ""},
		{"http://[::1]:80/feed.csv", fetch.Options{Username: "u", Password: "pw-secret"}, "http://[::1]:80/feed.csv", ""},
		{"http://shop.example/feed.csv", fetch.Options{Username: "u", Password: "pw-secret"}, "", "unencrypted"},
		{"http://10.0.0.1/feed.csv", fetch.Options{Header: map[string]string{"X-Key": "pw-secret"}}, "", "unencrypted"},
		{"https:///a.csv", fetch.Options{}, "", "no host"},
		{"https:/u:pw-secret@shop.example/a.csv", fetch.Options{}, "", "no host"},
		{"https:u:pw-secret@shop.example", fetch.Options{}, "", "malformed"},
		{"https://u:pw-secret@shop.example:x/", fetch.Options{}, "", "malformed"},
		{"https://shop.example:99999/", fetch.Options{}, "", "port"},
		{"https://shop.example:/", fetch.Options{}, "", "port"},
		{"https://u:pw-secret@shop.example/%zz", fetch.Options{}, "", "malformed"},
		{"https://u:pw-secret@shop.example/", fetch.Options{Password: "other"}, "", "different values for the password"},
		{"https://shop.example/", fetch.Options{Password: "pw-secret"}, "", "no username"},
		{"https://shop.example/", fetch.Options{Username: "a:b"}, "", "colon"},
		{"https://shop.example/", fetch.Options{Username: "a", Password: "pw-secret\n"}, "", "line break"},
		{"https://shop.example/", fetch.Options{Header: map[string]string{"X Key": "pw-secret"}}, "", "not a name"},
		{"https://shop.example/", fetch.Options{Header: map[string]string{"X-Key": "pw-secret\r\nX: y"}}, "", "line break"},
		{"https://shop.example/", fetch.Options{Header: map[string]string{"range": "bytes=0-1"}}, "", "not for settings"},
		{"https://shop.example/", fetch.Options{Header: map[string]string{"X-Key": "pw-secret", "x-key": "b"}}, "", "twice"},
		{"https://u@shop.example/", fetch.Options{Header: map[string]string{"Authorization": "Bearer pw-secret"}}, "", "Authorization"},
		{"https://shop.example/", keys, "", "http does not take"},
		{"https://shop.example/", fetch.Options{Timeout: -1}, "", "negative"},
		{"https://shop.example/", fetch.Options{MaxBytes: -1}, "", "negative"},
		{"sftp://u@shop.example/a.csv", sftp, "sftp://shop.example/a.csv", ""},
		{"sftp://shop.example:2222/~/a.csv", sftp, "sftp://shop.example:2222/~/a.csv", ""},
		{"sftp://shop.example/", sftp, "", "no file"},
		{"sftp://shop.example/a/", sftp, "", "no file"},
		{"sftp://shop.example/a?b", sftp, "", "no ?"},
		{"sftp://other@shop.example/a", sftp, "", "different values for the username"},
		{"sftp://shop.example/a", fetch.Options{KnownHosts: known, Password: "pw-secret"}, "", "no username"},
		{"sftp://u@shop.example/a", fetch.Options{KnownHosts: known}, "", "neither a password nor a private key"},
		{"sftp://u@shop.example/a", fetch.Options{Password: "pw-secret"}, "", "no known hosts"},
		{"sftp://u@shop.example/a", fetch.Options{Password: "pw-secret", KnownHosts: []byte("shop.example pw-secret\n")}, "", "known_hosts file"},
		{"sftp://u@shop.example/a", fetch.Options{KnownHosts: known, PrivateKey: []byte("pw-secret")}, "", "private key cannot be read"},
		{"s3://feeds/a b/c%20d.csv", keys, "s3://feeds/a b/c%20d.csv", ""},
		{"s3://feeds/a.csv", fetch.Options{Endpoint: "minio:9000", Region: "eu-west-1"}, "s3://feeds/a.csv", ""},
		{"s3://feeds/a.csv?X-Amz-Signature=pw-secret", fetch.Options{}, "s3://feeds/a.csv?…", ""},
		{"s3:feeds/a.csv", fetch.Options{Endpoint: "http://127.0.0.1:9000/"}, "s3://feeds/a.csv", ""},
		{"s3://feeds", keys, "", "no object"},
		{"s3://feeds/", keys, "", "no object"},
		{"s3://F/a", keys, "", "bucket's name"},
		{"s3://feeds?pw-secret", keys, "", "bucket's name"},
		{"s3://AKIA123:sk-secret@feeds/a", fetch.Options{}, "", "access_key_file"},
		{"s3://feeds/a", fetch.Options{AccessKey: "AKIA123"}, "", "is missing"},
		{"s3://feeds/a", fetch.Options{Endpoint: "https://u:pw-secret@host"}, "", "endpoint is not valid"},
		{"s3://feeds/a", fetch.Options{Endpoint: "https://host/path"}, "", "endpoint is not valid"},
		{"s3://feeds/a", fetch.Options{Endpoint: "a b"}, "", "endpoint is not valid"},
		{"s3://feeds/a", fetch.Options{Header: map[string]string{"a": "b"}}, "", "s3 does not take"},
	} {
		t.Run(test.location, func(t *testing.T) {
			t.Parallel()
			fetcher, err := fetch.Parse(test.location, test.options)
			if test.shown != "" {
				require.NoError(t, err)
				require.Equal(t, test.shown, fetcher.String())
				for _, text := range []string{fmt.Sprintf("%v %+v %#v", fetcher, fetcher, fetcher), fmt.Sprintf("%v %+v %#v", test.options, test.options, test.options)} {
					require.NotContains(t, text, "secret")
				}
				return
			}
			require.Nil(t, fetcher)
			require.ErrorIs(t, err, fetch.ErrAddress)
			require.ErrorContains(t, err, test.text)
			require.NotContains(t, err.Error(), "-secret")
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

// TestMistypedAddressShowsNoLogin: without its colon an address is a path.
func TestMistypedAddressShowsNoLogin(t *testing.T) {
	t.Parallel()
	fetcher := parse(t, "https//u:pw-secret@shop.example/a.csv", fetch.Options{})
	require.NotContains(t, fetcher.String(), "secret")
	_, err := fetcher.Fetch(t.Context(), "")
	require.ErrorIs(t, err, fetch.ErrNotFound)
	require.NotContains(t, err.Error(), "secret")
}
