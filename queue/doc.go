// Package queue is what a worker does with NATS JetStream: the stream and its checks,
// reading a partition from a recorded position, the mirror of positions, and trimming
// what is recorded. Package message has the contract of the messages, package publish
// stores them.
//
// Positions are kept elsewhere (in Postgres). The stream knows no consumer that
// remembers anything: a reader says where to start, acknowledges nothing, and is
// recreated whenever something looks odd.
package queue
