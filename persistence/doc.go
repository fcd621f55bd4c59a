// Package persistence keeps the ledger in Postgres: what became of every
// mutation, which worker owns which partition of the stream, and how far each
// partition is recorded. It implements ledger.Store.
//
// The tables and the reasons for their shape are in docs/database.md.
package persistence
