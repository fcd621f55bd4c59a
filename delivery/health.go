package delivery

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
)

// The states of an account, as they stand in account_status.
const (
	accountActive    = "active"
	accountPaused    = "paused"
	accountThrottled = "throttled"
)

const (
	// firstPause is how long an account rests after its token or permission was
	// refused, before one call tries again; it doubles up to longestPause.
	firstPause   = 15 * time.Second
	longestPause = 15 * time.Minute
	// longestTold is the longest pause that a platform can ask for, see rest.RetryAfter:
	// one that ends later was written down by a clock that was ahead.
	longestTold = 24 * time.Hour
	// credentialTimeout bounds looking for other access tokens.
	credentialTimeout = 2 * time.Second
)

// learnFromPost learns from a finished call whether the account works. An answer of any
// other kind than a refusal of the account ends a pause; a call that was never
// made, or got no answer, says nothing, and one that was under way ends no pause that the
// platform asked for meanwhile.
func (e *Engine) learnFromPost(a *accountState, perr *platform.Error) {
	a.probing = false
	switch {
	case perr != nil && perr.Scope == platform.ScopeAccount:
		e.pause(a, perr)
	case perr != nil && (perr.Scope == platform.ScopeCaller || perr.Scope == platform.ScopePlatform || perr.Scope == platform.ScopeQuota):
	case a.paused && !a.told.After(time.Now()):
		a.paused, a.saved, a.backoff = false, false, 0
		a.state = ledger.AccountState{Account: a.account.Name, State: accountActive, ByHand: a.state.ByHand}
		e.jobs.saveAccount(a)
		e.showAgain(a)
		e.log.InfoContext(e.calls.ctx, "the account works again", slog.String("account", a.account.Name))
	}
}

// pause stops all calls of the account but one from time to time. It alerts once
// per pause, however many calls were under way.
func (e *Engine) pause(a *accountState, perr *platform.Error) {
	now := time.Now()
	if perr.RetryAfter > 0 {
		a.told = later(a.told, now.Add(perr.RetryAfter))
	}
	if a.paused && a.state.ResumesAt.After(now) { // another call of the same trouble
		if a.told.After(a.state.ResumesAt) {
			a.state.ResumesAt = a.told
			e.jobs.saveAccount(a)
		}
		return
	}
	if !a.paused {
		e.log.ErrorContext(e.calls.ctx, "the platform refuses the account: it is paused and tried again automatically; no change is lost",
			slog.String("account", a.account.Name), slog.Any("error", perr))
	}
	byHand := a.state.ByHand
	a.state = a.refusable().pausedBy(perr, now)
	a.paused, a.backoff, a.state.ByHand = true, a.state.Pause, byHand
	e.jobs.saveAccount(a)
}

// saveAccount has the account's state written, by the next job: after whatever an
// earlier one says of it. A pause by hand is the operator's to write.
func (j *jobs) saveAccount(a *accountState) {
	if a.state.ByHand {
		return
	}
	j.next.accounts = slices.DeleteFunc(j.next.accounts, func(s ledger.AccountState) bool { return s.Account == a.state.Account })
	j.next.accounts = append(j.next.accounts, a.state)
}

// refreshAccounts reads the accounts' saved states: what an earlier owner learnt,
// and pauses by hand.
func (e *Engine) refreshAccounts(now time.Time) {
	strays := e.unconfigured.accounts()
	if e.accounts.looking || len(e.accounts.byName)+len(strays) == 0 || now.Sub(e.accounts.lastLook) < accountWatch {
		return
	}
	e.accounts.looking, e.accounts.lastLook = true, now
	names, accounts := make([]string, 0, len(e.accounts.byName)), make([]*Account, 0, len(e.accounts.byName))
	for name, state := range e.accounts.byName {
		names, accounts = append(names, name), append(accounts, state.account)
	}
	e.spawn(func(ctx context.Context) {
		states := e.recorder.readAccounts(ctx, append(slices.Clone(names), strays...))
		credentials := credentialsOf(ctx, accounts)
		e.calls.report(ctx, func() { e.onAccountsRead(names, states, credentials); e.unconfigured.read(strays, states) })
	})
}

// readAccounts reads saved states; nil when they cannot be read.
func (s *storeCalls) readAccounts(ctx context.Context, names []string) (states map[string]ledger.AccountState) {
	err := s.retryStore(ctx, "read account states", func(ctx context.Context) (err error) {
		states, err = s.cfg.Store.Accounts(ctx, names)
		return err
	})
	switch {
	case err != nil:
		return nil
	case states == nil:
		return map[string]ledger.AccountState{}
	default:
		return states
	}
}

// onAccountsRead takes in the saved states and present access tokens of accounts.
func (e *Engine) onAccountsRead(names []string, states map[string]ledger.AccountState, credentials []string) {
	e.accounts.looking = false
	for i, name := range names {
		if states != nil {
			e.applySavedState(e.accounts.byName[name], states[name])
		}
		e.learnCredential(e.accounts.byName[name], credentials[i])
	}
}

// credentialsOf names the accounts' present access tokens.
func credentialsOf(ctx context.Context, accounts []*Account) []string {
	ctx, cancel := context.WithTimeout(ctx, credentialTimeout)
	defer cancel()
	names := make([]string, len(accounts))
	for i, account := range accounts {
		if account.Credential != nil {
			names[i] = account.Credential(ctx)
		}
	}
	return names
}

// learnCredential has a paused account tried at once when its token is not the one
// that was refused. While a call tries the former token it waits for the end of it.
func (e *Engine) learnCredential(a *accountState, present string) {
	if present == "" || a.probing {
		return
	}
	former := a.credential
	a.credential = present
	if now := time.Now(); a.paused && former != "" && former != present && a.state.ResumesAt.After(now) {
		a.state.ResumesAt, a.backoff = later(now, a.told), 0
		e.log.InfoContext(e.calls.ctx, "there is another access token: the paused account is tried again", slog.String("account", a.account.Name))
		e.calls.wakeUp()
	}
}

func (e *Engine) applySavedState(a *accountState, saved ledger.AccountState) {
	first := !a.loaded
	a.loaded = true
	if saved.ByHand != a.state.ByHand {
		a.state.ByHand = saved.ByHand
		e.showAgain(a)
	}
	if first && saved.State == accountPaused && !saved.ByHand {
		a.paused, a.state = true, saved
		a.backoff = min(max(saved.Pause, firstPause), longestPause)
		a.state.ResumesAt = notLater(saved.ResumesAt, time.Now().Add(longestTold))
	}
	if first && saved.State == accountThrottled && !saved.ByHand {
		e.hideStopped(a) // the last owner's
	}
	switch {
	case saved.State == accountPaused:
		a.saved = true
	case a.paused && a.saved && !saved.ByHand:
		// An operator ended the pause.
		a.paused, a.saved, a.backoff = false, false, 0
		a.state = ledger.AccountState{Account: a.account.Name, State: accountActive}
		e.calls.wakeUp()
	}
	if first {
		e.calls.wakeUp()
	}
}
