package webhook_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/source/webhook"
)

func headers(pairs ...string) http.Header {
	header := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		header.Set(pairs[i], pairs[i+1])
	}
	return header
}

// The signatures are made with openssl:
//
//	printf '%s' "$body" | openssl dgst -sha256 -hmac "$secret" -binary | openssl base64
//	printf '%s' "$id.$timestamp.$body" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$key -binary | openssl base64
const (
	shopifySecret    = "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"
	shopifyBody      = `{"id":788032119674292922,"title":"Lamp"}`
	shopifySignature = "QSDetnVJBfhWJZ9fUl9Rr+cL5mNPrB9H3S/7yOytJHM="

	// The secret, id, time and body are those of the test vector of Standard Webhooks.
	standardSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	standardID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	standardTime      = "1614265330"
	standardBody      = `{"test": 2432232314}`
	standardSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

	wooBody    = `{"id":1}`
	wooPlain   = "VrDlznsIGEvhuE/5L4jOKOBnDur+Vi5jS3S1lim5btI=" // of a&b<c
	wooEscaped = "4o84/46eiLyx8xr4b/LC9UgZcG7G9JOsKvj26O+kwIM=" // of a&amp;b&lt;c
)

var signedAt = time.Unix(1614265330, 0)

func TestVerify(t *testing.T) {
	t.Parallel()
	standard := func(id, at, signature string) http.Header {
		return headers("webhook-id", id, "webhook-timestamp", at, "webhook-signature", signature)
	}
	for _, test := range []struct {
		name    string
		kind    webhook.Kind
		secrets []string
		header  http.Header
		body    string
		now     time.Time
		want    error
	}{
		{"shopify", webhook.Shopify, []string{shopifySecret}, headers("X-Shopify-Hmac-SHA256", shopifySignature), shopifyBody, signedAt, nil},
		{"shopify, newer header", webhook.Shopify, []string{shopifySecret}, headers("Shopify-Hmac-SHA256", shopifySignature), shopifyBody, signedAt, nil},
		{"shopify, old secret", webhook.Shopify, []string{"new", shopifySecret}, headers("X-Shopify-Hmac-SHA256", shopifySignature), shopifyBody, signedAt, nil},
		{"shopify, other secret", webhook.Shopify, []string{"new"}, headers("X-Shopify-Hmac-SHA256", shopifySignature), shopifyBody, signedAt, webhook.ErrSignature},
		{"shopify, one byte off", webhook.Shopify, []string{shopifySecret}, headers("X-Shopify-Hmac-SHA256", "R"+shopifySignature[1:]), shopifyBody, signedAt, webhook.ErrSignature},
		{"shopify, body changed", webhook.Shopify, []string{shopifySecret}, headers("X-Shopify-Hmac-SHA256", shopifySignature), shopifyBody + " ", signedAt, webhook.ErrSignature},
		{"shopify, cut", webhook.Shopify, []string{shopifySecret}, headers("X-Shopify-Hmac-SHA256", shopifySignature[:20]), shopifyBody, signedAt, webhook.ErrSignature},
		{"shopify, no base64", webhook.Shopify, []string{shopifySecret}, headers("X-Shopify-Hmac-SHA256", "?"), shopifyBody, signedAt, webhook.ErrSignature},
		{"shopify, none", webhook.Shopify, []string{shopifySecret}, headers(), shopifyBody, signedAt, webhook.ErrUnsigned},
		{"woo", webhook.WooCommerce, []string{"a&b<c"}, headers("X-WC-Webhook-Signature", wooPlain), wooBody, signedAt, nil},
		{"woo, secret as the page shows it", webhook.WooCommerce, []string{"a&amp;b&lt;c"}, headers("X-WC-Webhook-Signature", wooPlain), wooBody, signedAt, nil},
		{"woo, secret as it is kept", webhook.WooCommerce, []string{"a&amp;b&lt;c"}, headers("X-WC-Webhook-Signature", wooEscaped), wooBody, signedAt, nil},
		{"woo, other", webhook.WooCommerce, []string{"a"}, headers("X-WC-Webhook-Signature", wooPlain), wooBody, signedAt, webhook.ErrSignature},
		{"standard", webhook.Standard, []string{standardSecret}, standard(standardID, standardTime, standardSignature), standardBody, signedAt, nil},
		{"standard, several", webhook.Standard, []string{standardSecret}, standard(standardID, standardTime, "v1a,xyz v1,AAAA "+standardSignature), standardBody, signedAt, nil},
		{"standard, other id", webhook.Standard, []string{standardSecret}, standard("msg_other", standardTime, standardSignature), standardBody, signedAt, webhook.ErrSignature},
		{"standard, other time", webhook.Standard, []string{standardSecret}, standard(standardID, "1614265331", standardSignature), standardBody, signedAt, webhook.ErrSignature},
		{"standard, replayed", webhook.Standard, []string{standardSecret}, standard(standardID, standardTime, standardSignature), standardBody, signedAt.Add(5*time.Minute + time.Second), webhook.ErrTimestamp},
		{"standard, from the future", webhook.Standard, []string{standardSecret}, standard(standardID, standardTime, standardSignature), standardBody, signedAt.Add(-5*time.Minute - time.Second), webhook.ErrTimestamp},
		{"standard, time is no number", webhook.Standard, []string{standardSecret}, standard(standardID, "now", standardSignature), standardBody, signedAt, webhook.ErrTimestamp},
		{"standard, only another version", webhook.Standard, []string{standardSecret}, standard(standardID, standardTime, "v2"+standardSignature[2:]), standardBody, signedAt, webhook.ErrSignature},
		{"standard, none", webhook.Standard, []string{standardSecret}, headers("webhook-id", standardID), standardBody, signedAt, webhook.ErrUnsigned},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			secrets, err := webhook.NewSecrets(test.kind, test.secrets...)
			require.NoError(t, err)
			err = secrets.Verify(test.header, []byte(test.body), test.now)
			if test.want == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, test.want)
		})
	}
}

