// Package quota decides when a call to a platform may be made. Whoever makes one takes a
// Slot first (Scopes.Acquire), tells how the call ended (Slot.Heard) and gives the slot
// back (Slot.Release, or Slot.Cancel when no call was made).
//
// Four things bound the calls, each with a file:
//
//   - a block: the platform named a time until which to make none (scope.go);
//   - the pace: half of a quota is used as fast as there is work, the rest is spread over
//     what is left of its window (meter.go, window.go);
//   - the account's calls at a time, which grow with success and halve on trouble, and its
//     breaker, which opens after a row of failures (concurrency.go);
//   - what other workers were told of the same scope: saved and read every few seconds
//     (sync.go, snapshot.go); a block is saved before its call is said to have ended
//     (pause.go).
//
// The package knows no batches and no lanes: a scope is a name, a call is a call.
package quota
