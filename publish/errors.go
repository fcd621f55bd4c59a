package publish

import (
	"errors"
	"fmt"
)

// ErrStreamFull says that the stream is at its size limit and refuses messages
// until what is recorded has been trimmed.
var ErrStreamFull = errors.New("the stream is full")

// ErrDenied is the kind of a [*DeniedError].
var ErrDenied = errors.New("NATS refuses it to this user")

// DeniedError says what the permissions of NATS refuse to the user of the connection.
type DeniedError struct {
	// Subject is the one refused, as the server names it.
	Subject string
	// Subscription is set when the user may not listen on the subject, and unset when
	// the user may not publish to it. The client asks again when it connects again.
	Subscription bool
}

// Error names the subject.
func (d *DeniedError) Error() string {
	if d.Subscription {
		return fmt.Sprintf("NATS refuses a subscription to %s to this user: "+
			"no answer can be received; give the connection an inbox prefix that the user's permissions allow (nats.CustomInboxPrefix)", d.Subject)
	}
	return fmt.Sprintf("NATS refuses the subject %s to this user: its permissions do not allow to publish there", d.Subject)
}

// Is tells the kind.
func (d *DeniedError) Is(target error) bool { return target == ErrDenied }

// StoppedError is the error of a Publish that did not come to the end.
type StoppedError struct {
	// At is the index of the first publication that is neither stored nor refused for
	// itself; the results tell what became of those after it.
	At int
	// Err is what stopped it.
	Err error
}

// Error tells the place and the cause.
func (s *StoppedError) Error() string {
	return fmt.Sprintf("publishing stopped at publication %d, counted from 0: %v", s.At, s.Err)
}

// Unwrap is the cause.
func (s *StoppedError) Unwrap() error { return s.Err }