func TestSecretsAreChecked(t *testing.T) {
	t.Parallel()
	for _, kind := range webhook.Kinds() {
		_, err := webhook.NewSecrets(kind)
		require.ErrorIs(t, err, webhook.ErrSecret)
		_, err = webhook.NewSecrets(kind, " ")
		require.ErrorIs(t, err, webhook.ErrSecret)
	}
	_, err := webhook.NewSecrets(webhook.Standard, "whsec_not base64 at all")
	require.ErrorIs(t, err, webhook.ErrSecret)
	require.NotContains(t, err.Error(), "not base64 at all")
}

// TestSecretsWithoutFilling: some senders print a secret without the signs at its end.
func TestSecretsWithoutFilling(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, secret, signature string }{
		{"one sign missing", "Y2F0YWxvZy1jb3VyaWVyLXRlc3Qta2V5LTE", "v1,F2pDP85rKN/CZGuFPUPxCMLl1wevaX/XKdwgfGxWM5s="},
		{"two signs missing, prefixed", "whsec_Y2F0YWxvZy1jb3VyaWVyLXRlc3Qta2V5LQ", "v1,qdk9qJRwYtI0gihV4/JWuXPnrleadRtactRE7TS9YqY="},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			secrets, err := webhook.NewSecrets(webhook.Standard, test.secret)
			require.NoError(t, err)
			header := headers("webhook-id", "msg_1", "webhook-timestamp", standardTime, "webhook-signature", test.signature)
			require.NoError(t, secrets.Verify(header, []byte(`{"test":1}`), signedAt))
			require.ErrorIs(t, secrets.Verify(header, []byte(`{"test": 1}`), signedAt), webhook.ErrSignature, "the body with a blank more")
		})
	}
}

func TestToleranceIsASetting(t *testing.T) {
	t.Parallel()
	secrets, err := webhook.NewSecrets(webhook.Standard, standardSecret)
	require.NoError(t, err)
	secrets.Tolerance = time.Minute
	header := headers("webhook-id", standardID, "webhook-timestamp", standardTime, "webhook-signature", standardSignature)
	require.NoError(t, secrets.Verify(header, []byte(standardBody), signedAt.Add(time.Minute)))
	require.ErrorIs(t, secrets.Verify(header, []byte(standardBody), signedAt.Add(time.Minute+time.Second)), webhook.ErrTimestamp)
}
