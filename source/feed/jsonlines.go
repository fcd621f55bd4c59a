package feed

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// objects reads objects a line, or one after the other where the first one takes several
// lines.
func (s *session) objects(text *bufio.Reader, start []byte) source {
	first, rest, more := bytes.Cut(start, []byte("\n"))
	first = bytes.TrimSpace(first)
	if more && !json.Valid(first) && !bytes.HasPrefix(bytes.TrimSpace(rest), []byte("{")) {
		limit := &budget{from: text, left: s.tokenLimit()}
		decoder := json.NewDecoder(limit)
		decoder.UseNumber()
		return &jsonStream{jsonArray{session: s, decoder: decoder, budget: limit}}
	}
	return &jsonLines{session: s, text: text}
}

// jsonStream reads objects one after the other, whatever is between them.
type jsonStream struct{ jsonArray }

func (j *jsonStream) next() (Record, error) {
	for {
		j.budget.left = j.session.tokenLimit()
		var value any
		err := j.decoder.Decode(&value)
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return Record{}, io.EOF
		}
		j.count++
		if err != nil {
			return Record{}, j.broken(err)
		}
		if record, ok := j.session.object(value, Place{Record: j.count}); ok {
			return record, nil
		}
	}
}

// jsonLines reads one object a line. A line that is none costs that line.
type jsonLines struct {
	session *session
	text    *bufio.Reader
	line    int64
	count   int64
	bad     int64
}

func (j *jsonLines) next() (Record, error) {
	for {
		raw, whole, err := j.read()
		if err != nil && !errors.Is(err, io.EOF) {
			return Record{}, caused(ErrRead, Place{Line: j.line}, err, "fetch the feed again")
		}
		last := err != nil
		raw = bytes.TrimSpace(raw)
		if len(raw) > 0 {
			record, ok, err := j.parse(raw, whole, last)
			if ok || err != nil {
				return record, err
			}
		}
		if last {
			if j.bad > 0 && j.bad == j.count {
				return Record{}, failAt(ErrMalformed, Place{Line: 1}, fmt.Sprintf("none of its %d lines is a JSON object", j.count), "write one object a line, or one array")
			}
			return Record{}, io.EOF
		}
	}
}

// parse reads one line. The last line of a feed that was cut off is half an object
// without a line end.
func (j *jsonLines) parse(raw []byte, whole, last bool) (Record, bool, error) {
	j.count++
	place := Place{Line: j.line, Record: j.count}
	if !whole {
		j.unreadable(KindTooLong, place, raw, "the line is longer than the limit: it was passed over")
		return Record{}, false, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	err := decoder.Decode(&value)
	if err == nil {
		if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more after the object")
		}
	}
	if err != nil {
		if last && errors.Is(err, io.ErrUnexpectedEOF) {
			return Record{}, false, caused(ErrTruncated, place, err, "the last line is half an object: fetch or write the feed again")
		}
		j.unreadable(KindLine, place, raw, "a line is one JSON object: it was passed over ("+err.Error()+")")
		return Record{}, false, nil
	}
	if _, ok := value.(map[string]any); !ok {
		j.bad++
	}
	record, ok := j.session.object(value, place)
	return record, ok, nil
}

func (j *jsonLines) unreadable(kind Kind, place Place, raw []byte, rule string) {
	j.bad++
	j.session.stats.Unreadable++
	j.session.find(kind, place, "", string(raw[:min(len(raw), 1024)]), rule)
}

// read returns the next line. Of one over the limit it returns the beginning, and false.
func (j *jsonLines) read() ([]byte, bool, error) {
	j.line++
	var line []byte
	whole := true
	for {
		part, err := j.text.ReadSlice('\n')
		if room := j.session.options.MaxRecord - len(line); len(part) > room {
			whole = false
			part = part[:max(room, 0)]
		}
		line = append(line, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return line, whole, err
	}
}
