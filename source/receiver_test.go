package source_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/source"
	"github.com/catalog-courier/catalog-courier/source/shop"
	"github.com/catalog-courier/catalog-courier/source/webhook"
)

// TestReceiverIsMadeOfTheConfiguration: mistakes are found before the first delivery.
func TestReceiverIsMadeOfTheConfiguration(t *testing.T) {
	t.Parallel()
	secret := config.NewSecret
	for name, test := range map[string]struct {
		webhook *config.Webhook
		want    error
	}{
		"shopify":                    {&config.Webhook{Kind: "shopify", Secrets: []config.Secret{secret("s")}}, nil},
		"shopify with a shop":        {&config.Webhook{Kind: "shopify", Secrets: []config.Secret{secret("s")}, Shop: config.Shop{URL: "https://acme.myshopify.com", AccessToken: secret("t")}}, nil},
		"woocommerce with a shop":    {&config.Webhook{Kind: "woocommerce", Secrets: []config.Secret{secret("s")}, Shop: config.Shop{URL: "https://shop.example", ConsumerKey: secret("k"), ConsumerSecret: secret("c")}}, nil},
		"a key by http":              {&config.Webhook{Kind: "woocommerce", Secrets: []config.Secret{secret("s")}, Shop: config.Shop{URL: "http://shop.example", ConsumerKey: secret("k"), ConsumerSecret: secret("c")}}, shop.ErrAddress},
		"half a key":                 {&config.Webhook{Kind: "woocommerce", Secrets: []config.Secret{secret("s")}, Shop: config.Shop{URL: "https://shop.example", ConsumerKey: secret("k")}}, shop.ErrAddress},
		"a token without an address": {&config.Webhook{Kind: "shopify", Secrets: []config.Secret{secret("s")}, Shop: config.Shop{AccessToken: secret("t")}}, shop.ErrAddress},
		"the other shop's key":       {&config.Webhook{Kind: "shopify", Secrets: []config.Secret{secret("s")}, Shop: config.Shop{URL: "https://a.example", ConsumerKey: secret("k")}}, shop.ErrAddress},
		"a shop of no kind":          {&config.Webhook{Kind: "standard", Secrets: []config.Secret{secret("c2VjcmV0")}, Shop: config.Shop{URL: "https://a.example"}}, shop.ErrAddress},
		"no secret":                  {&config.Webhook{Kind: "shopify"}, webhook.ErrSecret},
		"a secret of another form":   {&config.Webhook{Kind: "standard", Secrets: []config.Secret{secret("?")}}, webhook.ErrSecret},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made := &source.Source{Config: config.Source{Name: "shop", Webhook: test.webhook}}
			made.Name = "shop"
			receiver, closing, err := made.Receiver(source.ReceiverOptions{})
			if test.want != nil {
				require.ErrorIs(t, err, test.want)
				require.ErrorContains(t, err, "sources.shop.webhook")
				return
			}
			require.NoError(t, err)
			require.NotNil(t, receiver)
			closing()
		})
	}
}
