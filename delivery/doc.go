// Package delivery brings mutations from the stream to the platforms and finds
// out what became of them. One Engine works one partition: a single goroutine
// owns all its state; calls to the platform and transactions run beside it and
// report back.
//
// The order of things for every batch is fixed: it is recorded (fenced), then
// sent, then its handle is recorded, then followed to its end, then its outcome
// is recorded (fenced). Memory changes only after the commit.
package delivery
