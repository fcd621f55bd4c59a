package platformtest

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/setting"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform"
)

// prompt is a platform made up for this test: it applies each item of a request before it
// answers, and the answer has a line for each.
type prompt struct {
	sandbox.Platform // what this test does not call panics

	mu    sync.Mutex
	items map[string]string
}

type promptLine struct {
	ID    string          `json:"id"`
	Item  json.RawMessage `json:"item,omitempty"`
	Error string          `json:"error,omitempty"`
}

func (p *prompt) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var lines []promptLine
	if json.NewDecoder(r.Body).Decode(&lines) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for i := range lines {
		if string(lines[i].Item) == `{"price":"none"}` {
			lines[i].Error = "a price is a number"
		} else {
			p.items[lines[i].ID] = string(lines[i].Item)
		}
	}
	if err := json.NewEncoder(w).Encode(lines); err != nil {
		panic(err)
	}
}

func (p *prompt) Items(string, catalog.Type) map[string]string        { return p.items }
func (p *prompt) BasePath() string                                    { return "" }
func (p *prompt) CatalogKey(setting.Values) string                    { return "main" }
func (p *prompt) InjectNext(sandbox.CallKind, sandbox.Fault)          {}
func (p *prompt) RevokeTokens(bool)                                   {}
func (p *prompt) Apply(string, catalog.Type, *catalog.Mutation) error { return nil }
func (p *prompt) Counters() sandbox.Counters                          { return sandbox.Counters{} }
func (p *prompt) Settle()                                             {}
func (p *prompt) Close()                                              {}

// promptWay is its client; what this test does not call panics.
type promptWay struct {
	platform.Endpoint
	settings platform.Settings
}

type promptAccount struct{ settings platform.Settings }

func (a promptAccount) Scopes() []string { return nil }
func (a promptAccount) Endpoint(string, catalog.Type) (platform.Endpoint, *catalog.Problem) {
	return &promptWay{settings: a.settings}, nil
}

func (w *promptWay) Group(catalog.Operation) string { return "" }
func (w *promptWay) Overhead() int                  { return 2 }
func (w *promptWay) PollScopes() []string           { return nil }
func (w *promptWay) RecordSize(k catalog.ItemKey, c catalog.Change) int {
	return len(k.ItemID) + len(c.Attributes) + 20
}

func (w *promptWay) Encode(dst []byte, _ string, records []catalog.Record, _ int) ([]byte, error) {
	lines := make([]promptLine, len(records))
	for i := range records {
		lines[i] = promptLine{ID: records[i].Key.ItemID, Item: records[i].Change.Attributes}
	}
	body, err := json.Marshal(lines)
	return append(dst, body...), err
}

func (w *promptWay) Submit(ctx context.Context, body []byte, _ string, records []catalog.Record) (platform.Submission, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.settings.BaseURL, bytes.NewReader(body))
	if err != nil {
		return platform.Submission{}, err
	}
	response, err := w.settings.HTTP.Do(request)
	if err != nil {
		return platform.Submission{}, err
	}
	defer response.Body.Close()
	var lines []promptLine
	if err := json.NewDecoder(response.Body).Decode(&lines); err != nil {
		return platform.Submission{}, err
	}
	submission := platform.Submission{Final: true, Verdicts: make([]platform.Verdict, len(records))}
	for i := range lines {
		submission.Verdicts[i].Outcome = platform.Succeeded
		if lines[i].Error != "" {
			submission.Verdicts[i] = platform.Verdict{Outcome: platform.Failed, Errors: []ledger.Issue{{Message: lines[i].Error}}}
		}
	}
	return submission, nil
}

// TestPlatformThatAnswersAtOnce: the suite holds a platform to what it says of itself.
func TestPlatformThatAnswersAtOnce(t *testing.T) {
	t.Parallel()
	suite := Suite{
		Type: "RETAIL", AtOnce: true, Complete: `{"price":1}`, Bad: `{"price":"none"}`,
		ItemID: func(i int) string { return "item" + strconv.Itoa(i) },
		Platform: platform.Descriptor{
			New:       func(s platform.Settings) (platform.Account, error) { return promptAccount{s}, nil },
			Simulated: func(sandbox.Options) sandbox.Platform { return &prompt{items: map[string]string{}} },
		},
	}
	t.Run("final or polled", func(t *testing.T) {
		t.Parallel()
		suite.finalOrPolled(t)
	})
	t.Run("delivered", func(t *testing.T) {
		t.Parallel()
		b := suite.open(t, sandbox.Options{})
		b.succeed(t, suite.three()...)
		require.Len(t, b.items(), 3)
	})
}

func TestBrokenSubmissions(t *testing.T) {
	t.Parallel()
	two := make([]platform.Verdict, 2)
	for name, test := range map[string]struct {
		submission platform.Submission
		broken     bool
	}{
		"handles":                     {platform.Submission{Handles: []string{"h"}}, false},
		"handles and verdicts":        {platform.Submission{Handles: []string{"h"}, Verdicts: two}, false},
		"handles and too few":         {platform.Submission{Handles: []string{"h"}, Verdicts: two[:1]}, true},
		"neither":                     {platform.Submission{}, true},
		"verdicts that are not final": {platform.Submission{Verdicts: two}, true},
		"final":                       {platform.Submission{Final: true, Verdicts: two}, false},
		"final without verdicts":      {platform.Submission{Final: true}, true},
		"final with too few":          {platform.Submission{Final: true, Verdicts: two[:1]}, true},
		"final with a handle":         {platform.Submission{Final: true, Verdicts: two, Handles: []string{"h"}}, true},
	} {
		require.Equal(t, test.broken, test.submission.Broken(2) != "", name)
	}
}
