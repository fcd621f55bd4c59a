package delivery_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/platform"
)

// simulated is a platform that keeps items. A script decides how it answers.
type simulated struct {
	mu        sync.Mutex
	semantics catalog.Semantics
	limits    platform.Limits
	atOnce    bool          // it processes a batch before it answers the POST: nothing is polled
	delay     time.Duration // from taking a batch to applying it
	onPost    func(*post) answer
	onPoll    func(*taken) *platform.Error
	watch     func(*post) // sees each POST before it is answered
	validate  func(*catalog.Mutation) *catalog.Problem
	warn      func(*catalog.Mutation) []catalog.Problem
	encode    func([]catalog.Record) // may panic
	submit    []string
	poll      []string

	items   map[catalog.ItemKey]map[string]string
	posts   []*post
	batches map[string]*taken
	open    map[*post]bool // taken and not applied yet
	inOpen  map[catalog.ItemKey][]*catalog.Record
	polls   []time.Time
	faults  []string
	flying  int // POSTs under way
	most    int
}

// post is one POST as the platform saw it.
type post struct {
	at      time.Time
	number  int // from 1
	lane    catalog.Lane
	records []catalog.Record
	variant int
	body    string
	handles []string
	said    []platform.Verdict // of a platform that answers at once
}

// answer is how the platform treats a POST. The zero value takes it.
type answer struct {
	err     *platform.Error
	latency time.Duration // before the answer, or the error
	take    bool          // despite err
	late    time.Duration // added to the delay before applying
	handles int           // how many share the batch out; 0 means 1
	lost    bool          // the handle will not be known
	stuck   bool          // the handle is never finished
	skip    bool          // all records are skipped as duplicates
	said    string        // the text of the answer to the POST
	silent  func(i int) bool
	judge   func(i int, r *catalog.Record) *platform.Verdict
	cut     bool // the report is incomplete: items without a verdict are unknown
	quotas  []platform.Quota
	panic   bool
	spoil   func(*platform.Submission) // changes a final answer
}

// taken is a batch the platform works on.
type taken struct {
	handle  string
	post    *post
	answer  answer
	applied bool
	verdict []platform.Verdict
	share   func(i int) bool // which records this handle is about
}

func newSimulated(semantics catalog.Semantics) *simulated {
	return &simulated{
		semantics: semantics, limits: platform.Limits{MaxItems: 100, MaxBytes: 1 << 20}, delay: time.Second,
		items: map[catalog.ItemKey]map[string]string{}, batches: map[string]*taken{}, open: map[*post]bool{}, inOpen: map[catalog.ItemKey][]*catalog.Record{},
		submit: []string{"submit"}, poll: []string{"poll"},
	}
}

