// Package sources proves what sources promise (docs/feeds.md), on real parts: the enqueue
// program, NATS, Postgres, a worker and the simulated platforms. See its tests. There is
// nothing to import.
//
// TestKilledRuns kills the program at each message that it exchanges with Postgres and
// NATS. TestHistories makes up histories of a shop and holds the platforms against what the
// shop said last. TestAFeedReachesThePlatforms runs the commands with a whole worker.
//
// For a long run: go test ./test/sources -every-step -rapid.checks 2000
package sources
