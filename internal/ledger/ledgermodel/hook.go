package ledgermodel

import (
	"context"
	"fmt"
)

// Call names a method of the store.
type Call string

// The calls a hook is told of.
const (
	CallResume         Call = "Resume"
	CallCommit         Call = "Commit"
	CallCommitted      Call = "Committed"
	CallProbe          Call = "Probe"
	CallVerify         Call = "Verify"
	CallWaiting        Call = "Waiting"
	CallNewestVersions Call = "NewestVersions"
	CallAppendAttempts Call = "AppendAttempts"
	CallScopes         Call = "Scopes"
	CallSaveScopes     Call = "SaveScopes"
	CallSaveAccount    Call = "SaveAccount"
	CallAccounts       Call = "Accounts"
	CallSaveHealth     Call = "SaveHealth"
	CallSaveStrays     Call = "SaveStrays"
	CallEndRemoval     Call = "EndRemoval"

	CallOpenCursor  Call = "OpenCursor"
	CallOutcomes    Call = "Outcomes"
	CallMoveCursor  Call = "MoveCursor"
	CallDropCursors Call = "DropCursors"

	CallStreamIdentity     Call = "StreamIdentity"
	CallPositions          Call = "Positions"
	CallRecordedAtOrBefore Call = "RecordedAtOrBefore"
	CallRewind             Call = "Rewind"

	CallHeartbeat Call = "Heartbeat"
	CallTake      Call = "Take"
	CallAsk       Call = "Ask"
	CallRelease   Call = "Release"
	CallFree      Call = "Free"
	CallDrain     Call = "Drain"
	CallLeave     Call = "Leave"
	CallForget    Call = "Forget"
)

// Stage says when a hook is run.
type Stage uint8

// The stages of a call.
const (
	Before Stage = iota // an error refuses the call: nothing is read or written
	After               // an error loses the answer: what was written stays
)

// Hook is run before and after every call, outside the store's lock. It may
// return an error, wait, or end the caller's context.
type Hook func(ctx context.Context, call Call, stage Stage) error

// SetHook sets the hook; nil ends it.
func (s *Store) SetHook(hook Hook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = hook
}

// call runs one method's work under the lock, between the hook's two stages.
func (s *database) call(ctx context.Context, name Call, work func() error) error {
	s.mu.Lock()
	hook := s.hook
	s.mu.Unlock()
	if hook != nil {
		if err := hook(ctx, name, Before); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := s.locked(work); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if hook != nil {
		if err := hook(ctx, name, After); err != nil {
			return fmt.Errorf("%s, the answer is lost: %w", name, err)
		}
	}
	return nil
}

func (s *database) locked(work func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return work()
}

// faultf keeps a broken rule. The lock must be held.
func (s *database) faultf(format string, args ...any) {
	const enough = 100
	if len(s.faults) < enough {
		s.faults = append(s.faults, fmt.Errorf(format, args...))
	}
}
