package notice

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/internal/httpfail"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/internal/standardwebhooks"
)

// ErrRefused is wrapped by the error of a receiver that answered other than 2xx.
var ErrRefused = errors.New("the receiver refused the notice")

const (
	// sendTimeout bounds one call of a receiver, answer included.
	sendTimeout = 10 * time.Second
	// longestWish is the longest pause that a receiver can ask for.
	longestWish = time.Hour
)

// Sender sends notices to one target.
type Sender struct {
	config.NoticeTarget

	client *http.Client
	keys   [][]byte // none: unsigned
}

// NewSender makes the sender of a target of the configuration. transport is that of tests;
// nil is the usual one.
func NewSender(target config.NoticeTarget, transport http.RoundTripper) *Sender {
	s := &Sender{NoticeTarget: target, client: &http.Client{
		Transport: transport, Timeout: sendTimeout,
		// Another address than the configured one gets nothing.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if transport == nil {
		usual := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // it is, in net/http
		usual.MaxIdleConnsPerHost, usual.IdleConnTimeout = 1, 30*time.Second
		s.client.Transport = usual
	}
	if key, err := standardwebhooks.ParseSecret(target.Secret.Reveal()); err == nil {
		s.keys = [][]byte{key}
	}
	return s
}

// Close lets idle connections go.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// Send calls the receiver. id is the same each time that a notice is sent. now is the time
// that the signature tells. wait is how long the receiver asks to wait after an error, 0 when
// it does not say. No error tells the path of the address, which is a secret; its host may be
// told.
func (s *Sender) Send(ctx context.Context, id string, now time.Time, content Content) (wait time.Duration, err error) {
	body, err := s.body(content)
	if err != nil {
		return 0, fmt.Errorf("notice to %s: %w", s.Name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL.Reveal(), bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("notice to %s: the address cannot be used", s.Name)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "catalog-courier")
	if s.Kind == config.NoticeWebhook {
		standardwebhooks.Sign(request.Header, id, now, body, s.keys...)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("notice to %s: %w", s.Name, unanswered(err))
	}
	defer func() { _ = response.Body.Close() }()
	const most = 4 << 10
	said, _ := io.ReadAll(io.LimitReader(response.Body, most)) // only to say why
	if response.StatusCode/100 == 2 {
		return 0, nil
	}
	return httpfail.RetryAfter(response.Header, now, longestWish), fmt.Errorf("notice to %s: %w: HTTP %d %s", s.Name, ErrRefused, response.StatusCode, s.quoted(said))
}

// quoted is what a receiver says, fit for a log: on one line, short, without what is secret.
func (s *Sender) quoted(said []byte) string {
	text := string(said)
	for _, secret := range []string{s.URL.Reveal(), s.Secret.Reveal()} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "[secret]")
		}
	}
	if address, err := url.Parse(s.URL.Reveal()); err == nil && len(address.Path) > 1 {
		text = strings.ReplaceAll(text, address.Path, "[secret]")
	}
	return legible.Cut(legible.Text(text), 200)
}

// unanswered is why there is no answer.
func unanswered(err error) error {
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		return errors.New("no answer in time")
	}
	return httpfail.Cause(err)
}

// envelope is what a webhook gets, in the form of Standard Webhooks.
type envelope struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      Content   `json:"data"`
}

func (s *Sender) body(content Content) ([]byte, error) {
	if s.Kind == config.NoticeSlack {
		return slackBody(content)
	}
	return json.Marshal(envelope{Type: content.Event, Timestamp: content.At, Data: content})
}

// slackText is text with the three characters escaped that Slack gives a meaning to.
var slackText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// slackBody is what Slack's incoming webhooks take: a text for notifications and blocks.
func slackBody(content Content) ([]byte, error) {
	type text struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	type block struct {
		Type     string `json:"type"`
		Text     *text  `json:"text,omitempty"`
		Elements []text `json:"elements,omitempty"`
	}
	const most = 2900 // Slack takes 3000 characters in a block
	mark := ":warning: "
	if strings.HasSuffix(content.Event, "."+recovered) {
		mark = ":white_check_mark: "
	}
	said := legible.Cut(slackText.Replace(content.Text), most)
	below := content.Event
	if len(content.Subjects) > 0 {
		below += " since " + content.Subjects[0].Since.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	if content.Installation != "" {
		below += ", installation " + content.Installation
	}
	// Words that are marked with * or _ stay so: plain_text would show no :mark:.
	return json.Marshal(struct {
		Text   string  `json:"text"`
		Blocks []block `json:"blocks"`
	}{said, []block{
		{Type: "section", Text: &text{"mrkdwn", mark + said}},
		{Type: "context", Elements: []text{{"plain_text", below}}},
	}})
}

// Test is what worker notices test sends.
func Test(now time.Time) Content {
	return Content{
		Event: "notice.test", Text: "This is a test of the notices of Catalog Courier. Nothing is wrong.", Count: 0, Subjects: []Subject{}, At: now,
	}
}
