// Package simulation runs whole workers against models of everything around them,
// in one process and on fake time, and tries to break them: see its tests and
// docs/reliability.md. There is nothing to import.
//
// The workers are the production code from the leases to the bodies of requests.
// The store and the queue are models that pass the suites of the real ones
// (ledger/ledgertest, queue/queuetest); the platforms are the sandbox.
//
// A history is a seed. Every call that a worker makes to the world outside waits
// for a while drawn from the seed and the moment, so that no two things happen at
// the same instant, and whether it fails, is cut off, or ends or freezes its worker
// is drawn in the same way. Fake time moves on only when all goroutines wait, which
// makes the order of everything a function of the seed.
package simulation
