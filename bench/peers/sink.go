package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/bench/internal/apart"
)

// sink takes the batches of all entrants in place of the platforms: it reads a body fully,
// counts the items in it and answers a handle after answerDelay. Under /peer it answers
// {"handle":…}; under /meta and /pinterest it has as much of the platforms as Catalog
// Courier's worker needs, and every item has succeeded when it is asked first.
type sink struct {
	buffers sync.Pool

	receipts *apart.Receipts

	mu      sync.Mutex
	batches map[string][]string // Pinterest's handle → its items
}

const (
	sinkService = "sink"
	answerDelay = 20 * time.Millisecond
	maxBody     = 256 << 20
)

func newSink() *sink { return &sink{receipts: apart.NewReceipts(), batches: map[string][]string{}} }

// serveSink serves until the process ends.
func serveSink(ctx context.Context, _ string) (string, error) { return apart.ServeHTTP(ctx, newSink()) }

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
	if wanted {
		items = apart.ItemsOf(buffer.Bytes())
	}
	handle = "h-" + strconv.Itoa(s.receipts.Note(buffer.Bytes(), now))
	timer := time.NewTimer(answerDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return handle, items, nil
	case <-r.Context().Done():
		return "", nil, r.Context().Err()
	}
}

// ServeHTTP answers entrants, and what the measuring process asks: /counts and /received.
func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	post := r.Method == http.MethodPost
	switch path := r.URL.Path; {
	case s.receipts.Answer(w, path):
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
