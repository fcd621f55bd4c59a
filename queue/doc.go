// Package queue is everything Courier does with NATS JetStream: the stream and
// its checks, publishing, decoding messages into mutations, reading a partition
// from a recorded position, and trimming what is recorded.
//
// Positions are kept elsewhere (in Postgres). The stream knows no consumer that
// remembers anything: a reader says where to start, acknowledges nothing, and is
// recreated whenever something looks odd.
package queue
