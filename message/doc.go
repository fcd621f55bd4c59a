// Package message is the contract between producers and workers: the subjects of
// mutations, the limits and headers of a message, its body as producers write it
// ([Envelope]) and as workers read it ([Decode]).
//
// It knows neither NATS nor the stream. What follows from its rules is the same for the
// publisher, which refuses early, and for the reader, which has the last word.
//
// Producers use the packages publish and catalog, whose API is promised. This one may
// change with any version.
package message
