// Package publish publishes catalog mutations to the stream that the workers read: it is
// all that a producer written in Go needs beside package catalog.
//
// A [Mutation] is one change of one item. [Publisher.PublishMutations] checks all of them
// against the contract of the message, publishes them in the order given, in atomic
// batches of up to [MaxBatch] where the server can, and waits until the stream has
// acknowledged them:
//
//	publisher := publish.NewPublisher(js, publish.Options{})
//	results, err := publisher.PublishMutations(ctx, publish.Mutation{…})
//
// Who has bodies already, or CloudEvents, makes a [Publication] of each and calls
// [Publisher.Publish].
//
// # Packs
//
// Eight or more mutations of one account, catalog and type that follow each other travel in one
// message, a pack, [Options.PackLines] of them at most: JetStream's cost is per message. A
// pack is stored as a whole or not at all. [InPacks] makes the same packs for those who publish
// with a client of their own.
//
// # What the results say
//
// There is one [Result] for each, in the same order: [Stored], [Duplicate], or [Refused]
// with the reason. What is refused for itself, a [*catalog.Problem] or a [*DeniedError],
// keeps no other from being stored. An error of the call is a [*StoppedError], which
// names the first place that is open; [ErrStreamFull] is its cause where the stream is at
// its size limit. [Result.NotStored] tells what the stream certainly does not have from
// what it may have.
//
// # Publishing again
//
// Each message has an id, [Mutation.ID] or a new one. The stream drops an id that it has
// seen within its duplicate window (two minutes), so repeating a call with the same ids
// is safe for that long. A pack's id is made of the ids of its mutations: the same call makes
// the same packs, and so does a call with the rest of it, from the place that a
// [*StoppedError] names. The same mutation among others is in another pack, and a
// second mutation; with PackLines 1 it would be dropped. While nobody answers, the publisher repeats a batch too, for
// [Options.RetryFor].
//
// # Promise
//
// The API of this package is promised, and what a producer meets of package catalog: from
// the first tagged version on, they change as semantic versions allow. All other packages
// of this module belong to the programs and may change with any version.
//
// Importing this package links nats.go with jetstreamext (for atomic batches), the trace
// propagation of OpenTelemetry, zstd of klauspost/compress, backoff, uuid, gjson and uniseg, with
// what these need, and nothing of the worker. deps_test.go lists the modules.
package publish
