// Package run works a source's snapshot through: it reads every item once, maps it for each
// destination, compares it with what was sent, and publishes the difference.
//
// A run has two steps. Plan reads the whole snapshot, counts, and keeps the changes in a
// spool on disk; nothing is published. Only a snapshot that was read to a valid end has
// a plan. Apply publishes the spool: additions and changes first, deletes last and only as
// far as the guard lets them go.
//
// Apply compares each item again while its row is locked, publishes it, waits until
// JetStream has stored it, and keeps the new state, in this order. A process that ends in
// between leaves the old state: the next run finds the same change, with the same mutation
// id, which the stream drops as a repeat, or publishes once more with the same content.
package run
