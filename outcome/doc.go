// Package outcome tells others what became of mutations: one event for each mutation that
// became final, read from the outbox that the ledger writes, published to the stream
// CATALOG_OUTCOMES and posted to webhooks.
//
// The outbox has one row for each transaction that made mutations final. A Reader unfolds
// the rows of a partition after a cursor; each consumer has a cursor of its own, which only
// the owner of the partition moves, after its work is done. So every consumer gets every
// outcome at least once, and again what it had not finished when its owner ended.
package outcome