func (s *simulated) faultf(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// Scopes is for platform.Account.
func (s *simulated) Scopes() []string { return slices.Concat(s.submit, s.poll) }

// Endpoint knows the catalog c with the types T and U, and the catalog l whose items
// only localize those of c.
func (s *simulated) Endpoint(name string, kind catalog.Type) (platform.Endpoint, *catalog.Problem) {
	switch {
	case name != "c" && name != "l":
		return nil, &catalog.Problem{Reason: catalog.UnknownCatalog, Text: "no such catalog"}
	case kind != "T" && kind != "U":
		return nil, &catalog.Problem{Reason: catalog.UnknownType, Text: "no such type"}
	}
	w := &way{simulated: s, kind: kind}
	if name == "l" {
		w.base = "c"
	}
	return w, nil
}

// way is the way out for one type.
type way struct {
	*simulated
	kind catalog.Type
	base string
}

func (w *way) Validate(m *catalog.Mutation) (*catalog.Problem, []catalog.Problem) {
	var problem *catalog.Problem
	var warnings []catalog.Problem
	if w.validate != nil {
		problem = w.validate(m)
	}
	if w.warn != nil {
		warnings = w.warn(m)
	}
	return problem, warnings
}

func (w *way) Rules() catalog.MergeRules      { return catalog.MergeRules{Semantics: w.semantics} }
func (w *way) Group(catalog.Operation) string { return "" }
func (w *way) Limits() platform.Limits        { return w.limits }
func (w *way) Overhead() int                  { return 20 }
func (w *way) Base() string                   { return w.base }
func (w *way) Localized() bool                { return w.base == "" }
func (w *way) SubmitScopes() []string         { return w.submit }
func (w *way) PollScopes() []string           { return w.poll }

// Split: an UPDATE with a null cannot carry the member "image" beside it.
func (w *way) Split(change catalog.Change) (catalog.Change, *catalog.Change) {
	image := gjson.GetBytes(change.Attributes, "image")
	if change.Operation != catalog.Update || !change.HasNull || !image.Exists() {
		return change, nil
	}
	members := map[string]json.RawMessage{}
	_ = json.Unmarshal(change.Attributes, &members)
	if len(members) == 1 {
		return change, nil
	}
	delete(members, "image")
	first, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	rest := catalog.Change{Operation: catalog.Update, Attributes: []byte(`{"image":` + image.Raw + `}`), HasNull: image.Raw == "null"}
	return catalog.Change{Operation: catalog.Update, Attributes: first, HasNull: true}, &rest
}

func (w *way) RecordSize(key catalog.ItemKey, change catalog.Change) int {
	return len(key.ItemID) + len(change.Attributes) + 30
}

func (w *way) Encode(dst []byte, _ string, records []catalog.Record, variant int) ([]byte, error) {
	if w.encode != nil {
		w.encode(records)
	}
	dst = fmt.Appendf(dst, "v%d", variant)
	for i := range records {
		dst = fmt.Appendf(dst, "|%s %v %s", records[i].Key.ItemID, records[i].Change.Operation, records[i].Change.Attributes)
	}
	return dst, nil
}

// Submit is one POST.
func (w *way) Submit(ctx context.Context, body []byte, _ string, records []catalog.Record) (platform.Submission, error) {
	p := &post{at: time.Now(), records: slices.Clone(records), body: string(body), lane: records[0].Key.Lane}
	_, _ = fmt.Sscanf(p.body, "v%d", &p.variant)
	a := w.began(p)
	defer w.ended()
	if a.panic {
		panic("the answer is odd")
	}
	if kept := platform.AnswerKept(ctx); kept != nil {
		kept.Set(a.said)
	}
	if a.latency > 0 {
		// The body arrives first; a caller that goes away does not call it back.
		if a.err == nil || a.take {
			w.take(p, a)
		}
		select {
		case <-time.After(a.latency):
		case <-ctx.Done():
			return platform.Submission{}, &platform.Error{Scope: platform.ScopeCaller, Ambiguous: true, Operation: "POST", Message: "cancelled"}
		}
	} else if a.err == nil || a.take {
		w.take(p, a)
	}
	if a.err != nil {
		return platform.Submission{}, a.err
	}
	if w.atOnce {
		submission := platform.Submission{Final: true, Verdicts: w.saidOf(p), Quotas: a.quotas}
		if a.spoil != nil {
			a.spoil(&submission)
		}
		return submission, nil
	}
	return platform.Submission{Handles: w.handlesOf(p), Quotas: a.quotas}, nil
}

func (w *way) began(p *post) answer {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.posts = append(w.posts, p)
	p.number = len(w.posts)
	w.flying++
	w.most = max(w.most, w.flying)
	seen := map[catalog.ItemKey]bool{}
	for i := range p.records {
		if seen[p.records[i].Key] {
			w.faultf("two records of %v in one body", p.records[i].Key)
		}
		seen[p.records[i].Key] = true
	}
	if len(p.records) > w.limits.MaxItems || len(p.body) > w.limits.MaxBytes {
		w.faultf("a body of %d records and %d bytes is over the cap", len(p.records), len(p.body))
	}
	if w.watch != nil {
		w.watch(p)
	}
	if w.onPost == nil {
		return answer{}
	}
	return w.onPost(p)
}

func (w *way) ended() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flying--
}

func (s *simulated) take(p *post, a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checkOverlap(p)
	if s.atOnce && a.err == nil {
		for i := range p.records {
			p.said = append(p.said, s.applyRecord(&p.records[i], i, a))
		}
		return
	}
	s.open[p] = true
	for i := range p.records {
		r := &p.records[i]
		s.inOpen[r.Key] = append(s.inOpen[r.Key], r)
	}
	shares := max(a.handles, 1)
	verdicts := make([]platform.Verdict, len(p.records))
	for n := range shares {
		t := &taken{
			handle: fmt.Sprintf("h%d.%d", p.number, n), post: p, answer: a, verdict: verdicts,
			share: func(i int) bool { return i%shares == n },
		}
		s.batches[t.handle] = t
		p.handles = append(p.handles, t.handle)
	}
	time.AfterFunc(s.delay+a.late, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.apply(p, a, verdicts)
	})
}

// checkOverlap: no item may be in two batches under way with different content.
func (s *simulated) checkOverlap(p *post) {
	for i := range p.records {
		for _, other := range s.inOpen[p.records[i].Key] {
			if was, is := contentOf(other), contentOf(&p.records[i]); was != is {
				s.faultf("item %v is under way twice: %s and %s", other.Key, is, was)
			}
		}
	}
}

func contentOf(r *catalog.Record) string {
	return r.Change.Operation.String() + string(r.Change.Attributes)
}

func (s *simulated) apply(p *post, a answer, verdicts []platform.Verdict) {
	delete(s.open, p)
	for i := range p.records {
		r := &p.records[i]
		if s.inOpen[r.Key] = slices.DeleteFunc(s.inOpen[r.Key], func(other *catalog.Record) bool { return other == r }); len(s.inOpen[r.Key]) == 0 {
			delete(s.inOpen, r.Key)
		}
	}
	for _, name := range p.handles {
		s.batches[name].applied = true
	}
	for i := range p.records {
		verdicts[i] = s.applyRecord(&p.records[i], i, a)
	}
}

