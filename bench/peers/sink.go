package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sink takes the batches of all entrants in place of the platforms: it reads a body fully,
// counts the items in it and answers a handle after answerDelay. Under /peer it answers
// {"handle":…}; under /meta and /pinterest it has as much of the platforms as Catalog
// Courier's worker needs, and every item has succeeded when it is asked first.
type sink struct {
	buffers sync.Pool

	mu       sync.Mutex
	counts   counts
	received map[string]int64    // item → when a POST with it was read first, in ns since 1970
	batches  map[string][]string // Pinterest's handle → its items
}

// counts are what the sink has got.
type counts struct {
	Posts int `json:"posts"`
	Items int `json:"items"`
}

const (
	answerDelay = 20 * time.Millisecond
	maxBody     = 256 << 20
	// A larger batch comes from a backlog, whose times are not asked for.
	maxTimed = 100
)

func newSink() *sink { return &sink{received: map[string]int64{}, batches: map[string][]string{}} }

// serveSink serves until the process ends.
func serveSink(ctx context.Context, _ string) (string, error) {
	listener, err := listen(ctx)
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: newSink(), ReadTimeout: time.Minute, WriteTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	return "http://" + listener.Addr().String(), nil
}

// itemsOf lists the items of a body: each is named once in it, whatever its form is.
func itemsOf(body []byte) []string {
	items := make([]string, 0, countItems(body))
	for _, rest := range bytes.Split(body, itemMark)[1:] {
		if id, _, ended := bytes.Cut(rest, []byte{'"'}); ended {
			items = append(items, string(itemMark[1:])+string(id))
		}
	}
	return items
}

func countItems(body []byte) int { return bytes.Count(body, itemMark) }

var itemMark = []byte(`"SKU-`)

// take reads a batch and returns its handle, and its items where they are wanted.
func (s *sink) take(w http.ResponseWriter, r *http.Request, wanted bool) (handle string, items []string, err error) {
	buffer, ok := s.buffers.Get().(*bytes.Buffer)
	if !ok {
		buffer = &bytes.Buffer{}
	}
	defer s.buffers.Put(buffer)
	buffer.Reset()
	if _, err := buffer.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
		return "", nil, err
	}
	now := time.Now().UnixNano()
	count := countItems(buffer.Bytes())
	if wanted || count <= maxTimed {
		items = itemsOf(buffer.Bytes())
	}
	handle = s.note(count, items, now)
	timer := time.NewTimer(answerDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return handle, items, nil
	case <-r.Context().Done():
		return "", nil, r.Context().Err()
	}
}

func (s *sink) note(count int, items []string, now int64) (handle string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Posts++
	s.counts.Items += count
	if count <= maxTimed {
		for _, item := range items {
			if _, again := s.received[item]; !again {
				s.received[item] = now
			}
		}
	}
	return "h-" + strconv.Itoa(s.counts.Posts)
}

// ServeHTTP answers entrants, and what the measuring process asks: /counts and /received.
func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	post := r.Method == http.MethodPost
	switch path := r.URL.Path; {
	case path == "/counts":
		s.mu.Lock()
		defer s.mu.Unlock()
		write(w, s.counts)
	case path == "/received":
		s.mu.Lock()
		defer s.mu.Unlock()
		write(w, s.received)
	case strings.HasPrefix(path, "/peer/") && post:
		s.answer(w, r, `{"handle":%q}`)
	case strings.HasPrefix(path, "/meta/") && post:
		s.answer(w, r, `{"handles":[%q],"validation_status":[]}`)
	case strings.HasSuffix(path, "/check_batch_request_status"):
		reply(w, `{"data":[{"handle":%q,"status":"finished","errors":[],"errors_total_count":0,"warnings":[],"warnings_total_count":0,"ids_of_invalid_requests":[]}]}`,
			r.URL.Query().Get("handle"))
	case strings.HasPrefix(path, "/pinterest/") && post:
		s.takePinterest(w, r)
	case strings.HasPrefix(path, "/pinterest/"):
		_, _ = w.Write(s.pinterestBatch(path[strings.LastIndexByte(path, '/')+1:]))
	default:
		http.Error(w, "{}", http.StatusNotFound)
	}
}

// answer takes a batch; the form has a place for its handle.
func (s *sink) answer(w http.ResponseWriter, r *http.Request, form string) {
	handle, _, err := s.take(w, r, false)
	if err != nil {
		refuse(w, err)
		return
	}
	reply(w, form, handle)
}

// reply fills a form whose values are programs' own.
func reply(w io.Writer, form string, values ...any) { _, _ = fmt.Fprintf(w, form, values...) }

// write is for what the measuring process asks: it hears of an error by what is missing.
func write(w io.Writer, value any) {
	if text, err := json.Marshal(value); err == nil {
		_, _ = w.Write(text)
	}
}

func refuse(w http.ResponseWriter, err error) { http.Error(w, err.Error(), http.StatusBadRequest) }

func (s *sink) takePinterest(w http.ResponseWriter, r *http.Request) {
	handle, items, err := s.take(w, r, true)
	if err != nil {
		refuse(w, err)
		return
	}
	s.mu.Lock()
	s.batches[handle] = items
	s.mu.Unlock()
	reply(w, `{"catalog_type":"RETAIL","batch_id":%q,"created_time":%q,"completed_time":null,"status":"PROCESSING","items":[]}`, handle, clock())
}

func (s *sink) pinterestBatch(handle string) []byte {
	s.mu.Lock()
	items := s.batches[handle]
	s.mu.Unlock()
	answer := fmt.Appendf(nil, `{"catalog_type":"RETAIL","batch_id":%q,"created_time":%q,"completed_time":%q,"status":"COMPLETED","items":[`, handle, clock(), clock())
	for i, item := range items {
		if i > 0 {
			answer = append(answer, ',')
		}
		answer = fmt.Appendf(answer, `{"item_id":%q,"status":"SUCCESS","errors":[],"warnings":[]}`, item)
	}
	return append(answer, "]}"...)
}

// clock is the time as Pinterest writes it.
func clock() string { return time.Now().UTC().Format("2006-01-02T15:04:05") }

// ask gets an answer of the sink's process.
func (s *servers) ask(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.sinkURL+path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	if err != nil {
		return fmt.Errorf("the sink's %s: %w", path, err)
	}
	return json.Unmarshal(text, into)
}
