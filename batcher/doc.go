// Package batcher holds what waits to be sent: mutations per item, items in
// groups, groups taking turns in their quota scope. It decides what a batch
// carries and when it may be cut. It does no I/O and has no clock: callers pass
// the time, and one goroutine owns a Batcher.
package batcher
