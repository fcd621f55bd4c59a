package apart

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Receipts are what has come to the platforms. Make them with NewReceipts.
type Receipts struct {
	mu       sync.Mutex
	counts   Counts
	received map[string]int64 // item → when a POST with it was read first, in ns since 1970
}

// Counts are how many have come.
type Counts struct {
	Posts int `json:"posts"`
	Items int `json:"items"`
	// Refused are the POSTs that were answered with an error.
	Refused int `json:"refused"`
}

// MaxTimed is up to how many items in a body the times are kept: a larger one comes from a
// backlog, whose times are not asked for.
const MaxTimed = 100

// NewReceipts are none.
func NewReceipts() *Receipts { return &Receipts{received: map[string]int64{}} }

// Note takes down a POST that was read at now, and returns how many there are.
func (r *Receipts) Note(body []byte, now int64) (posts int) {
	count := CountItems(body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Posts++
	r.counts.Items += count
	if count <= MaxTimed {
		for _, item := range ItemsOf(body) {
			if _, again := r.received[item]; !again {
				r.received[item] = now
			}
		}
	}
	return r.counts.Posts
}

// Refuse takes down that a POST was answered with an error.
func (r *Receipts) Refuse() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts.Refused++
}

// The paths at which a measuring process asks.
const (
	CountsPath   = "/counts"
	receivedPath = "/received"
)

// Answer answers the measuring process; false for any other call.
func (r *Receipts) Answer(w http.ResponseWriter, path string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	var value any
	switch path {
	case CountsPath:
		value = r.counts
	case receivedPath:
		value = r.received
	default:
		return false
	}
	if text, err := json.Marshal(value); err == nil { // who asks hears of an error by what is missing
		_, _ = w.Write(text)
	}
	return true
}

var itemMark = []byte(`"SKU-`)

// CountItems counts the items of package work in a body: each is named once in it, whatever
// its form is.
func CountItems(body []byte) int { return bytes.Count(body, itemMark) }

// ItemsOf lists them.
func ItemsOf(body []byte) []string {
	items := make([]string, 0, CountItems(body))
	for _, rest := range bytes.Split(body, itemMark)[1:] {
		if id, _, ended := bytes.Cut(rest, []byte{'"'}); ended {
			items = append(items, string(itemMark[1:])+string(id))
		}
	}
	return items
}

// Counts asks the platforms' process.
func (s *Servers) Counts(ctx context.Context) (c Counts, err error) {
	err = ask(ctx, s.PlatformsURL+CountsPath, &c)
	return c, err
}

// Received asks it when each item came first, in ns since 1970.
func (s *Servers) Received(ctx context.Context) (received map[string]int64, err error) {
	err = ask(ctx, s.PlatformsURL+receivedPath, &received)
	return received, err
}

func ask(ctx context.Context, url string, into any) error {
	const maxAnswer = 256 << 20
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	return json.Unmarshal(text, into)
}
