package feed

import (
	"archive/zip"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// peekSize is how much of the content is looked at before anything is decided.
const peekSize = 64 << 10

// maxLayers bounds archives in archives: a .gz inside a .zip is seen, more is not.
const maxLayers = 2

var (
	magicGzip    = []byte{0x1f, 0x8b}
	magicZstd    = []byte{0x28, 0xb5, 0x2f, 0xfd}
	magicZip     = []byte{'P', 'K', 3, 4}
	magicZipNone = []byte{'P', 'K', 5, 6} // an archive without members
	magicParquet = []byte("PAR1")
)

// others are formats that people send and that are not read here, by their first bytes.
var others = []struct{ magic, what, do string }{
	{"BZh", "it is bzip2", "compress it with gzip or zstd"},
	{"\xfd7zXZ\x00", "it is xz", "compress it with gzip or zstd"},
	{"7z\xbc\xaf\x27\x1c", "it is a 7z archive", "compress it with gzip, zstd or zip"},
	{"Rar!", "it is a RAR archive", "compress it with gzip, zstd or zip"},
	{"\xd0\xcf\x11\xe0", "it is an old Excel workbook", "save it as CSV"},
	{"%PDF", "it is a PDF", "give the address of the feed itself"},
	{"\x89PNG", "it is a picture", "give the address of the feed itself"},
	{"PARE", "it is an encrypted Parquet file", "write it without encryption"},
	{"Obj\x01", "it is an Avro file", "write Parquet or JSON lines"},
}

// unpack undoes compression by magic bytes. What it returns has at least peekSize bytes
// of buffer.
func (s *session) unpack(in io.Reader) (*bufio.Reader, error) {
	buffered := bufio.NewReaderSize(&content{from: &input{from: in, session: s}, session: s}, peekSize)
	for layer := 0; ; layer++ {
		head, err := buffered.Peek(8)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		kind := packingOf(head)
		if kind == "" {
			return buffered, nil
		}
		if layer == maxLayers {
			return nil, fail(ErrNotAFeed, "there is an archive in an archive in an archive", "compress the feed once")
		}
		s.packing = strings.TrimPrefix(s.packing+"+"+kind, "+")
		unpacked, err := s.unpackOne(kind, buffered)
		if err != nil {
			return nil, err
		}
		buffered = bufio.NewReaderSize(&content{from: unpacked, session: s, packing: kind}, peekSize)
	}
}

func packingOf(head []byte) string {
	switch {
	case bytes.HasPrefix(head, magicGzip):
		return "gzip"
	case bytes.HasPrefix(head, magicZstd):
		return "zstd"
	case bytes.HasPrefix(head, magicZip), bytes.HasPrefix(head, magicZipNone):
		return "zip"
	default:
		return ""
	}
}

func (s *session) unpackOne(kind string, from *bufio.Reader) (io.Reader, error) {
	switch kind {
	case "gzip":
		unpacked, err := gzip.NewReader(from)
		if err != nil {
			return nil, packed(kind, err)
		}
		return unpacked, nil
	case "zstd":
		unpacked, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, packed(kind, err)
		}
		s.closers = append(s.closers, func() error { unpacked.Close(); return nil })
		return unpacked, nil
	default:
		return s.unzip(from)
	}
}

func packed(kind string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return caused(ErrTruncated, Place{}, err, "the "+kind+" data has no end: fetch or write the feed again")
	}
	return caused(ErrMalformed, Place{}, err, "the "+kind+" data is damaged: fetch or write the feed again")
}

// unzip spools the archive, because its index is at its end.
func (s *session) unzip(from io.Reader) (io.Reader, error) {
	spool, size, err := s.spool(from)
	if err != nil {
		return nil, err
	}
	archive, err := zip.NewReader(spool, size)
	if err != nil {
		if errors.Is(err, zip.ErrFormat) { // its index at the end is not there
			return nil, caused(ErrTruncated, Place{}, err, "the zip archive has no index: fetch or write the feed again")
		}
		return nil, packed("zip", err)
	}
	member, err := s.pick(archive.File)
	if err != nil {
		return nil, err
	}
	s.member = member.Name
	if member.Flags&1 != 0 {
		return nil, fail(ErrMember, "the archive is encrypted", "write it without a password")
	}
	opened, err := member.Open()
	if err != nil {
		return nil, packed("zip", err)
	}
	s.closers = append(s.closers, opened.Close)
	return opened, nil
}

// pick finds the one member to read. Folders and what macOS adds do not count.
func (s *session) pick(members []*zip.File) (*zip.File, error) {
	var found []*zip.File
	var names []string
	for _, member := range members {
		base := path.Base(member.Name)
		if strings.HasSuffix(member.Name, "/") || strings.HasPrefix(member.Name, "__MACOSX/") || base == ".DS_Store" {
			continue
		}
		if s.options.Member != "" {
			matches, err := path.Match(s.options.Member, member.Name)
			onBase, _ := path.Match(s.options.Member, base)
			if err != nil {
				return nil, fail(ErrMember, "the pattern for the member is not valid", "use * and ? as in a shell")
			}
			if !matches && !onBase {
				continue
			}
		}
		if found = append(found, member); len(names) < 5 {
			names = append(names, legible.Clip(member.Name, 60))
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return nil, fail(ErrMember, "no member of the archive is to be read", "check the archive and the pattern for the member")
	default:
		return nil, fail(ErrMember, fmt.Sprintf("%d members could be read (%s …)", len(found), strings.Join(names, ", ")), "give a pattern that names one")
	}
}

// spool copies into a temporary file that goes with the reader.
func (s *session) spool(from io.Reader) (*os.File, int64, error) {
	file, err := os.CreateTemp(s.options.TempDir, "feed-*.spool")
	if err != nil {
		return nil, 0, &Error{Kind: ErrRead, What: err.Error(), Do: "check the folder for temporary files", Cause: err}
	}
	// An open file without a name goes with the process, even where that is killed.
	removed := os.Remove(file.Name()) == nil
	s.closers = append(s.closers, func() error {
		err := file.Close()
		if !removed { // a system that keeps the names of open files
			err = errors.Join(err, os.Remove(file.Name()))
		}
		return err
	})
	size, err := io.Copy(file, from)
	if err != nil {
		return nil, 0, caused(ErrRead, Place{}, err, "check the space in the folder for temporary files")
	}
	return file, size, nil
}
