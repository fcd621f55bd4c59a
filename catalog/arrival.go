package catalog

// Arrival is one message of the stream after decoding, or one line of a pack. Mutation is
// never nil: it holds what could be decoded, and always its Message and Position. Problem is
// set when it broke a rule.
type Arrival struct {
	Mutation *Mutation
	Problem  *Problem
	// More says that further lines of the same message follow: only with the last of them
	// is the message read whole.
	More bool
}
