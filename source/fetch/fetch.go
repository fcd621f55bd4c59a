package fetch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Options are what an address does not say. The zero value of each field means its default.
type Options struct {
	// Username and Password: Basic authentication by http, the login by sftp. A password
	// besides an encrypted PrivateKey is the key's passphrase. Both are without line breaks.
	Username, Password string
	// Header is sent with requests by http, to the host of the address only.
	Header map[string]string
	// PrivateKey is an OpenSSH or PEM key for sftp.
	PrivateKey []byte
	// KnownHosts is the text of a known_hosts file. sftp does not work without.
	KnownHosts []byte
	// AccessKey and SecretKey sign requests to s3; without both they are anonymous.
	AccessKey, SecretKey string
	// Region of the bucket; empty: the server is asked, where it can be.
	Region string
	// Endpoint of s3: a host with an optional port and an optional http:// or https://.
	// Default https://s3.amazonaws.com.
	Endpoint string
	// Timeout of the whole fetch with all its attempts. Default 30 minutes.
	Timeout time.Duration
	// StallTimeout ends an attempt in which no byte came for so long, also before the first.
	// Default 60 seconds.
	StallTimeout time.Duration
	// ConnectTimeout of a connection. Default 15 seconds.
	ConnectTimeout time.Duration
	// RetryFor: temporary errors are repeated for so long from the first in a row. Content
	// that came after it, and can be continued, ends the row. Default 3 minutes; negative: never.
	RetryFor time.Duration
	// MaxBytes is the largest content as it is transferred, before it is decompressed.
	// Default 4 GiB.
	MaxBytes int64
	// Spool is the folder for temporary files. Default: that of the system.
	Spool string
}

// String shows none of the options, because many are secrets.
func (Options) String() string { return "fetch.Options{…}" }

// GoString is String.
func (o Options) GoString() string { return o.String() }

func (o Options) withDefaults() Options {
	for value, standard := range map[*time.Duration]time.Duration{
		&o.Timeout: 30 * time.Minute, &o.StallTimeout: time.Minute, &o.ConnectTimeout: 15 * time.Second, &o.RetryFor: 3 * time.Minute,
	} {
		if *value == 0 {
			*value = standard
		}
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 4 << 30
	}
	return o
}

// settle is how long a file must be as it is before it counts as written, where its time
// of modification is as recent as that.
const settle = 3 * time.Second

// Fetcher fetches from one address. It is safe for concurrent use.
type Fetcher struct {
	options Options
	source  source
	shown   string
	secrets *secrets
	id      string // of the address, in fingerprints
}

// source is one scheme.
type source interface {
	// fetch returns the whole content, or an *Error without its address.
	fetch(ctx context.Context, f *Fetcher, former fingerprint) (*File, error)
}

// File is fetched content. Close it.
type File struct {
	// Path on disk: of a local feed the file itself, else a temporary file.
	Path string
	// At is a time from which on the content was true, as far as is known: when it was last modified,
	// else when it was asked for. It is never later than the clock of this machine.
	At time.Time
	// Fingerprint for the next Fetch; it holds no secret.
	Fingerprint string
	// Bytes is the size on disk. With gzip as Content-Encoding that is the compressed size.
	Bytes int64
	// ContentType as the source says it, or empty.
	ContentType string
	// Name is the last part of the path, or empty.
	Name string
	// Notes are what an operator should know although the fetch succeeded, such as a
	// server's wrong clock.
	Notes []string

	temporary bool
	before    os.FileInfo // of a local feed
	shown     string
}

// Check returns ErrChangedWhileRead if a local feed is not what it was when it was
// fetched. Call it, or Close, after reading and before anything is done because of it.
func (f *File) Check() error {
	if f.before == nil {
		return nil
	}
	now, err := os.Stat(f.Path)
	if err == nil && sameFile(f.before, now) {
		return nil
	}
	changed := changed()
	changed.Address, changed.Cause = f.shown, err
	return changed
}

// Close removes the temporary file, if there is one, and otherwise does what Check does.
func (f *File) Close() error {
	if !f.temporary {
		return f.Check()
	}
	if err := os.Remove(f.Path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return failLocally(err)
	}
	return nil
}

func changed() *Error {
	return failLater(ErrChangedWhileRead, "its size or time of modification changed, or another file took its place",
		"write the feed under another name and rename it when it is complete")
}

// String is the address without credentials and parameters.
func (f *Fetcher) String() string { return f.shown }

// GoString is String.
func (f *Fetcher) GoString() string { return f.shown }

// Fetch brings the content of the address to disk. former is the Fingerprint of an earlier
// File of the address, or empty. The error is an *Error; ErrUnchanged means that the content
// is the former one.
func (f *Fetcher) Fetch(ctx context.Context, former string) (*File, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, f.options.Timeout, errTimeout)
	defer cancel()
	file, err := f.source.fetch(ctx, f, parseFingerprint(former, f.id))
	if err != nil {
		return nil, f.located(err)
	}
	file.shown = f.shown
	return file, nil
}

// located is the error with the address.
func (f *Fetcher) located(err error) error {
	own := (*Error)(nil)
	if !errors.As(err, &own) { // every source returns an *Error; what does not is not shown
		return &Error{Kind: ErrStatus, Address: f.shown, What: fmt.Sprintf("an unexpected error (%T)", err)}
	}
	located := *own
	located.Address = f.shown
	return &located
}
