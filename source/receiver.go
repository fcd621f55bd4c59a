package source

import (
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel/metric"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/source/receive"
	"github.com/catalog-courier/catalog-courier/source/run"
	"github.com/catalog-courier/catalog-courier/source/shop"
	"github.com/catalog-courier/catalog-courier/source/webhook"
)

// Receiver makes the receiver of the source's webhooks; nil where it has none. The error says
// which key of the configuration is wrong.
func (s *Source) Receiver(store receive.Store, publish run.Publish, logger *slog.Logger, meter metric.Meter) (*receive.Receiver, error) {
	settings := s.Config.Webhook
	if settings == nil {
		return nil, nil
	}
	options := receive.Options{
		Source: s.Source, Kind: webhook.Kind(settings.Kind), Tolerance: settings.Tolerance, Keep: settings.Keep,
		Store: store, Publish: publish, Logger: logger, Meter: meter,
	}
	for _, secret := range settings.Secrets {
		options.Secrets = append(options.Secrets, secret.Reveal())
	}
	client, err := newShop(options.Kind, settings.Shop)
	if err != nil {
		return nil, fmt.Errorf("sources.%s.webhook.shop: %w", s.Name, err)
	}
	options.Shop = client
	return receive.New(options)
}

// newShop makes the client of a shop; nil where none is configured.
func newShop(kind webhook.Kind, settings config.Shop) (shop.Client, error) {
	token, key, secret := settings.AccessToken.Reveal(), settings.ConsumerKey.Reveal(), settings.ConsumerSecret.Reveal()
	if settings.URL == "" {
		if token != "" || key != "" || secret != "" {
			return nil, fmt.Errorf("%w: url is missing", shop.ErrAddress)
		}
		return nil, nil
	}
	switch kind {
	case webhook.Shopify:
		if key != "" || secret != "" {
			return nil, fmt.Errorf("%w: consumer_key and consumer_secret are WooCommerce's; Shopify has access_token", shop.ErrAddress)
		}
		return shop.NewShopify(settings.URL, token)
	case webhook.WooCommerce:
		if token != "" {
			return nil, fmt.Errorf("%w: access_token is Shopify's; WooCommerce has consumer_key and consumer_secret", shop.ErrAddress)
		}
		return shop.NewWooCommerce(settings.URL, key, secret)
	case webhook.Standard:
	}
	return nil, fmt.Errorf("%w: bodies of Standard Webhooks are whole, and there is nothing to read from a shop", shop.ErrAddress)
}
