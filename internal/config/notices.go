package config

import (
	"net/url"
	"path"
	"strconv"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/internal/standardwebhooks"
)

// Notices say who gets a notice of a change of state, and when.
type Notices struct {
	// After is how long a state must last before anybody is told of it; its end must last
	// as long.
	After time.Duration
	// ThrottledAfter is After for a used-up quota, which is everyday for a while.
	ThrottledAfter time.Duration
	Targets        []NoticeTarget
}

// NoticeTarget is a receiver of notices.
type NoticeTarget struct {
	Name string
	Kind string // NoticeWebhook or NoticeSlack
	// URL is a secret: who knows that of a Slack webhook can write to the channel.
	URL Secret
	// Secret signs as Standard Webhooks says; empty for none.
	Secret Secret
	// Events and Accounts are patterns of which one must match; none means all.
	Events   []string
	Accounts []string
}

// Kinds of targets.
const (
	NoticeWebhook = "webhook"
	NoticeSlack   = "slack"
)

// readsNotices reports that this time somebody needs the section.
func (l *loader) readsNotices() bool {
	return l.options.WithNotices || !l.options.WithoutAccounts && !l.options.WithoutTokens
}

// noticeSettings declares the section that worker run reads, and worker notices.
func (l *loader) noticeSettings() field {
	if !l.readsNotices() { // its files need not be at hand
		return field{Key: setting.Key{Name: "notices"}, ignored: true}
	}
	return section("notices", "Who gets a notice of a change of state, such as an account that fails: see docs/notices.md.", l.noticeFields()...)
}

func (l *loader) noticeFields() []field {
	n := &l.config.Notices
	pattern := func(text string) bool { _, err := path.Match(text, ""); return err == nil && text != "" }
	return []field{
		bind(setting.Duration("after", "How long a state must last before anybody is told of it. Its end must last as long.", 0, 24*time.Hour), &n.After),
		bind(setting.Duration("throttled_after", "The same for a quota that is used up.", 0, 7*24*time.Hour), &n.ThrottledAfter),
		l.list("targets", "Who is told.", func() []field {
			n.Targets = append(n.Targets, NoticeTarget{})
			t := &n.Targets[len(n.Targets)-1]
			list := []field{
				bind(setting.Text("name", "Its name, for logs and commands.", "letters, digits, _ and -, at most 128", token.MatchString), &t.Name),
				bind(setting.Choice("kind", "`webhook` gets JSON, signed as Standard Webhooks says when there is a `secret`; `slack` gets the form of Slack's incoming webhooks.", NoticeWebhook, NoticeSlack), &t.Kind),
			}
			list = append(list, l.secret(setting.Sensitive("url", "Its http or https address."), &t.URL, nil)...)
			list = append(list, l.secret(setting.Sensitive("secret", "Signs what a webhook gets: `whsec_` and 24 to 64 bytes in base64."), &t.Secret, nil)...)
			return append(list,
				l.texts(setting.Text("events", "Events that it is told of, such as `account.*`; all when it is left out. A recovery goes to who was told of the trouble.", "patterns", pattern), &t.Events),
				l.texts(setting.Text("accounts", "Accounts that it is told of, such as `shop-*`; all when it is left out.", "patterns", pattern), &t.Accounts))
		}),
	}
}

func (l *loader) checkNotices() {
	seen := map[string]bool{}
	for i := range l.config.Notices.Targets {
		t := &l.config.Notices.Targets[i]
		at := "notices.targets[" + strconv.Itoa(i) + "]"
		given := func(key string) bool { return l.lines[at+"."+key] != 0 || l.lines[at+"."+key+"_file"] != 0 }
		if t.Name == "" && !given("name") {
			l.reportAtf(at, "name is missing")
		}
		if t.Name != "" && seen[t.Name] {
			l.reportAtf(at+".name", "%q is the name of two targets", t.Name)
		}
		seen[t.Name] = true
		if t.Kind == "" && !given("kind") {
			l.reportAtf(at, "kind is missing: %s or %s", NoticeWebhook, NoticeSlack)
		}
		switch {
		case t.URL.IsZero() && !given("url"):
			l.reportAtf(at, "url or url_file is missing")
		case !t.URL.IsZero() && !isWebAddress(t.URL.Reveal()):
			l.reportAtf(at+".url", "must be an http or https address") // and nothing of it: it is a secret
		}
		if t.Secret.IsZero() {
			continue
		}
		if t.Kind == NoticeSlack {
			l.reportAtf(at+".secret", "is only for the kind %s: Slack takes no signature", NoticeWebhook)
		}
		if _, err := standardwebhooks.ParseSecret(t.Secret.Reveal()); err != nil {
			l.reportAtf(at+".secret", "%s", err)
		}
	}
}

func isWebAddress(text string) bool {
	address, err := url.Parse(text)
	return err == nil && (address.Scheme == "https" || address.Scheme == "http") && address.Host != ""
}
