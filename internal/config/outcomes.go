package config

import (
	"time"

	"github.com/catalog-courier/catalog-courier/internal/setting"
)

// Outcomes is how others learn what became of mutations.
type Outcomes struct {
	// Enabled says that events are published to the stream CATALOG_OUTCOMES.
	Enabled bool
	// MaxAge and MaxBytes bound that stream: past either the oldest events are removed.
	MaxAge   time.Duration
	MaxBytes int64
	// Webhooks are addresses that outcomes are posted to, by name.
	Webhooks map[string]OutcomeWebhook
}

// OutcomeWebhook is an address that outcomes are posted to.
type OutcomeWebhook struct {
	Name string
	URL  string
}

func (l *loader) outcomesSettings() []field {
	o := &l.config.Outcomes
	return []field{
		bind(setting.Boolean("enabled", "Publishes an event to the stream `CATALOG_OUTCOMES` for each change that became final. Each costs about what publishing a change does, and the NATS user needs more rights: see docs/events.md."), &o.Enabled),
		bind(setting.Duration("max_age", "How long the stream keeps an event.", time.Minute, 365*24*time.Hour), &o.MaxAge),
		bind(setting.Size("max_bytes", "What the stream may take. Past it the oldest events are removed.", 1<<20, 1<<50), &o.MaxBytes),
	}
}
