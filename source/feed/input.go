package feed

import (
	"errors"
	"fmt"
	"io"
)

// input counts what is read of the caller's reader and holds it to the limits.
type input struct {
	from    io.Reader
	session *session
}

// Read ends with ErrTruncated where the caller knew of more bytes.
func (in *input) Read(p []byte) (int, error) {
	n, err := in.from.Read(p)
	stats, options := &in.session.stats, &in.session.options
	stats.Bytes += int64(n)
	switch {
	case stats.Bytes > options.MaxInput:
		return 0, fail(ErrTooLarge, fmt.Sprintf("the input is larger than %d bytes", options.MaxInput), "raise the limit if the feed is right")
	case options.Size > 0 && stats.Bytes > options.Size:
		return 0, fail(ErrMalformed, fmt.Sprintf("%d bytes were announced and more came", options.Size), "fetch the feed again")
	case err == nil:
		return n, nil
	case !errors.Is(err, io.EOF):
		return n, &Error{Kind: ErrRead, What: err.Error(), Do: "fetch the feed again", Cause: err}
	case stats.Bytes < options.Size:
		return n, fail(ErrTruncated, fmt.Sprintf("%d of %d bytes came", stats.Bytes, options.Size), "fetch the feed again")
	}
	return n, io.EOF
}

// content counts what comes out of decompression and stops at a bomb. Its caller gets
// nothing of what was over a limit.
type content struct {
	from    io.Reader
	session *session
	bytes   int64
	packing string
}

// ratioFrom is where the ratio begins to count: small files of blanks are no bombs.
const ratioFrom = 64 << 20

func (c *content) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.bytes += int64(n)
	options := &c.session.options
	if c.bytes > options.MaxBytes {
		return 0, fail(ErrTooLarge, fmt.Sprintf("the content is larger than %d bytes", options.MaxBytes), "raise the limit if the feed is right")
	}
	if c.packing != "" && c.bytes > ratioFrom && c.bytes/max(c.session.stats.Bytes, 1) > options.MaxRatio {
		return 0, fail(ErrTooLarge, fmt.Sprintf("the %s content is more than %d times larger than the file", c.packing, options.MaxRatio),
			"this looks like a decompression bomb: check who wrote the file")
	}
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	if own := (*Error)(nil); errors.As(err, &own) {
		return n, own
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return n, caused(ErrTruncated, Place{}, err, "the "+c.packing+" data has no end: fetch or write the feed again")
	}
	return n, caused(ErrMalformed, Place{}, err, "the "+c.packing+" data is damaged: fetch or write the feed again")
}
