// Package mapping turns the record of a source (a feed's row, a webhook's product) into
// the item of a destination: its id, its attributes, its group, and findings about what
// could not be translated.
//
// A mapping is data. The presets are written in the same language that users write (see
// docs/mapping.md); [Compile] checks all of it at start and reports every problem at once.
// [Mapping.Map] is a pure function: the same record gives the same bytes, so that a hash
// of an item tells whether it changed, and [Mapping.Revision] tells whether the mapping did.
//
// What cannot be known is a finding and never a guess: a price without a currency, "1.234"
// where the decimal mark is not known, a word for the availability that has no translation.
package mapping
