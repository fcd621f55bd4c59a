// Package rules checks the attributes of an item before anything is sent. A
// catalog type is described by one Table, a row for each field; one engine reads
// all tables, so that a new field costs one row.
//
// Two sorts of rule are told apart.
//
// Hard rules hold on every level, because no correct request can be made of a
// change that breaks them: the key does not have its parts or its repetition
// differs, an UPDATE names what it cannot carry, a null means nothing to the
// platform, an id is blank. So is a value that the platform's own schema forbids
// where it refuses the whole request for it (Enforced): such a value would take up to
// 999 good items with it, each time. Platforms add their own with Findings.Add.
//
// Rules about values (JSON type, required on create, length, allowed values,
// format, bounds of a list, members of an object) come from documents that
// contradict each other in places, and platforms loosen them without notice. So
// the level of the account decides whether they warn, refuse or are not looked at.
// What one source allows and another does not (Contested, Format.Doubting) warns and
// is never refused.
//
// An attribute without a row is a warning on both levels and never refused: Meta
// warns itself, Pinterest's schema allows it, and new fields appear all the time.
package rules
