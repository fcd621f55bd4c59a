package delivery

import (
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/batcher"
	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
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
	if m.SplitStep == 0 {
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
