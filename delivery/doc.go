// Package delivery brings mutations from the stream to a platform and finds out what became
// of them: it is the life of an open batch. docs/life-of-a-mutation.md has the whole way,
// and the states of a batch as a diagram.
//
// One Engine works one partition. Its loop (Engine.Run, Engine.advance) owns all state;
// calls to the platform, transactions and reads run beside it and report back. A method
// named on… handles such a report in the loop. In the order of a batch's life:
//
//   - intake.run reads the stream, resolver.check and storeCalls.lookUpVersions prepare
//     each mutation, Engine.admit takes it in (intake.go, resolver.go, versions.go). It waits
//     in the batcher; where the configuration does not know its lane, in Postgres
//     (Engine.parkUnconfigured, unconfigured.go).
//   - Engine.cut takes a slot of the lane's quota and makes an open batch of what is due
//     (Engine.launch, cut.go). Engine.record puts it into the job that is being collected
//     (job.go).
//   - Engine.handOver gives the job to the recorder, which commits it, fence last, and
//     notes in the mirror that something will be sent (recorder.go, commit.go, mirror.go).
//     What the store refuses is taken out alone (recorder.isolate, isolate.go).
//   - Engine.onRecorded lets the batch go: Engine.trySend looks whether anything forbids the
//     POST, Engine.announce has a further POST recorded before it is made (send.go).
//   - Engine.post makes it; posting.run sends, and records how the POST ended before it
//     reports to the loop (submit.go, attempt.go).
//   - Engine.onPosted goes on with the answer: handles are polled (Engine.startPolling,
//     Engine.onPolled, poll.go), a final answer needs none, after a failure the batch is sent again or
//     ends (Engine.onPostFailed, posted.go).
//   - Engine.endFollowing ends the polling; Engine.step waits until no earlier copy can still be
//     applied. Then Engine.conclude makes an outcome of what is known of each record (conclusion.judge,
//     judge.go, verdicts.go) and has it committed.
//   - Engine.onConcluded changes memory: items are free for their next change, and what is
//     sent again waits again (conclude.go).
//
// Memory changes only after the commit. openBatch.to is the only place that changes a
// batch's phase; an illegal step panics, and the partition is resumed from what is recorded
// (Engine.resume, resume.go).
//
// Not on this path: accounts that are refused (health.go), lanes and items that are refused
// (lanebreaker.go, suspect.go), memory (memory.go, readahead.go, spill.go), and what people
// see (gauges.go, trace.go). Quotas are package quota, the write guard of the connections
// is package lease.
package delivery
