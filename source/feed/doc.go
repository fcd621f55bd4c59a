// Package feed reads product feeds: the files that shops, plugins and agencies write for
// Google, Meta and Pinterest, the exports of shop systems, and plain JSON and Parquet.
//
// [Open] looks at the content, never at a file name. It undoes gzip, zstd and zip, finds
// the character encoding, and then the format. [Reader.Next] returns one item after the
// other; memory does not grow with the file, except where an export names an item's group
// in another row (Adobe Commerce, WooCommerce: 40 bytes a linked row, bounded).
//
// # What is an error, what is a finding
//
// An error means that the feed as a whole cannot be trusted: it is cut off, it is a web
// page with an error message, its encoding is unknown. Next then never returns [io.EOF],
// so that nobody takes the items seen so far for the whole feed and deletes the others.
//
// A [Finding] is about one item or one column. Reading goes on. A record that could be
// read in part is returned with Damaged set: its item is in the feed, so it must not be
// deleted, and its values are not reliable, so it must not be sent. What could not be
// attributed to any item is counted in [Reader.Stats] as Unreadable: while that is not
// zero, an id that seems to be missing may be in an unreadable row.
//
// # What a record holds
//
// Values are string, bool, json.Number, []any and map[string]any. Outer blanks are
// removed. Empty cells, empty elements and nulls are left out, so that "no value" has
// one form. Text is decoded once, by its format: HTML inside stays as it is. Names of
// columns and elements lose their prefix and label and are folded to lower case with
// underscores ("Image link [image_link]" is image_link); nested names keep their
// nesting. The same bytes always give the same records and findings.
package feed
