package config

import (
	"errors"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/internal/standardwebhooks"
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
	URL  string // with https, unless AllowHTTP
	// Secrets sign each POST; several while one is being replaced.
	Secrets []Secret
	// Statuses and Accounts are those that are wanted; empty means all.
	Statuses []string
	Accounts []string
	// Events is how many outcomes one POST has at most.
	Events    int
	Timeout   time.Duration
	AllowHTTP bool
}

// outcomeStatuses are those that a webhook can ask for.
var outcomeStatuses = []string{"succeeded", "failed", "unconfirmed", "superseded", "invalid"}

func (l *loader) outcomesSettings() []field {
	o := &l.config.Outcomes
	return []field{
		bind(setting.Boolean("enabled", "Publishes an event to the stream `CATALOG_OUTCOMES` for each change that became final. NATS stores a message more for each change, and its user needs more rights: see docs/events.md."), &o.Enabled),
		bind(setting.Duration("max_age", "How long the stream keeps an event.", time.Minute, 365*24*time.Hour), &o.MaxAge),
		bind(setting.Size("max_bytes", "What the stream may take. Past it the oldest events are removed.", 1<<20, 1<<50), &o.MaxBytes),
		{
			Key:     setting.Key{Name: "webhooks", Doc: "Addresses that outcomes are posted to, by name. They need no stream."},
			entries: l.outcomeWebhook,
		},
	}
}

func (l *loader) outcomeWebhook(name string) ([]field, error) {
	if !token.MatchString(name) {
		return nil, errName
	}
	w := &OutcomeWebhook{Name: name, Events: 100, Timeout: 15 * time.Second}
	l.outcomeWebhooks = append(l.outcomeWebhooks, w)
	addAll := func(text string) error {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" {
				w.Secrets = append(w.Secrets, NewSecret(line))
			}
		}
		if len(w.Secrets) == 0 {
			return errors.New("is empty")
		}
		return nil
	}
	var one Secret
	secret := bind(setting.Sensitive("secret", "Signs each POST, as Standard Webhooks says: `whsec_`, then 24 to 64 bytes in base64."), &one)
	assign := secret.assign
	secret.assign = func(text string) error {
		if err := assign(text); err != nil {
			return err
		}
		return addAll(text)
	}
	secret.shown = nil
	file := l.fileOf(setting.Key{Name: "secret"}, addAll, nil)
	file.Doc = "A file that holds `secret`, one a line: all of them sign, so that the receiver can change to the new one."
	return []field{
		bind(setting.Address("url", "The receiver's address."), &w.URL), secret, file,
		l.texts(setting.Choice("statuses", "The outcomes that are posted; all when it is left out.", outcomeStatuses...), &w.Statuses),
		l.texts(setting.Text("accounts", "The accounts whose outcomes are posted; all when it is left out.", "letters, digits, _ and -, at most 128", token.MatchString), &w.Accounts),
		bind(setting.Integer("events", "The most outcomes of one POST.", 1, 1000), &w.Events),
		bind(setting.Duration("timeout", "How long a receiver may take to answer.", time.Second, 2*time.Minute), &w.Timeout),
		bind(setting.Boolean("allow_http", "Posts without encryption too, for receivers on the same machine or network."), &w.AllowHTTP),
	}, nil
}

// finishOutcomes checks the webhooks once all their keys are read.
func (l *loader) finishOutcomes() {
	for _, w := range l.outcomeWebhooks {
		at := "outcomes.webhooks." + w.Name
		switch {
		case w.URL == "":
			l.reportAtf(at, "needs url, the receiver's address")
		case !w.AllowHTTP && !strings.HasPrefix(w.URL, "https://"):
			l.reportAtf(at+".url", "must begin with https://; allow_http permits http://")
		}
		if len(w.Secrets) == 0 {
			l.reportAtf(at, "needs secret or secret_file: each POST is signed")
		}
		for _, secret := range w.Secrets {
			if _, err := standardwebhooks.ParseSecret(secret.Reveal()); err != nil {
				l.reportAtf(at+".secret", "%s", err)
				break
			}
		}
		l.config.Outcomes.Webhooks[w.Name] = *w
	}
}
