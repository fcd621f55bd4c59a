// Package precondition is the vocabulary of what must hold before a worker may work.
// Each package that knows an outside part lists what it needs of it; package service
// composes the lists, for worker check and worker run alike.
package precondition

import (
	"errors"
	"strings"
)

// Failure is one precondition that does not hold.
type Failure struct { //nolint:errname // one of Failures
	// Key is the setting or property, as its server names it, such as server_encoding.
	Key string
	// What names it for people, such as "the database's encoding".
	What string
	// Found and Wanted are values, never secrets.
	Found, Wanted string
	// Cure says what to do.
	Cure string
	// Passing reports that it may hold later by itself, such as a server in recovery: a
	// worker waits for it, and says so.
	Passing bool
}

func (f Failure) Error() string {
	text := f.What + " is " + f.Found + "; " + f.Wanted + " is needed"
	if f.Cure != "" {
		text += ": " + f.Cure
	}
	return text
}

// Failures are all that do not hold, in the order in which they were looked at.
type Failures []Failure //nolint:errname // the plural of Failure

func (fs Failures) Error() string {
	lines := make([]string, len(fs))
	for i, failure := range fs {
		lines[i] = failure.Error()
	}
	return strings.Join(lines, "; ")
}

// Err is nil when everything holds.
func (fs Failures) Err() error {
	if len(fs) == 0 {
		return nil
	}
	return fs
}

// Permanent reports an error with a failure that waiting does not cure.
func Permanent(err error) bool {
	failures, ok := errors.AsType[Failures](err)
	if !ok {
		return false
	}
	for _, failure := range failures {
		if !failure.Passing {
			return true
		}
	}
	return false
}
