package ledger

// StreamIdentity names a stream and the installation that works it. Both ids are
// random, so that two servers with streams of one name are told apart.
type StreamIdentity struct {
	// Stream is the id made with the stream; "" when none is known.
	Stream string
	// Installation is the id of the database whose workers work the stream; "" when
	// none works it yet.
	Installation string
}

// IsZero reports that nothing is known of a stream.
func (i StreamIdentity) IsZero() bool { return i == StreamIdentity{} }
