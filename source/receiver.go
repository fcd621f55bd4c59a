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

// ReceiverOptions are what a source's receiver needs besides its configuration.
type ReceiverOptions struct {
	Store   receive.Store
	Publish run.Publish
	Logger  *slog.Logger
	Meter   metric.Meter // nil measures nothing
}

// Receiver makes what receives the webhooks of the source, and asks the shop for what they
// leave out. The source must have a webhook. The caller calls closing at the end.
func (s *Source) Receiver(options ReceiverOptions) (receiver *receive.Receiver, closing func(), err error) {
	settings := s.Config.Webhook
	zone, err := zoneOf(s.Config.Zone)
	if err != nil {
		return nil, nil, fmt.Errorf("sources.%s.zone: %w", s.Name, err)
	}
	made := receive.Options{
		Source: s.Source, Kind: webhook.Kind(settings.Kind), Zone: zone, Tolerance: settings.Tolerance, Keep: settings.Keep,
		Store: options.Store, Publish: options.Publish, Logger: options.Logger, Meter: options.Meter,
	}
	for _, secret := range settings.Secrets {
		made.Secrets = append(made.Secrets, secret.Reveal())
	}
	closing = func() {}
	if settings.Shop != (config.Shop{}) {
		if made.Shop, closing, err = s.shop(made.Kind); err != nil {
			return nil, nil, fmt.Errorf("sources.%s.webhook.shop: %w", s.Name, err)
		}
	}
	if receiver, err = receive.New(made); err != nil {
		closing()
		return nil, nil, err
	}
	return receiver, closing, nil
}

// shop makes the client of the shop's own interface.
func (s *Source) shop(kind webhook.Kind) (client shop.Client, closing func(), err error) {
	settings := s.Config.Webhook.Shop
	hasToken, hasKey := settings.AccessToken.Reveal() != "", settings.ConsumerKey.Reveal() != "" || settings.ConsumerSecret.Reveal() != ""
	switch {
	case settings.URL == "":
		return nil, nil, fmt.Errorf("%w: url is missing", shop.ErrAddress)
	case kind == webhook.Shopify && hasKey:
		return nil, nil, fmt.Errorf("%w: consumer_key and consumer_secret are WooCommerce's; Shopify has access_token", shop.ErrAddress)
	case kind == webhook.WooCommerce && hasToken:
		return nil, nil, fmt.Errorf("%w: access_token is Shopify's; WooCommerce has consumer_key and consumer_secret", shop.ErrAddress)
	}
	switch kind {
	case webhook.Shopify:
		made, err := shop.NewShopify(settings.URL, settings.AccessToken.Reveal())
		if err != nil {
			return nil, nil, err
		}
		return made, made.Close, nil
	case webhook.WooCommerce:
		made, err := shop.NewWooCommerce(settings.URL, settings.ConsumerKey.Reveal(), settings.ConsumerSecret.Reveal())
		if err != nil {
			return nil, nil, err
		}
		return made, made.Close, nil
	default:
		return nil, nil, fmt.Errorf("%w: webhooks of kind %s have all they need: remove it", shop.ErrAddress, kind)
	}
}
