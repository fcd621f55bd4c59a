// Package difference decides what a source's items change at a destination: it compares
// each item with what was last sent and names the mutation that makes the difference, or
// none. It is pure: no I/O, no clock, the same answer for the same input.
//
// An item is compared by a hash of its mapped attributes, so that a new mapping that
// gives the same attributes changes nothing. Three things a hash alone does not see are
// part of the State that is kept of an item:
//
//   - An attribute that was sent before and is gone now must be cleared where the platform
//     keeps what an UPSERT leaves out. State keeps the names that were sent.
//   - A snapshot is true at its own time only: a change that a webhook brought later is not
//     undone by it. State keeps the time of the newest change.
//   - A deleted item must not come back by an older snapshot. State is kept of deleted
//     items too, for a while.
package difference
