package message

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
	"unsafe"

	"github.com/klauspost/compress/zstd"

	"github.com/catalog-courier/catalog-courier/catalog"
)

const (
	// PackContentType is the content type of a pack: a message that carries many
	// mutations of one lane, one a line.
	PackContentType = "application/x-ndjson"
	// PackEncoding is the content encoding that a pack may have.
	PackEncoding = "zstd"
	// HeaderContentEncoding names how a pack is compressed.
	HeaderContentEncoding = "content-encoding"

	// MaxPackLines is the most lines that a pack may have; blank ones do not count.
	MaxPackLines = 10_000
	// MaxPackBytes is the most bytes that a pack may have, decompressed.
	MaxPackBytes = 16 << 20
	// MaxPackID is the longest id of a pack that the ids of its lines can be made of.
	MaxPackID = MaxID - len("/10000")
)

// Lines are the mutations of one message, in order: one, or those of a pack. The zero value has none.
// Do not copy it once Next or Skip was called.
type Lines struct {
	decoder *Decoder
	// raw is the message as it came; of one that is not a pack, or an unreadable one.
	raw     Raw
	problem *catalog.Problem // of a pack that cannot be read

	isPack bool
	common reading // what the lines of a pack share
	text   []byte  // what is left of a pack
	buffer *[]byte // where it was decompressed to; nil where it was not
	next   int     // the number of the next line, from 0
	count  int
}

// Open looks how many mutations a message has. A pack is unpacked, and its bounds are
// checked; a pack that breaks them counts as one mutation, with a problem.
func (d *Decoder) Open(raw Raw) Lines {
	encoding, isPack := packed(raw.Headers)
	if !isPack {
		return Lines{decoder: d, raw: raw, count: 1}
	}
	var count int
	text, buffer, problem := unpack(raw.Data, encoding)
	if problem == nil {
		text, count, problem = checkText(text)
	}
	if problem != nil {
		keepBuffer(buffer)
		return Lines{decoder: d, raw: raw, problem: problem, count: 1}
	}
	lines := Lines{decoder: d, raw: raw, isPack: true, text: text, buffer: buffer, count: count}
	lines.readCommon()
	if size := headerSize(lines.common.mutation.Message.Headers); size*count > MaxPackBytes {
		keepBuffer(buffer)
		return Lines{decoder: d, raw: raw, count: 1, problem: badPack("the pack's headers have " + strconv.Itoa(size) + " bytes: with each of its " +
			strconv.Itoa(count) + " lines that is more than " + strconv.Itoa(MaxPackBytes) + " bytes")}
	}
	lines.raw.Data = nil
	return lines
}

// headerSize is how many bytes the headers add to a message. Each line of a pack is kept with
// those of its pack.
func headerSize(headers []catalog.Header) (size int) {
	for _, header := range headers {
		size += len(header.Name) + len(header.Value)
	}
	return size
}

// Len is how many mutations the message has.
func (l *Lines) Len() int { return l.count }

// Left is how many of them Next has not returned yet.
func (l *Lines) Left() int { return l.count - l.next }

// Line is the number of the mutation that Next returns: 0 in a message of its own, else
// from 1.
func (l *Lines) Line() int {
	if l.isPack {
		return l.next + 1
	}
	return 0
}

// Skip passes the next mutation over.
func (l *Lines) Skip() {
	if l.isPack {
		_ = l.cut()
	}
	l.next++
	l.end()
}

// end lets the text go once all was read.
func (l *Lines) end() {
	if l.isPack && l.next == l.count {
		keepBuffer(l.buffer)
		l.text, l.buffer = nil, nil
	}
}

// Next decodes the next mutation as [Decode] does; there has to be one left. A line of a pack
// shares no memory with its neighbours: what waits for long holds nothing but itself.
func (l *Lines) Next() catalog.Arrival {
	if !l.isPack {
		l.next++
		arrival := l.decoder.Decode(l.raw)
		if l.problem != nil {
			arrival.Problem = l.problem
		}
		return arrival
	}
	line := bytes.Clone(l.cut())
	l.next++
	l.end()
	r := l.common
	m := *r.mutation
	r.mutation = &m
	m.Position.Line = l.next
	m.Message.Data = line
	arrival := r.decode(func() { r.readLine(line) })
	arrival.More = l.next < l.count
	return arrival
}

