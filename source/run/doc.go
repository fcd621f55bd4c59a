// Package run works a source's snapshot through: it reads every item once, maps it for each
// destination, compares it with what was sent, and publishes the difference.
//
// A run has two steps. Plan reads the whole snapshot, counts, and keeps the changes in a
// spool on disk; nothing is published. Only a snapshot that was read to a valid end has
// a plan. Apply publishes the spool: additions and changes first, deletes last and only as
// far as the guard lets them go.
//
// Apply keeps what it intends for each item, compares it again while its row is locked,
// publishes it, waits until JetStream has stored it, and keeps the new state, in this order. A
// process that ends in between leaves an intended state. Where the source says the same in the
// next run, the change has the same mutation id: the stream drops it as a repeat, or it is
// published once more with the same content. Where the source says otherwise by then, the
// next run counts with what may have been published: it clears those attributes, or deletes the
// item.
package run
