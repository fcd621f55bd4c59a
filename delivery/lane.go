package delivery

import (
	"context"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/batcher"
	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
	"github.com/catalog-courier/catalog-courier/quota"
)

// lane is a catalog type of a catalog with its way out.
type lane struct {
	key      catalog.Lane
	account  *Account
	endpoint platform.Endpoint
	sender   *sender
	limits   platform.Limits
	open     int // batches
	breaker  laneBreaker
	base     catalog.Lane // of the items that the lane's only localize; zero for none
	family   bool         // its items are localized by another lane, or localize another's
	loading  bool         // a page of its spilled rows is being read
	spilled  time.Time    // when it was spilled last
}

// lanes are the lanes that have had something to send, and who sends for them.
type lanes struct {
	byKey   map[catalog.Lane]*lane
	senders map[string]*sender   // by batcher scope
	resting map[*sender]struct{} // those that know when to ask for a slot again
	watched []*lane              // those that are stopped or have suspects, see laneBreaker
	turn    int                  // of the sender that had the last slot
	// largestBatch is the most records that a batch of any lane takes.
	largestBatch int
}

func (l *lane) policy() *Policy { return &l.account.Policy }

// effective is what a mutation still has to say: the rest, where earlier records
// have said the first part.
func (l *lane) effective(m *catalog.Mutation) catalog.Change {
	change := m.Change()
	if m.Step == 0 {
		return change
	}
	rest, _ := l.rest(m)
	return rest
}

// rest is what is left of a mutation after the first record of a split change it
// is part of. whole reports that the endpoint would not cut the mutation itself:
// it belongs to one side entirely.
func (l *lane) rest(m *catalog.Mutation) (rest catalog.Change, whole bool) {
	change := m.Change()
	change.HasNull = true // cut it where a change with a null is cut
	if _, cut := l.endpoint.Split(change); cut != nil {
		return *cut, false
	}
	return m.Change(), true
}

// oneRecord reports whether one record can carry the change. What merges is asked
// here; a single mutation that needs two records is split.
func (l *lane) oneRecord(change catalog.Change) bool {
	_, rest := l.endpoint.Split(change)
	return rest == nil
}

// sender is the lanes of one account that draw on the same quota scopes: they
// take turns.
type sender struct {
	key     string
	index   int // in the order they were made
	scopes  []string
	account *accountState
	lanes   []*lane
	again   time.Time // when to ask for a slot again; zero: now or when woken
	rested  time.Time // when there was something to send last and no slot for it yet
}

// accounts are those of the lanes.
type accounts struct {
	byName   map[string]*accountState
	lastLook time.Time // at their saved states
	looking  bool
}

// accountState is what the engine knows of an account's health.
type accountState struct {
	account *Account
	open    int // batches, the halves of refused ones apart
	// openBytes are the messages of its open batches.
	openBytes int64
	state     ledger.AccountState
	paused    bool
	backoff   time.Duration
	told      time.Time // the end of a pause that the platform asked for
	probing   bool      // one call finds out whether the account works again
	loaded    bool      // its saved state was read
	saved     bool      // its pause was seen in the store
	took      time.Time // when the last POST began that was taken
	// credential is the access token that was last seen, by its name.
	credential string
}

// mayCall reports whether a call for the account may be made now; a call for a
// paused account is its probe.
func (a *accountState) mayCall(now time.Time) bool {
	switch {
	case !a.loaded || a.state.ByHand:
		return false
	case !a.paused:
		return true
	default:
		return !a.probing && !a.state.ResumesAt.After(now)
	}
}

// nextLook is when to look again whether a call may be made: a pause can end before
// its time.
func (a *accountState) nextLook(now time.Time) time.Time {
	next := now.Add(accountWatch)
	if a.state.ResumesAt.After(now) {
		next = earlier(next, a.state.ResumesAt)
	}
	return next
}

// began notes that a call is being made.
func (a *accountState) began() { a.probing = a.paused }

