// Package receive takes the webhooks of shops: it checks who sent them, turns them into the
// changes of items as a feed run does, and keeps what became of each.
//
// A delivery is answered with a good status once its changes are stored in the stream and
// the new states in the database. Where one of them is away the answer is 503, so that the
// sender repeats: a repeat changes nothing twice. A delivery that cannot be read or mapped
// is kept and answered with a good status all the same, as senders remove a subscription that
// fails often; it can be replayed.
//
// A delivery whose items are not all in its body is kept as pending, and nothing is done
// until the shop's own interface has given all of them. [Receiver.Work] does that.
package receive
