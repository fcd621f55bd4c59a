// Package rawjson reads and writes JSON as it stands: a number keeps its digits, a string
// its escapes, an object the order of its members. It is the one walker for all that
// looks at the producers' own bytes: decoding checks a whole body with it, the rules look
// at each attribute, and the encoders put request bodies together from the parts.
//
// There is one iterator, [Scanner], which checks what it passes, and three ways to call
// it: [Check] for a whole text, [Scan] for the members or elements of a value, [Members]
// for the attributes that an encoder visits. What differs between their callers is not the
// walker's:
//
//   - Strings are not checked to be UTF-8. Decoding does that once for the whole body, at
//     a fraction of the cost.
//   - Repeated names are all visited. Decoding refuses them; after it there are none.
//   - Values nested deeper than [MaxDepth] are refused in every case, so that no input
//     decides how deep the stack grows.
//
// Answers of platforms are read with gjson, by path and forgiving: they are not ours to
// refuse. The simulated platforms read requests with gjson too, so that what is written
// with this package is read by another one.
package rawjson
