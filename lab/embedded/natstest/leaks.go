package natstest

import "go.uber.org/goleak"

// ServersOwn are the goroutines that nats-server may leave behind when a stream is
// made while the server shuts down: its file store is opened after the shutdown has
// looked for stores to stop. They are the broker's, which only tests and development
// run in this process; everything else that is left is ours.
func ServersOwn() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server.(*fileStore).flushStreamStateLoop"),
		goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server.(*fileStore).syncBlocks"),
		goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"),
	}
}
