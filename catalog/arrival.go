package catalog

// Arrival is one message of the stream after decoding. Mutation is never nil: it
// holds what could be decoded, and always its Message and Position. Problem is
// set when the message broke a rule.
type Arrival struct {
	Mutation *Mutation
	Problem  *Problem
}
