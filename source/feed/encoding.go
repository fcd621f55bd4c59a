package feed

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"regexp"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
	"golang.org/x/text/transform"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// boms are the byte order marks; UTF-32LE begins as UTF-16LE does and comes first.
var boms = []struct {
	mark string
	name string
	from encoding.Encoding
}{
	{"\xff\xfe\x00\x00", "utf-32le", utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)},
	{"\x00\x00\xfe\xff", "utf-32be", utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)},
	{"\xef\xbb\xbf", "utf-8", nil},
	{"\xff\xfe", "utf-16le", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)},
	{"\xfe\xff", "utf-16be", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)},
}

// decode returns the content as valid UTF-8 without a byte order mark.
func (s *session) decode(from *bufio.Reader) (*bufio.Reader, error) {
	head, err := from.Peek(peekSize)
	if err != nil && !errors.Is(err, io.EOF) && len(head) == 0 {
		return nil, err
	}
	for _, bom := range boms {
		if bytes.HasPrefix(head, []byte(bom.mark)) {
			if _, err := from.Discard(len(bom.mark)); err != nil {
				return nil, err
			}
			return s.decoder(from, bom.name, bom.from), nil
		}
	}
	if name, from16 := zeros(head); from16 != nil {
		s.find(KindEncoding, Place{}, "", name, "text should be UTF-8: it was read as UTF-16, because every second byte is zero")
		return s.decoder(from, name, from16), nil
	}
	if bytes.IndexByte(head, 0) >= 0 {
		return nil, fail(ErrNotAFeed, "it is binary data of an unknown format", "write CSV, XML, JSON lines or Parquet")
	}
	if s.options.Encoding != "" {
		named, name, err := lookup(s.options.Encoding)
		if err != nil {
			return nil, err
		}
		return s.decoder(from, name, named), nil
	}
	declared, err := declaredEncoding(head)
	if err != nil {
		return nil, err
	}
	s.encoding = "utf-8"
	lazy := &lazyText{from: from, session: s, declared: declared}
	if declared.encoding != nil && !declared.ascii { // such as ISO-2022-JP, where all bytes look like ASCII
		return s.decoder(from, declared.name, declared.encoding), nil
	}
	return bufio.NewReaderSize(lazy, peekSize), nil
}

// decoder converts to UTF-8; nil means that the bytes are UTF-8, where a byte that is
// not becomes the replacement character.
func (s *session) decoder(from io.Reader, name string, by encoding.Encoding) *bufio.Reader {
	s.encoding = name
	if by == nil {
		by = unicode.UTF8
	}
	return bufio.NewReaderSize(transform.NewReader(from, by.NewDecoder()), peekSize)
}

// zeros finds UTF-16 without a byte order mark: in markup and tables of any language
// many characters are ASCII, whose other byte is zero.
func zeros(head []byte) (string, encoding.Encoding) {
	head = head[:min(len(head), 4096)]
	if len(head) < 4 {
		return "", nil
	}
	var even, odd int
	for i, c := range head {
		if c == 0 && i%2 == 0 {
			even++
		} else if c == 0 {
			odd++
		}
	}
	pairs := len(head) / 2
	switch {
	case odd > pairs/4 && even <= pairs/20:
		return "utf-16le", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case even > pairs/4 && odd <= pairs/20:
		return "utf-16be", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	}
	return "", nil
}

func lookup(name string) (encoding.Encoding, string, error) {
	named, err := htmlindex.Get(name)
	if err != nil {
		return nil, "", fail(ErrEncoding, "the encoding "+legible.Clip(name, 40)+" is not known", "write the feed as UTF-8")
	}
	canonical, err := htmlindex.Name(named)
	if err != nil || canonical == "replacement" {
		return nil, "", fail(ErrEncoding, "the encoding "+legible.Clip(name, 40)+" is not supported", "write the feed as UTF-8")
	}
	if canonical == "utf-8" {
		return nil, canonical, nil
	}
	return named, canonical, nil
}

// declaration is what an XML declaration says.
type declaration struct {
	name     string
	encoding encoding.Encoding
	ascii    bool // bytes below 0x80 are ASCII in it
}

var xmlDeclaration = regexp.MustCompile(`^\s*<\?xml[^>]{0,200}?\sencoding\s*=\s*["']([^"']{1,40})["']`)

// declaredEncoding reads the XML declaration. UTF-16 there is wrong in a file that can be
// read up to it as bytes.
func declaredEncoding(head []byte) (declaration, error) {
	found := xmlDeclaration.FindSubmatch(head[:min(len(head), 512)])
	if found == nil {
		return declaration{}, nil
	}
	named, name, err := lookup(string(found[1]))
	switch {
	case err != nil:
		return declaration{}, err
	case named == nil, name == "utf-16le", name == "utf-16be":
		return declaration{}, nil
	}
	return declaration{name: name, encoding: named, ascii: name != "iso-2022-jp"}, nil
}

// lazyText passes ASCII through and decides at the first other byte, where there is
// something to decide on.
type lazyText struct {
	from     *bufio.Reader
	session  *session
	declared declaration
	decoded  io.Reader // set once decided
}

func (l *lazyText) Read(p []byte) (int, error) {
	if l.decoded != nil {
		return l.decoded.Read(p)
	}
	head, err := l.from.Peek(1)
	if len(head) == 0 {
		return 0, err
	}
	head, _ = l.from.Peek(min(l.from.Buffered(), len(p)))
	for i, c := range head {
		if c < utf8.RuneSelf {
			continue
		}
		if i == 0 {
			l.decide()
			return l.decoded.Read(p)
		}
		head = head[:i]
		break
	}
	n := copy(p, head)
	_, err = l.from.Discard(n)
	return n, err
}

// decide looks at the text from the first byte that is not ASCII on. UTF-8 has a form
// that other text does not have by chance; so it is believed over a declaration. A few
// wrong bytes among right ones are damage, not another encoding.
func (l *lazyText) decide() {
	sample, _ := l.from.Peek(peekSize)
	right, wrong := 0, 0
	for len(sample) > 0 {
		r, size := utf8.DecodeRune(sample)
		switch {
		case r == utf8.RuneError && size == 1:
			if !utf8.FullRune(sample) { // cut by the sample's end
				size = len(sample)
			} else {
				wrong++
			}
		case size > 1:
			right++
		}
		sample = sample[size:]
	}
	s := l.session
	switch {
	case right > 0 && wrong <= right/4 || wrong == 0:
		if l.declared.encoding != nil {
			s.find(KindEncoding, Place{}, "", l.declared.name, "the declared encoding is not the content's: it was read as UTF-8")
		}
		l.decoded = s.decoder(l.from, "utf-8", nil)
	case l.declared.encoding != nil:
		l.decoded = s.decoder(l.from, l.declared.name, l.declared.encoding)
	default:
		s.find(KindEncoding, Place{}, "", "windows-1252", "text should be UTF-8: it is not, and was read as windows-1252 (Western European); name the encoding if it is another")
		l.decoded = s.decoder(l.from, "windows-1252", charmap.Windows1252)
	}
}

// replacement is what the decoders make of bytes that mean nothing.
const replacement = "\ufffd"
