package outcome

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/httpfail"
	"github.com/catalog-courier/catalog-courier/internal/standardwebhooks"
	"github.com/catalog-courier/catalog-courier/persistence"
)

const (
	// sendAtOnce is how many POSTs of one webhook are under way at once, in one worker.
	sendAtOnce = 4
	// lookForPosts is how often a worker looks for POSTs that are due.
	lookForPosts = time.Second
	// giveUpAfter is how long a POST is repeated.
	giveUpAfter = 3 * 24 * time.Hour
	// The pauses between attempts: each is three times as long as the one before.
	firstRepeat, longestRepeat = 5 * time.Second, 6 * time.Hour
	// lostMargin is how much longer than its time limit an attempt may take before another
	// worker repeats it.
	lostMargin = time.Minute
	// maxAnswer is how many bytes of an answer are read.
	maxAnswer = 4 << 10
)

// Sender posts what is due for one webhook. Several workers may have one each.
type Sender struct {
	Store   *persistence.Store
	Webhook *Webhook
	Client  *http.Client // one of NewClient
	Logger  *slog.Logger
	Now     func() time.Time // defaults to time.Now
}

// NewClient makes the client of webhooks: it follows no redirects, as they could lead
// anywhere, and uses no proxy of the environment.
func NewClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			MaxIdleConnsPerHost: sendAtOnce, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Run posts until ctx ends, and waits for what is under way.
func (s *Sender) Run(ctx context.Context) {
	ticker := time.NewTicker(lookForPosts)
	defer ticker.Stop()
	failing := false
	for {
		sent, err := s.send(ctx)
		if err != nil && ctx.Err() == nil {
			if !failing {
				s.Logger.WarnContext(ctx, "outcomes for a webhook cannot be read; it is tried again", slog.String("webhook", s.Webhook.Name), slog.Any("error", err))
			}
			failing = true
		} else {
			failing = false
		}
		if sent == sendAtOnce && err == nil && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// send posts what is due, and returns how many POSTs it took.
func (s *Sender) send(ctx context.Context) (int, error) {
	posts, err := s.Store.ClaimOutcomePosts(ctx, s.Webhook.Name, sendAtOnce, s.Webhook.Timeout+lostMargin)
	if err != nil {
		return 0, err
	}
	failures := make([]error, len(posts))
	var running sync.WaitGroup
	for i := range posts {
		running.Go(func() { failures[i] = s.post(ctx, &posts[i]) })
	}
	running.Wait()
	return len(posts), errors.Join(failures...)
}

// post makes one attempt and records how it ended. Its error is the store's.
func (s *Sender) post(ctx context.Context, p *persistence.OutcomePost) error {
	status, err := s.attempt(ctx, p)
	// What is known must be recorded, though the worker stops.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	switch {
	case err == nil && status >= 200 && status < 300:
		return s.Store.OutcomeDelivered(ctx, p, status)
	case err == nil && status == http.StatusGone:
		s.Logger.WarnContext(ctx, "a receiver of outcomes answered 410 Gone: nothing is sent to it until worker webhooks resend", slog.String("webhook", p.Webhook))
		if err := s.Store.OutcomeNotDelivered(ctx, p, status, "410 Gone", longestRepeat, giveUpAfter); err != nil {
			return err
		}
		return s.Store.DisableOutcomeWebhook(ctx, p.Webhook)
	case err == nil:
		err = fmt.Errorf("the receiver answered %d %s", status, http.StatusText(status)) //nolint:err113 // for people
	}
	return s.Store.OutcomeNotDelivered(ctx, p, status, httpfail.Cause(err).Error(), repeatAfter(p.Attempts), giveUpAfter)
}

func (s *Sender) attempt(ctx context.Context, p *persistence.OutcomePost) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.Webhook.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Webhook.URL, bytes.NewReader(p.Body))
	if err != nil {
		return 0, err
	}
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "catalog-courier")
	standardwebhooks.Sign(request.Header, p.MessageID, now(), p.Body, s.Webhook.Secrets...)
	response, err := s.Client.Do(request)
	if err != nil {
		return 0, err
	}
	_, _ = io.CopyN(io.Discard, response.Body, maxAnswer) // so that the connection can be used again
	return response.StatusCode, response.Body.Close()
}

// repeatAfter is how long to wait after an attempt, spread so that receivers are not asked
// by all at once.
func repeatAfter(attempts int) time.Duration {
	wait := firstRepeat
	for range min(attempts-1, 20) {
		wait = min(3*wait, longestRepeat)
	}
	return wait + time.Duration(rand.Int64N(int64(wait/5)+1)) //nolint:gosec // it only spreads
}
