package feed

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// Kinds of errors: errors.Is tells them apart. After each of them the feed must be taken
// for unread: items that did not come are not missing.
var (
	// ErrTruncated: the input ended before its format's end.
	ErrTruncated = errors.New("the feed is cut off")
	// ErrEncoding: the bytes are not text of an encoding that is known here.
	ErrEncoding = errors.New("the encoding is not readable")
	// ErrNotAFeed: empty, an HTML page, or a format that is not read here.
	ErrNotAFeed = errors.New("this is not a feed")
	// ErrTooLarge: a limit of Options was passed.
	ErrTooLarge = errors.New("the feed passes a limit")
	// ErrNoHeader: a table without a row of column names, or without a required column.
	ErrNoHeader = errors.New("the header is not usable")
	// ErrMalformed: the content breaks the rules of its own format or compression.
	ErrMalformed = errors.New("the feed is malformed")
	// ErrMember: a zip archive with not exactly one member to read.
	ErrMember = errors.New("the archive has no single feed")
	// ErrRead: the input itself failed, such as a disk or a connection. The cause is wrapped.
	ErrRead = errors.New("the feed could not be read")
)

// Error is every error of this package.
type Error struct {
	Kind  error  // one of the kinds above
	Place Place  // where, as far as known
	What  string // what is wrong there
	Do    string // what to do about it
	Cause error  // the error below, or nil
}

// Error says what, where and what to do.
func (e *Error) Error() string {
	text := e.Kind.Error()
	if where := e.Place.String(); where != "" {
		text += " (" + where + ")"
	}
	if e.What != "" {
		text += ": " + e.What
	}
	if e.Do != "" {
		text += ": " + e.Do
	}
	return text
}

// Unwrap lets errors.Is find the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

func fail(kind error, what, do string) *Error {
	return &Error{Kind: kind, What: what, Do: do}
}

func failAt(kind error, place Place, what, do string) *Error {
	return &Error{Kind: kind, Place: place, What: what, Do: do}
}

// caused wraps an error from below. An error of this package is returned as it is.
func caused(kind error, place Place, cause error, do string) error {
	if errors.Is(cause, io.EOF) { // the end of a feed is never the cause of an error
		cause = io.ErrUnexpectedEOF
	}
	if own := (*Error)(nil); errors.As(cause, &own) {
		if own.Place == (Place{}) {
			located := *own
			located.Place = place
			return &located
		}
		return own
	}
	what := cause.Error()
	if file := (*fs.PathError)(nil); errors.As(cause, &file) { // the name of a temporary file helps nobody
		what = file.Op + ": " + file.Err.Error()
	}
	return &Error{Kind: kind, Place: place, What: legible.Clip(what, 200), Do: do, Cause: cause}
}

// Place says where in the feed something is. Zero fields are not known.
type Place struct {
	Member string // the member of a zip archive
	Line   int64  // of text, from 1: where the record begins
	Record int64  // number of the row, element or object, from 1, without the header
}

// String is empty for a place that is not known.
func (p Place) String() string {
	text := ""
	if p.Member != "" {
		text = legible.Clip(p.Member, 80) + ", "
	}
	switch {
	case p.Line > 0 && p.Record > 0:
		text += fmt.Sprintf("line %d, record %d", p.Line, p.Record)
	case p.Line > 0:
		text += fmt.Sprintf("line %d", p.Line)
	case p.Record > 0:
		text += fmt.Sprintf("record %d", p.Record)
	case text != "":
		text = text[:len(text)-2]
	}
	return text
}