// cut takes the next line off the text.
func (l *Lines) cut() (line []byte) {
	for len(l.text) > 0 {
		line, l.text, _ = bytes.Cut(l.text, newline)
		if line = trimBlank(line); len(line) > 0 {
			return line
		}
	}
	return nil
}

var newline = []byte{'\n'}

// readCommon reads subject and headers once for all lines.
func (l *Lines) readCommon() {
	subject := l.decoder.subject(l.raw.Subject)
	l.common = reading{mutation: &catalog.Mutation{
		PublishedAt: l.raw.Time, ReceivedAt: l.raw.ReceivedAt, Position: l.raw.Position, Lane: subject.lane,
		Message: catalog.Message{Subject: subject.producer},
	}}
	l.common.report(subject.problem)
	l.common.readHeaders(l.raw.Headers)
	// A line is replayed as a message of its own: what the headers say of the pack is not true
	// of it.
	kept := l.common.mutation.Message.Headers[:0]
	for _, header := range l.common.mutation.Message.Headers {
		if !OfPack(header.Name) {
			kept = append(kept, header)
		}
	}
	l.common.mutation.Message.Headers = slices.Clip(kept)
	l.common.headers = headers{messageID: l.common.headers.messageID}
}

// OfPack names the headers that say how a pack is written, and those of an event, which a
// pack is not.
func OfPack(name string) bool {
	return strings.EqualFold(name, HeaderContentType) || strings.EqualFold(name, HeaderContentEncoding) || hasPrefixFold(name, "ce-")
}

// packed reports whether the headers are those of a pack, and how it is compressed. As with
// readHeaders, the first name in the order of bytes counts where one is there in several cases.
func packed(headers map[string][]string) (encoding string, isPack bool) {
	var typeName, encodingName string
	for name, values := range headers {
		if len(values) == 0 {
			continue
		}
		switch len(name) {
		case len(HeaderContentType):
			if (typeName == "" || name < typeName) && strings.EqualFold(name, HeaderContentType) {
				mediaType, _, _ := strings.Cut(values[0], ";")
				typeName, isPack = name, strings.EqualFold(strings.TrimSpace(mediaType), PackContentType)
			}
		case len(HeaderContentEncoding):
			if (encodingName == "" || name < encodingName) && strings.EqualFold(name, HeaderContentEncoding) {
				encodingName, encoding = name, strings.ToLower(strings.TrimSpace(values[0]))
			}
		}
	}
	return encoding, isPack
}

// unpack decompresses a pack. The text is in buffer then, which goes to keepBuffer after it was read.
func unpack(data []byte, encoding string) (text []byte, buffer *[]byte, problem *catalog.Problem) {
	switch encoding {
	case "", "identity":
		return data, nil, nil
	case PackEncoding:
		buffer, _ = buffers.Get().(*[]byte)
		text, err := decompress(data, (*buffer)[:0])
		if err != nil {
			return nil, buffer, badPack("the pack cannot be decompressed as zstd, to at most " + strconv.Itoa(MaxPackBytes) + " bytes: " + err.Error())
		}
		*buffer = text
		return text, buffer, nil
	default:
		return nil, nil, badPack("the pack has the content encoding " + Quote(encoding) + ": zstd and none are understood")
	}
}

