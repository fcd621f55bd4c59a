package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/legible"
	"github.com/catalog-courier/catalog-courier/queue"
)

// maxLine leaves a line room for the members that are taken out of it.
const maxLine = queue.MaxBody + 4096

// line is one mutation to publish, or the reason why it cannot be.
type line struct {
	source      string
	number      int
	publication queue.Publication
	refusal     string // "" when it can be published
}

// lineReader cuts its input into lines; a line that is too long is refused and
// skipped without being held.
type lineReader struct {
	source   string
	in       *bufio.Reader
	number   int
	fallback catalog.Lane // of lines that do not say
	consumed int64        // bytes so far
}

func newLineReader(source string, in io.Reader, fallback catalog.Lane) *lineReader {
	return &lineReader{source: source, in: bufio.NewReaderSize(in, 256<<10), fallback: fallback}
}

// next returns the next line that is not blank; io.EOF at the end.
func (r *lineReader) next() (line, error) {
	for {
		text, tooLong, err := r.text()
		if err != nil {
			return line{}, err
		}
		r.number++
		if r.number == 1 {
			text = trimByteOrderMark(text)
		}
		parsed := line{source: r.source, number: r.number}
		if tooLong {
			parsed.refusal = fmt.Sprintf("the line is longer than %d bytes", maxLine)
			return parsed, nil
		}
		if text = trimBlank(text); len(text) == 0 {
			continue
		}
		parsed.publication, err = parse(text, r.fallback)
		if err != nil {
			parsed.refusal = err.Error()
		}
		return parsed, nil
	}
}

func (r *lineReader) text() (text []byte, tooLong bool, err error) {
	for {
		piece, err := r.in.ReadSlice('\n')
		r.consumed += int64(len(piece))
		if len(text)+len(piece) > maxLine {
			tooLong, text = true, nil
		}
		if !tooLong {
			text = append(text, piece...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			if len(text) == 0 && !tooLong {
				return nil, false, io.EOF
			}
			return text, tooLong, nil
		case err != nil:
			return nil, false, fmt.Errorf("reading %s: %w", legible.Text(r.source), err)
		default:
			return text, tooLong, nil
		}
	}
}

func trimByteOrderMark(text []byte) []byte {
	if len(text) >= 3 && string(text[:3]) == "\xef\xbb\xbf" {
		return text[3:]
	}
	return text
}

func trimBlank(text []byte) []byte {
	for len(text) > 0 && isBlank(text[len(text)-1]) {
		text = text[:len(text)-1]
	}
	for len(text) > 0 && isBlank(text[0]) {
		text = text[1:]
	}
	return text
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }

// parse makes the message of one line. Its errors are refusals: what the
// contract of the message rules out. What only the configuration or the platform
// can tell is left to the worker.
func parse(text []byte, fallback catalog.Lane) (queue.Publication, error) {
	if !gjson.ValidBytes(text) {
		return queue.Publication{}, errors.New("the line is not JSON")
	}
	object := gjson.ParseBytes(text)
	if !object.IsObject() {
		return queue.Publication{}, errors.New("the line is not a JSON object")
	}
	lane, body := fallback, text
	if !object.Get("specversion").Exists() { // in a CloudEvent, type means another thing
		var err error
		if lane, body, err = takeLane(object, text, fallback); err != nil {
			return queue.Publication{}, err
		}
	}
	if err := complete(lane); err != nil {
		return queue.Publication{}, err
	}
	subject, problem := queue.Subject(lane)
	if problem != nil {
		return queue.Publication{}, problem
	}
	arrival := queue.Decode(queue.Delivery{Subject: subject, Data: body})
	if arrival.Problem != nil {
		return queue.Publication{}, arrival.Problem
	}
	id := object.Get("id").String()
	if id == "" {
		fresh, err := uuid.NewV7()
		if err != nil {
			return queue.Publication{}, fmt.Errorf("making a mutation id: %w", err)
		}
		id = fresh.String()
	}
	return queue.Publication{Subject: subject, ID: id, Data: body}, nil
}

// takeLane moves account, catalog and type out of the body.
func takeLane(object gjson.Result, body []byte, lane catalog.Lane) (catalog.Lane, []byte, error) {
	members := [...]struct {
		name string
		set  func(string)
	}{
		{"account", func(v string) { lane.Account = v }},
		{"catalog", func(v string) { lane.Catalog = v }},
		{"type", func(v string) { lane.Type = catalog.Type(v) }},
		{"catalog_type", func(v string) { lane.Type = catalog.Type(v) }},
	}
	for _, member := range members {
		value := object.Get(member.name)
		if !value.Exists() {
			continue
		}
		if value.Type != gjson.String {
			return lane, nil, fmt.Errorf("%s must be text", member.name)
		}
		member.set(value.String())
		var err error
		if body, err = sjson.DeleteBytes(body, member.name); err != nil {
			return lane, nil, fmt.Errorf("taking %s out of the line: %w", member.name, err)
		}
	}
	return lane, body, nil
}

// complete checks that it is said where the line goes.
func complete(lane catalog.Lane) error {
	for _, token := range [...]struct{ name, value string }{
		{"account", lane.Account}, {"catalog", lane.Catalog}, {"type", string(lane.Type)},
	} {
		if token.value == "" {
			return fmt.Errorf("%s is missing: neither the line has it nor is there --%s", token.name, token.name)
		}
	}
	return nil
}