// laneOf finds the lane, making it on first use; nil for a stray.
func (e *Engine) laneOf(key catalog.Lane) *lane {
	if l, ok := e.lanes.byKey[key]; ok {
		return l
	}
	info := e.resolver.resolve(key)
	if info.endpoint == nil {
		return nil
	}
	limits := info.endpoint.Limits()
	policy := &info.account.Policy
	if policy.MaxItems > 0 {
		limits.MaxItems = min(limits.MaxItems, policy.MaxItems)
	}
	if policy.MaxBytes > 0 {
		limits.MaxBytes = min(limits.MaxBytes, policy.MaxBytes)
	}
	l := &lane{key: key, account: info.account, endpoint: info.endpoint, limits: limits}
	if base := info.endpoint.Base(); base != "" {
		l.base, l.family = catalog.Lane{Account: key.Account, Catalog: base, Type: key.Type}, true
	}
	if localizable, ok := info.endpoint.(platform.Localizable); ok && localizable.Localized() {
		l.family = true
	}
	l.sender = e.senderOf(info)
	l.sender.lanes = append(l.sender.lanes, l)
	e.lanes.byKey[key] = l
	e.lanes.largestBatch = max(e.lanes.largestBatch, limits.MaxItems)
	e.batcher.AddLane(batcher.Lane{
		Key: key, BaseLane: l.base, Sender: l.sender.key, Rules: info.endpoint.Rules(), Group: info.endpoint.Group,
		Change: l.effective, OneRecord: l.oneRecord, Size: info.endpoint.RecordSize, Overhead: info.endpoint.Overhead(),
		MaxItems: limits.MaxItems, MaxBytes: limits.MaxBytes, MaxAge: policy.MaxAge, Overtaken: e.overtakenReadBack,
	})
	return l
}

func (e *Engine) senderOf(info laneInfo) *sender {
	scopes := info.endpoint.SubmitScopes()
	key := info.account.Name + " " + strings.Join(scopes, " ")
	if s, ok := e.lanes.senders[key]; ok {
		return s
	}
	state, ok := e.accounts.byName[info.account.Name]
	if !ok {
		state = &accountState{account: info.account}
		state.state = ledger.AccountState{Account: info.account.Name, State: accountActive}
		e.accounts.byName[info.account.Name] = state
		e.accounts.lastLook = time.Time{} // read its saved state before the first call
	}
	s := &sender{key: key, index: len(e.lanes.senders), scopes: scopes, account: state}
	e.lanes.senders[key] = s
	return s
}

// cut makes batches while there are due groups, free slots and room.
func (e *Engine) cut(ctx context.Context, now time.Time) {
	if e.life.draining || e.shut() {
		return
	}
	due := e.dueSenders(now)
	for len(due) > 0 {
		again := due[:0]
		for _, s := range due {
			if e.mayCut(s, now) && e.cutOne(ctx, s, now) {
				e.lanes.turn = s.index
				again = append(again, s)
			}
		}
		due = again
	}
	e.updateBudget()
}

// dueSenders lists the senders with something to send. The one that had the last
// slot comes last: several may share the scope whose slots they take.
func (e *Engine) dueSenders(now time.Time) []*sender {
	keys := e.batcher.Due(now)
	due := make([]*sender, 0, len(keys))
	next := 0
	for _, key := range keys {
		s := e.lanes.senders[key]
		if s.index <= e.lanes.turn {
			next++
		}
		due = append(due, s)
	}
	if next == 0 || next == len(due) {
		return due
	}
	return append(append(make([]*sender, 0, len(due)), due[next:]...), due[:next]...)
}

func (e *Engine) mayCut(s *sender, now time.Time) bool {
	return s.account.mayCall(now) && !s.again.After(now) && !e.full() &&
		e.memory.mayOpen(s.account) && s.account.open < e.maxOpen(s)
}

// mayOpen bounds the memory of open batches: an account takes at most half of what
// there is for all, and each may have one batch open, so that no account's trouble
// keeps another from sending.
func (m *memory) mayOpen(a *accountState) bool {
	return a.open == 0 || !m.budget.openFull() && !m.budget.hog(a.openBytes)
}

// maxOpen bounds the account's open batches by what its read quota can follow:
// each is polled about once per PollMax at the longest.
func (e *Engine) maxOpen(s *sender) int {
	policy := &s.account.account.Policy
	most := openPerSlot * policy.Concurrency
	for _, l := range s.lanes {
		if rate := e.cfg.Scopes.CallsPerMinute(l.endpoint.PollScopes()); rate > 0 {
			most = min(most, max(int(rate*policy.PollMax.Minutes()), 1))
		}
	}
	return most
}

// openPerSlot bounds open batches where no read quota is known.
const openPerSlot = 16