// checkText checks the text of a pack as a whole, and counts its lines.
func checkText(text []byte) (_ []byte, lines int, problem *catalog.Problem) {
	if len(text) > MaxPackBytes {
		return nil, 0, badPack("the pack has " + strconv.Itoa(len(text)) + " bytes, at most " + strconv.Itoa(MaxPackBytes) + " are allowed")
	}
	if !utf8.Valid(text) {
		return nil, 0, badPack("the pack is not valid UTF-8")
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	switch lines = countLines(text); {
	case lines == 0:
		return nil, 0, badPack("the pack has no lines")
	case lines > MaxPackLines:
		return nil, 0, badPack("the pack has more than " + strconv.Itoa(MaxPackLines) + " lines")
	}
	return text, lines, nil
}

// countLines counts the lines that are not blank, and one more than allowed at most.
func countLines(text []byte) (lines int) {
	for len(text) > 0 && lines <= MaxPackLines {
		var line []byte
		line, text, _ = bytes.Cut(text, newline)
		if len(trimBlank(line)) > 0 {
			lines++
		}
	}
	return lines
}

// trimBlank removes what JSON counts as white space around a line.
func trimBlank(line []byte) []byte {
	for len(line) > 0 && blank(line[0]) {
		line = line[1:]
	}
	for len(line) > 0 && blank(line[len(line)-1]) {
		line = line[:len(line)-1]
	}
	return line
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// buffers are where packs are decompressed to. At rest there are none.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// keepBuffer keeps a buffer for another pack, unless it is an unusually large one.
func keepBuffer(buffer *[]byte) {
	const largest = 1 << 20
	if buffer != nil && cap(*buffer) <= largest {
		buffers.Put(buffer)
	}
}

func badPack(text string) *catalog.Problem {
	return &catalog.Problem{Reason: catalog.BadPack, Text: text}
}

// decompress decompresses a pack to at most MaxPackBytes, into the buffer if it is large enough.
func decompress(data, buffer []byte) ([]byte, error) {
	text, err := unpacker().DecodeAll(data, buffer)
	if !errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return text, err
	}
	// A stream of unknown size names the window of its level, whatever it has. What it is
	// decompressed into is made before, so it begins with less than a pack may have.
	for size := MaxPackBytes / 16; ; size *= 4 {
		text, err = wideUnpacker().DecodeAll(data, make([]byte, 0, size))
		if size >= MaxPackBytes || !errors.Is(err, zstd.ErrDecoderSizeExceeded) {
			return text, err
		}
	}
}

// unpacker decompresses packs, for any number of goroutines.
var unpacker = sync.OnceValue(func() *zstd.Decoder {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(MaxPackBytes), zstd.WithDecoderConcurrency(0))
	if err != nil {
		panic("message: the options of the decompression are wrong: " + err.Error()) // they are constants
	}
	return decoder
})

// wideUnpacker is an unpacker that takes a window larger than a pack. It is bounded by what it
// decompresses into, which has to be made before.
var wideUnpacker = sync.OnceValue(func() *zstd.Decoder {
	decoder, err := zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderConcurrency(0))
	if err != nil {
		panic("message: the options of the decompression are wrong: " + err.Error()) // they are constants
	}
	return decoder
})

// packer compresses packs.
var packer = sync.OnceValue(func() *zstd.Encoder {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		panic("message: the options of the compression are wrong: " + err.Error()) // they are constants
	}
	return encoder
})

// CompressPack is the text of a pack as it travels with Content-Encoding zstd.
func CompressPack(text []byte) []byte {
	return packer().EncodeAll(text, make([]byte, 0, len(text)/2))
}

// AppendLine appends the body of a mutation to the text of a pack. ok is false for a body
// that cannot be a line of one, because readers would find no mutation in it or take others along:
// it is blank, too long, or no UTF-8, or has a line break that JSON does not allow.
func AppendLine(text, body []byte) (_ []byte, ok bool) {
	body = trimBlank(body)
	if len(body) == 0 || len(body) > MaxBody || !utf8.Valid(body) || bytes.HasPrefix(body, []byte("\ufeff")) {
		return text, false
	}
	if len(text) > 0 {
		text = append(text, '\n')
	}
	if bytes.IndexByte(body, '\n') < 0 {
		return append(text, body...), true
	}
	before := len(text)
	text = append(text, body...)
	// Between its tokens JSON takes a space as well as a line break; inside a string neither
	// is a line break allowed.
	inString := false
	for i, c := range body {
		switch {
		case c == '"' && !escaped(body[:i]):
			inString = !inString
		case c == '\n' && inString:
			return text[:max(before-1, 0)], false
		case c == '\n':
			text[before+i] = ' '
		}
	}
	return text, true
}

// escaped reports whether what follows the text is escaped by a backslash.
func escaped(text []byte) bool {
	n := len(text)
	for n > 0 && text[n-1] == '\\' {
		n--
	}
	return (len(text)-n)%2 == 1
}

// readLine reads a line, which is known to be UTF-8.
func (r *reading) readLine(line []byte) {
	if len(line) > MaxBody {
		r.report(TooLarge(len(line)))
		return
	}
	r.readText(unsafe.String(unsafe.SliceData(line), len(line))) //nolint:gosec // it is never written to
}

// DecodeAll appends the mutations of a message: one, or those of a pack.
func (d *Decoder) DecodeAll(arrivals []catalog.Arrival, raw Raw) []catalog.Arrival {
	lines := d.Open(raw)
	for lines.Left() > 0 {
		arrivals = append(arrivals, lines.Next())
	}
	return arrivals
}
