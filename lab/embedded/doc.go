// Package embedded runs what Courier needs inside or beside its own process: a
// NATS server for JetStream, and a private Postgres. It serves "worker dev" and
// the tests; a service in production connects to servers that somebody runs.
//
// The NATS server lives in the process. Postgres is a child process, which never
// outlives its parent, also when the parent is killed: on Linux the kernel
// signals it (PR_SET_PDEATHSIG, bound to an operating system thread that lives as
// long as the child); elsewhere a small shell stands between the two and ends
// Postgres as soon as a pipe from the parent closes.
package embedded