// cutOne takes a slot and a batch to go with it.
func (e *Engine) cutOne(ctx context.Context, s *sender, now time.Time) bool {
	slot, again := e.cfg.Scopes.AcquireSince(e.life.began, s.account.account.Name, s.scopes, s.account.account.Policy.Concurrency, e.calls.wake)
	if slot == nil {
		s.again = again
		if !again.IsZero() {
			e.lanes.resting[s] = struct{}{}
			s.rested = now
		}
		return false
	}
	batch, ok := e.batcher.Cut(s.key, now)
	if !ok {
		slot.Cancel()
		return false
	}
	e.probeIfStopped(e.launch(ctx, batch, slot, now), now)
	return true
}

// launch makes an open batch of a batch that was cut, and has it recorded.
func (e *Engine) launch(ctx context.Context, batch *batcher.Batch, slot *quota.Slot, now time.Time) *openBatch {
	l := e.lanes.byKey[batch.Lane]
	f := newOpenBatch(e.cfg, ledger.NewBatchID(now), l, batch.Group, batch.Records, now)
	f.slot = slot
	l.sender.account.began()
	f.split()
	mutations := e.record(ctx, f)
	e.memory.flow.add(len(batch.Records), now)
	e.cfg.Observer.BatchCut(l.key, len(batch.Records), mutations, batch.Bytes, l.limits.MaxItems, batch.Reason)
	return f
}

// split cuts down the records that say more than one record can carry; what is
// left of them goes when this much has succeeded.
func (f *openBatch) split() {
	for i := range f.batch.Records {
		record := &f.batch.Records[i]
		if first, rest := f.lane.endpoint.Split(record.Change); rest != nil {
			record.Change = first
			f.rests[i] = *rest
		}
	}
}

// record puts the open batch's batch into the next transaction; after the commit
// onRecorded sends it.
func (e *Engine) record(ctx context.Context, f *openBatch) (mutations int) {
	e.open(ctx, f)
	before := e.jobs.next.mutations
	for i := range f.batch.Records {
		e.jobs.next.note(f.batch.Records[i].Constituents...)
	}
	e.jobs.next.adds(f)
	e.jobs.next.after(func() { e.onRecorded(f) })
	return e.jobs.next.mutations - before
}

// onRecorded sends the batch: its transaction is committed.
func (e *Engine) onRecorded(f *openBatch) {
	if e.wasRefused(f) {
		return
	}
	f.recorded = true
	f.forEachConstituent(func(m *catalog.Mutation) { m.Stored = false })
	f.to(phaseReady)
	e.step(f, time.Now())
}

// open counts the open batch in.
func (e *Engine) open(ctx context.Context, f *openBatch) {
	e.batches.byID[f.batch.ID] = f
	f.lane.open++
	if !f.half {
		f.lane.sender.account.open++
	}
	f.lane.sender.account.openBytes += int64(f.bytes)
	e.cfg.Budget.open.Add(int64(f.bytes))
	f.startSpan(ctx, e.cfg.Tracer)
}

// close counts the open batch out, after its outcome is committed.
func (e *Engine) close(f *openBatch) {
	e.batches.unschedule(f)
	delete(e.batches.byID, f.batch.ID)
	f.lane.open--
	if !f.half {
		f.lane.sender.account.open--
	}
	f.lane.sender.account.openBytes -= int64(f.bytes)
	e.cfg.Budget.open.Add(-int64(f.bytes))
	if f.span != nil {
		f.span.End()
	}
}

func (f *openBatch) forEachConstituent(visit func(*catalog.Mutation)) {
	for i := range f.batch.Records {
		for _, m := range f.batch.Records[i].Constituents {
			visit(m)
		}
	}
}

// recordOld writes rows for what was in memory alone for too long. What leaves goes
// first: a new owner must not find a row of an item whose older change has none.
func (e *Engine) recordOld(now time.Time) {
	if len(e.memory.leaving) > 0 || e.jobs.recording || now.Sub(e.jobs.lastTake) < takeInterval || e.full() {
		return
	}
	e.jobs.lastTake = now
	if old := e.batcher.TakeUnstored(now.Add(-e.cfg.RecordWithin), takeMutations); len(old) > 0 {
		e.writeWaiting(old)
	}
}

func (e *Engine) writeWaiting(ms []*catalog.Mutation) {
	e.jobs.next.tx.Waiting = append(e.jobs.next.tx.Waiting, ms...)
	e.jobs.next.note(ms...)
	e.jobs.next.after(func() { e.onWaitingRecorded(ms) })
}

// onWaitingRecorded lets the batcher forget the payloads: each has a row.
func (e *Engine) onWaitingRecorded(ms []*catalog.Mutation) {
	e.batcher.Stored(ms)
	e.updateBudget()
}
