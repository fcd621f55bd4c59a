package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"

	"github.com/catalog-courier/catalog-courier/bench/internal/apart"
	"github.com/catalog-courier/catalog-courier/bench/internal/work"
)

const platformsService = "platforms"

// servePlatforms serves the simulated platforms until the process ends. They keep every
// item's state and answer as fast as that goes; argument is their limit of writes, as JSON.
func servePlatforms(ctx context.Context, argument string) (string, error) {
	behaviour := sandbox.Options{SkipValidation: true, Delay: 20 * time.Millisecond}
	if err := json.Unmarshal([]byte(argument), &behaviour.Writes); err != nil {
		return "", err
	}
	platforms := http.NewServeMux()
	platforms.Handle("/meta/", http.StripPrefix("/meta", metasim.New(behaviour)))
	platforms.Handle("/pinterest/", http.StripPrefix("/pinterest", pinterestsim.New(behaviour)))
	return apart.ServeHTTP(ctx, noting(apart.NewReceipts(), platforms))
}

// noting takes down what comes to the platforms, and answers the measuring process.
func noting(receipts *apart.Receipts, platforms http.Handler) http.Handler {
	const maxBody = 64 << 20
	buffers := sync.Pool{New: func() any { return &bytes.Buffer{} }}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if receipts.Answer(w, r.URL.Path) {
			return
		}
		if r.Method != http.MethodPost {
			platforms.ServeHTTP(w, r)
			return
		}
		buffer, _ := buffers.Get().(*bytes.Buffer)
		defer buffers.Put(buffer)
		buffer.Reset()
		if _, err := buffer.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		now := time.Now().UnixNano()
		r.Body = io.NopCloser(bytes.NewReader(buffer.Bytes()))
		answer := &answered{ResponseWriter: w, code: http.StatusOK}
		platforms.ServeHTTP(answer, r)
		if answer.code >= http.StatusBadRequest {
			receipts.Refuse()
			return
		}
		receipts.Note(buffer.Bytes(), now)
	})
}

// answered remembers the status of an answer.
type answered struct {
	http.ResponseWriter

	code int
}

// WriteHeader is the handler's.
func (a *answered) WriteHeader(code int) {
	a.code = code
	a.ResponseWriter.WriteHeader(code)
}

// writeSettings writes the courier.yaml of a run. Batches are as large as the platforms
// allow; waiting for platforms is short, as the simulated ones are quick.
func writeSettings(s *apart.Servers, sc scenario) (path string, err error) {
	var text strings.Builder
	fmt.Fprintf(&text, `
nats: {url: "${NATS_URL}"}
database: {url: "${DATABASE_URL}"}
defaults:
  batch: {max_age: %s}
  poll: {min: 50ms, max: 1s}
accounts:
`, sc.maxAge())
	for number, lane := range work.Lanes(sc.meta, sc.pinterest) {
		if lane.Type == "RETAIL" {
			fmt.Fprintf(&text, `  %s:
    platform: pinterest
    base_url: "%s/pinterest/v5"
    access_token: token-%d
    catalogs: {main: {country: US, language: en-US, catalog_id: "%d"}}
`, lane.Account, s.PlatformsURL, number, 1_000_000+number)
			continue
		}
		fmt.Fprintf(&text, `  %s:
    platform: meta
    base_url: "%s/meta"
    access_token: token-%d
    batch: {max_items: 5000}
    catalogs: {main: {catalog_id: "%d"}}
`, lane.Account, s.PlatformsURL, number, 1_000_000+number)
		if sc.writes.Calls > 0 {
			fmt.Fprintf(&text, "    quota_window: %s\n", sc.writes.Window)
		}
	}
	path = filepath.Join(s.Folder, "courier.yaml")
	return path, os.WriteFile(path, []byte(text.String()), 0o600)
}
