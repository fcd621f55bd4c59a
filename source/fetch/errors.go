package fetch

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kinds of errors: errors.Is tells them apart. After each of them but ErrUnchanged the feed
// is unread.
var (
	// ErrUnchanged: the content is what the former fingerprint was of. It is not a failure.
	ErrUnchanged = errors.New("the feed has not changed")
	// ErrAddress: the address or what belongs to it is not valid. Only Parse returns it.
	ErrAddress = errors.New("the address is not usable")
	// ErrNotFound: no such file, host, bucket or object.
	ErrNotFound = errors.New("the feed does not exist")
	// ErrDenied: the source refuses these credentials, or asks for some.
	ErrDenied = errors.New("access is denied")
	// ErrHostKey: an SFTP server's key is not the one in known_hosts.
	ErrHostKey = errors.New("the server's key is not known")
	// ErrShort: the content ended before its announced length or before its end.
	ErrShort = errors.New("the feed arrived incomplete")
	// ErrTooLarge: the content is larger than Options.MaxBytes.
	ErrTooLarge = errors.New("the feed is too large")
	// ErrStalled: no byte came for Options.StallTimeout.
	ErrStalled = errors.New("the source stopped answering")
	// ErrTimeout: the whole fetch took longer than Options.Timeout.
	ErrTimeout = errors.New("the fetch took too long")
	// ErrHTMLPage: the web server sent a page for people, such as an error or login page.
	ErrHTMLPage = errors.New("the server sent an HTML page instead of a feed")
	// ErrChangedWhileRead: the file was written while it was read.
	ErrChangedWhileRead = errors.New("the feed changed while it was read")
	// ErrRedirect: redirects that lead in a circle, are too many, or lead where none may.
	ErrRedirect = errors.New("the server redirects wrongly")
	// ErrStatus: the source answered with an error that is none of the above.
	ErrStatus = errors.New("the source answered with an error")
	// ErrUnreachable: no connection, or no secure one.
	ErrUnreachable = errors.New("the source cannot be reached")
	// ErrLocal: the disk of this machine failed.
	ErrLocal = errors.New("the local disk failed")
	// ErrTemporary is said besides another kind: the fetch was repeated for
	// Options.RetryFor where that makes sense, and a later one may succeed.
	ErrTemporary = errors.New("a later fetch may succeed")
)

// Error is every error of this package.
type Error struct {
	Kind      error  // one of the kinds above but ErrTemporary; or the context's error
	Address   string // without credentials and parameters
	What      string // what is wrong there
	Do        string // what to do about it
	Temporary bool   // ErrTemporary
	Cause     error  // the context's or the local disk's error, else nil

	wait time.Duration // what the source asks to wait for
}

// Error says what failed, for which address, and what to do.
func (e *Error) Error() string {
	text := e.Kind.Error()
	if e.Address != "" {
		text += " (" + e.Address + ")"
	}
	if e.What != "" {
		text += ": " + e.What
	}
	if e.Do != "" {
		text += ": " + e.Do
	}
	return text
}

// Unwrap lets errors.Is find the kinds and the cause. Errors of libraries are not among
// them, because their texts quote addresses with all parameters.
func (e *Error) Unwrap() []error {
	found := []error{e.Kind}
	if e.Temporary {
		found = append(found, ErrTemporary)
	}
	if e.Cause != nil {
		found = append(found, e.Cause)
	}
	return found
}

func fail(kind error, what, do string) *Error {
	return &Error{Kind: kind, What: what, Do: do}
}

func failLater(kind error, what, do string) *Error {
	return &Error{Kind: kind, What: what, Do: do, Temporary: true}
}

func failLocally(cause error) *Error {
	return &Error{Kind: ErrLocal, What: cause.Error(), Do: "free space, or set another folder for temporary files", Cause: cause}
}

// errStalled is the cause that the watch over an attempt ends it with.
var errStalled = errors.New("stalled")

// ended is the error of an attempt that its context ended, or nil while it has not.
func ended(ctx context.Context, options *Options) *Error {
	switch cause := context.Cause(ctx); {
	case cause == nil:
		return nil
	case errors.Is(cause, errStalled):
		return failLater(ErrStalled, fmt.Sprintf("no byte came for %s", options.StallTimeout),
			"the source or the network between hangs; if the server makes the feed when it is asked, let it write a file instead")
	case errors.Is(cause, errTimeout):
		return failLater(ErrTimeout, fmt.Sprintf("it was not complete after %s", options.Timeout), "raise timeout if the feed is large")
	default:
		return &Error{Kind: cause, What: "the fetch was ended", Cause: ctx.Err()}
	}
}

// errTimeout is the cause that the end of Options.Timeout ends a fetch with.
var errTimeout = errors.New("timeout")
