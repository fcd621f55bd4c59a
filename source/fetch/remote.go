package fetch

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// remote is a source whose content comes over a network into a temporary file.
type remote struct {
	attempter attempter
	name      string
}

// attempter is one protocol.
type attempter interface {
	// attempt gets the content, or what is missing of it. The error is an *Error.
	attempt(ctx context.Context, d *download) error
}

// download is one fetch over all its attempts.
type download struct {
	former fingerprint
	spool  *spool
	alive  func() // says that bytes came

	// What the last attempt that got content knows of it:

	etag  string // strong: with it the rest of the content can be asked for; else empty
	total int64  // the whole length, -1 if unknown
	found fingerprint
	at    time.Time
	notes []string
	kind  string // the content type
}

// rest is from where the content can be continued; 0 means from the beginning.
func (d *download) rest() int64 {
	if d.etag == "" {
		return 0
	}
	return d.spool.size
}

var contentRange = regexp.MustCompile(`^bytes (\d+)-\d+/(\d+|\*)$`)

// continues reports whether a Content-Range begins where the content ended, and is of as long a content.
func (d *download) continues(value string) bool {
	found := contentRange.FindStringSubmatch(value)
	return found != nil && found[1] == strconv.FormatInt(d.spool.size, 10) &&
		(found[2] == "*" || d.total < 0 || found[2] == strconv.FormatInt(d.total, 10))
}

// begin forgets what came earlier.
func (d *download) begin() error {
	d.etag, d.total, d.found, d.at, d.notes, d.kind = "", -1, fingerprint{}, time.Time{}, nil, ""
	return d.spool.restart()
}

const (
	firstPause   = time.Second
	longestPause = 30 * time.Second
)

// fetch makes attempts until one has the whole content.
func (r remote) fetch(ctx context.Context, f *Fetcher, former fingerprint) (*File, error) {
	spool, err := newSpool(&f.options)
	if err != nil {
		return nil, err
	}
	d := &download{former: former, spool: spool, total: -1}
	if err := r.attempts(ctx, f, d); err != nil {
		spool.discard()
		return nil, err
	}
	sum, err := spool.finish()
	if err != nil {
		spool.discard()
		return nil, err
	}
	if former.sha256 == sum.sha256 {
		spool.discard()
		return nil, fail(ErrUnchanged, "", "")
	}
	d.found.sha256 = sum.sha256
	return &File{
		Path: spool.path(), At: d.at, Fingerprint: d.found.encode(f.id), Bytes: sum.bytes,
		ContentType: d.kind, Name: r.nameOf(), Notes: d.notes, temporary: true,
	}, nil
}

func (r remote) nameOf() string {
	if r.name == "/" || r.name == "." {
		return ""
	}
	return r.name
}

// attempts repeats temporary errors.
func (r remote) attempts(ctx context.Context, f *Fetcher, d *download) error {
	schedule := newSchedule(f.options.RetryFor)
	var last error
	_ = backoff.Retry(func() error {
		before := d.rest()
		last = r.once(ctx, f, d)
		if last == nil {
			return nil
		}
		own := (*Error)(nil)
		if !errors.As(last, &own) || !own.Temporary || ctx.Err() != nil {
			return backoff.Permanent(last)
		}
		schedule.failed(own.wait, d.rest() > before)
		return last
	}, backoff.WithContext(schedule, ctx))
	if last != nil && ctx.Err() != nil && !errors.Is(last, ErrUnchanged) {
		if errors.Is(last, ErrTemporary) && errors.Is(context.Cause(ctx), errTimeout) {
			return last // says more than that the time is over
		}
		return ended(ctx, &f.options)
	}
	return last
}

// once is one attempt, which ends when no bytes come.
func (r remote) once(ctx context.Context, f *Fetcher, d *download) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(f.options.StallTimeout, func() { cancel(errStalled) })
	defer watch.Stop()
	d.alive = func() { watch.Reset(f.options.StallTimeout) }
	err := r.attempter.attempt(ctx, d)
	if err == nil || ctx.Err() == nil || errors.Is(err, ErrLocal) || errors.Is(err, ErrTooLarge) {
		return err
	}
	return ended(ctx, &f.options)
}

// schedule is when the attempts are made: with growing pauses, or as late as the source
// asks for, for so long from the first error in a row.
type schedule struct {
	growing *backoff.ExponentialBackOff
	budget  time.Duration
	failing bool
	wait    time.Duration
}

func newSchedule(budget time.Duration) *schedule {
	return &schedule{budget: budget, growing: backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(max(min(firstPause, budget/16), time.Millisecond)), backoff.WithMaxInterval(longestPause), backoff.WithMaxElapsedTime(max(budget, 1)))}
}

// failed says that an attempt failed, what its error asks to wait, and whether the attempt
// got content that the next one continues.
func (s *schedule) failed(wait time.Duration, further bool) {
	if further || !s.failing {
		s.growing.Reset()
	}
	s.failing, s.wait = true, wait
}

// Reset is called before the first attempt.
func (s *schedule) Reset() {}

// NextBackOff ends the attempts where the budget would not last until the next one.
func (s *schedule) NextBackOff() time.Duration {
	if s.budget < 0 {
		return backoff.Stop
	}
	next := s.growing.NextBackOff()
	if next == backoff.Stop || s.growing.GetElapsedTime()+s.wait > s.budget {
		return backoff.Stop
	}
	return max(next, s.wait)
}
