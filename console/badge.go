package console

import "html/template"

// tone is how a status looks: always with a word and a sign, never by colour alone.
type tone struct{ class, icon string }

var (
	good    = tone{"good", "check"}
	busy    = tone{"busy", "clock"}
	warning = tone{"warn", "alert"}
	bad     = tone{"bad", "cross"}
	still   = tone{"still", "dot"}
	held    = tone{"warn", "pause"}
)

var tones = map[string]tone{
	// Mutations and records.
	"waiting": busy, "submitted": busy, "succeeded": good, "failed": bad, "unconfirmed": warning, "invalid": bad,
	"superseded": still, "pending": busy, "sent_again": still,
	// Batches and their attempts.
	"sending": busy, "ambiguous": warning, "retrying": warning, "completed": good, "refused": bad, "abandoned": warning,
	"accepted": good, "not_taken": bad, "unsent": busy,
	// Accounts.
	"active": good, "paused": held, "throttled": warning, "failing": bad, "removed": still, "unknown": bad, "not configured": bad, "held": warning,
	// Runs of sources.
	"reading": busy, "publishing": busy, "planned": still, "done": good, "unchanged": good, "withheld": held, "stopped": bad,
	// Webhook deliveries.
	"partial": warning, "rejected": bad, "ignored": still,
	// Workers, and the audit log.
	"running": good, "draining": busy, "silent": bad, "started": busy,
	// Dead letters.
	"open": bad, "replayed": good, "dismissed": still,
}

// badge is a status in a word with a sign. words says it in plain words; "" is the status.
func (c *Console) badge(status, words string) (template.HTML, error) {
	look, known := tones[status]
	if !known {
		look = still
	}
	if words == "" {
		words = status
	}
	sign, err := c.icon(look.icon)
	if err != nil {
		return "", err
	}
	return template.HTML(`<span class="badge `+look.class+`">`) + sign + template.HTML(template.HTMLEscapeString(words)+`</span>`), nil //nolint:gosec // escaped
}

// icon is one of the signs in icons.svg. It says nothing by itself.
func (c *Console) icon(name string) (template.HTML, error) {
	file, err := c.asset("icons.svg")
	if err != nil {
		return "", err
	}
	return template.HTML(`<svg class="icon" aria-hidden="true" focusable="false"><use href="` + template.HTMLEscapeString(file+"#"+name) + `"/></svg>`), nil //nolint:gosec // escaped
}
