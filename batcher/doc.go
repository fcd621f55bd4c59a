// Package batcher holds what waits to be sent. It decides what a batch carries and
// when it may be cut. It does no I/O and has no clock: callers pass the time, and
// one goroutine owns a Batcher.
//
// Pending work is kept per item, as a short list of entries whose last one merges
// with arrivals. An item is in the group of its first entry, unless it has to
// wait for something of its own:
//
//	                 ┌─ in flight ──────── its record is not final: Release
//	Add ─▶ item ─────┼─ delayed ────────── until its NotBefore
//	       entries   ├─ blocked ────────── an item or its localization, for an older change of the other
//	                 └─ group ─▶ due: full, or its oldest mutation old enough
//	                               └─▶ a turn of its sender ─▶ Cut
//
// Groups that are not due are in one heap of deadlines, so that ten thousand groups
// cost no more than a few; due groups of a sender (whoever calls the platform for
// them: one account with its quotas) take turns, so that a flood in one does not
// delay another.
//
// # Spilling
//
// When memory is short the caller spills a lane: its waiting mutations have, or
// get, waiting rows in the store and are forgotten here, and what arrives is only
// buffered until it has rows too. Read back oldest first, everything merges again,
// so that nothing old can overtake anything newer. This rests on the caller's
// order: store transactions and loads of a partition run first in, first out, and
// their results are delivered in the same order.
package batcher