func (s *simulated) applyRecord(r *catalog.Record, i int, a answer) platform.Verdict {
	if a.skip {
		return platform.Verdict{Outcome: platform.Skipped}
	}
	if a.judge != nil {
		if v := a.judge(i, r); v != nil {
			return *v
		}
	}
	if problem := s.applyTo(s.items, r.Key, r.Change); problem != "" {
		return platform.Verdict{Outcome: platform.Failed, Errors: []ledger.Issue{{Code: "bad", Message: problem}}}
	}
	if a.silent != nil && a.silent(i) {
		return platform.Verdict{}
	}
	return platform.Verdict{Outcome: platform.Succeeded}
}

// applyTo is what one change means: an UPSERT replaces (Meta's is overlaid), an UPDATE of nothing is
// refused, an attribute that begins with "bad" is refused.
func (s *simulated) applyTo(items map[catalog.ItemKey]map[string]string, key catalog.ItemKey, change catalog.Change) (problem string) {
	fresh := map[string]string{}
	have, exists := items[key]
	if change.Operation == catalog.Update {
		if !exists {
			return "no such item"
		}
		fresh = maps.Clone(have)
	}
	if change.Operation == catalog.Upsert && s.semantics == overlaid && exists {
		fresh = maps.Clone(have)
	}
	gjson.ParseBytes(change.Attributes).ForEach(func(name, value gjson.Result) bool {
		if strings.HasPrefix(name.Str, "bad") {
			problem = name.Str + " is refused"
		}
		if value.Type == gjson.Null {
			delete(fresh, name.Str)
		} else {
			fresh[name.Str] = value.Raw
		}
		return true
	})
	switch {
	case problem != "":
		return problem
	case change.Operation == catalog.Delete:
		delete(items, key)
	default:
		items[key] = fresh
	}
	return ""
}

func (s *simulated) saidOf(p *post) []platform.Verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(p.said)
}

func (s *simulated) handlesOf(p *post) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(p.handles)
}

// Poll asks about a handle.
func (w *way) Poll(ctx context.Context, handle, _ string, records []catalog.Record) (platform.Report, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.polls = append(w.polls, time.Now())
	if w.atOnce {
		w.faultf("a poll of %q, although the answer to its POST was final", handle)
	}
	t := w.batches[handle]
	if t == nil || t.answer.lost {
		return platform.Report{Progress: platform.NotFound}, nil
	}
	if len(records) != len(t.post.records) {
		w.faultf("a poll with %d records of a batch of %d", len(records), len(t.post.records))
	}
	if w.onPoll != nil {
		if err := w.onPoll(t); err != nil {
			return platform.Report{}, err
		}
	}
	if kept := platform.AnswerKept(ctx); kept != nil {
		kept.Set(map[bool]string{true: "finished", false: "pending"}[t.applied])
	}
	if !t.applied || t.answer.stuck {
		return platform.Report{Progress: platform.Pending}, nil
	}
	report := platform.Report{Progress: platform.Finished, Verdicts: slices.Clone(t.verdict), Incomplete: t.answer.cut}
	if t.answer.handles > 1 {
		for i := range report.Verdicts {
			if !t.share(i) {
				report.Verdicts[i] = platform.Verdict{Outcome: platform.Succeeded} // nothing to say against it
			}
		}
	}
	return report, nil
}

// itemX is the attributes of item x as the platform has them; nil when it has none.
func (s *simulated) itemX() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.items[catalog.ItemKey{Lane: laneOf("acme"), ItemID: "x"}]
}

func (s *simulated) log() []*post {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.posts)
}

// sent lists the POSTs as "id OPERATION attributes; …".
func (s *simulated) sent() []string {
	posts := s.log()
	lines := make([]string, 0, len(posts))
	for _, p := range posts {
		parts := make([]string, 0, len(p.records))
		for i := range p.records {
			parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s %v %s", p.records[i].Key.ItemID, p.records[i].Change.Operation, p.records[i].Change.Attributes)))
		}
		lines = append(lines, strings.Join(parts, "; "))
	}
	return lines
}

func laneOf(account string) catalog.Lane {
	return catalog.Lane{Account: account, Catalog: "c", Type: "T"}
}

// confirmed reports whether the platform said that the item succeeded with a body
// that carried it as part of the row's batch.
func (s *simulated) confirmed(key catalog.ItemKey, store *ledgermodel.Store, row ledgermodel.Mutation) bool {
	handles := map[string]bool{}
	for _, b := range store.Batches() {
		if b.ID == row.BatchID {
			for _, attempt := range b.Attempts {
				for _, handle := range attempt.Handles {
					handles[handle] = true
				}
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.posts {
		for i := range p.said {
			carries := func(m *catalog.Mutation) bool { return m.ID == row.ID }
			if p.said[i].Outcome == platform.Succeeded && slices.ContainsFunc(p.records[i].Constituents, carries) {
				return true
			}
		}
	}
	for handle := range handles {
		t := s.batches[handle]
		for i := range t.post.records {
			if t.post.records[i].Key == key && t.applied && t.verdict[i].Outcome == platform.Succeeded {
				return true
			}
		}
	}
	return false
}

func containsPoison(attributes []byte) bool { return strings.Contains(string(attributes), "poison") }
