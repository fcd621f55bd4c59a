package publish

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/rawjson"
	"github.com/catalog-courier/catalog-courier/message"
)

// DefaultPackLines is how many mutations travel in one message unless [Options.PackLines] says
// otherwise. With more of them the cost of a mutation hardly falls any further.
const DefaultPackLines = 500

// minPackLines is from how many mutations on a pack is made: fewer gain little, and a message
// of its own has an id of its own, which the stream drops repeats by.
const minPackLines = 8

// packBytes is from how many bytes on a pack takes no further mutation, before it is
// compressed: below what a NATS server takes unless it is told otherwise.
const packBytes = 512 << 10

// InPacks puts publications into messages as [Publisher.Publish] does: eight or more of one
// subject that follow each other travel in packs of up to so many lines, fewer where lines are less. counts says how many publications
// each message carries. Their ids have to be set. What cannot be a line of a pack
// stays a message of its own: it has headers, or another id in its body than the message's, or is no
// JSON.
func InPacks(publications []Publication, lines int) (messages []Publication, counts []int) {
	p := packing{lines: lines, bytes: packBytes}
	emit := func(sent Publication, parts []Publication) {
		messages, counts = append(messages, sent), append(counts, max(len(parts), 1))
	}
	for i := range publications {
		p.add(&publications[i], emit)
	}
	p.flush(emit)
	return messages, counts
}

// packing is a pack that is being filled.
type packing struct {
	lines, bytes int

	parts []Publication
	text  []byte
	ids   hash.Hash
}

// add puts a publication into the pack. Where it does not fit, the pack goes first.
func (p *packing) add(publication *Publication, emit func(sent Publication, parts []Publication)) {
	if n := len(p.parts); n > 0 && (n >= p.lines || len(p.text) >= p.bytes || publication.Subject != p.parts[0].Subject) {
		p.flush(emit)
	}
	if p.lines <= 1 || len(publication.Headers) > 0 || len(publication.Data) > p.bytes {
		p.flush(emit)
		emit(*publication, nil)
		return
	}
	before := len(p.text)
	text, ok := appendLine(p.text, publication)
	if !ok {
		p.flush(emit)
		emit(*publication, nil)
		return
	}
	if len(p.parts) > 0 && len(text) > p.bytes {
		p.text = text[:before]
		p.flush(emit)
		text, _ = appendLine(p.text, publication)
	}
	if p.text = text; len(p.parts) == 0 {
		if p.ids == nil {
			p.ids = sha256.New()
		}
		p.ids.Reset()
		p.hash(publication.Subject)
	}
	p.hash(publication.ID)
	p.parts = append(p.parts, *publication)
}

func (p *packing) hash(text string) {
	_, _ = p.ids.Write(append([]byte(text), 0))
}

// flush sends what is in the pack, as plain messages where that is little.
func (p *packing) flush(emit func(sent Publication, parts []Publication)) {
	if len(p.parts) < min(minPackLines, max(p.lines, 2)) {
		for i := range p.parts {
			emit(p.parts[i], nil)
		}
	} else {
		// The same mutations have the same id again, so that the stream drops a repeat.
		emit(Publication{
			Subject: p.parts[0].Subject, ID: "pack-" + hex.EncodeToString(p.ids.Sum(nil)[:16]),
			Headers: []catalog.Header{
				{Name: "Content-Type", Value: message.PackContentType}, {Name: "Content-Encoding", Value: message.PackEncoding},
			},
			Data: message.CompressPack(p.text),
		}, p.parts)
	}
	p.parts, p.text = nil, p.text[:0]
}

// appendLine appends a publication to the text of a pack; ok is false where it would not be
// the same mutation there. A body without an id gets that of its message.
func appendLine(text []byte, p *Publication) (_ []byte, ok bool) {
	if p.ID == "" {
		return text, false
	}
	body := rawjson.View(p.Data)
	scan := rawjson.Scan(body)
	named, first := false, true
	for {
		name, value, more := scan.Member()
		if !more {
			break
		}
		first = false
		switch name.Text() {
		case "id":
			if named || value.Kind != rawjson.String || value.Text() != p.ID {
				return text, false
			}
			named = true
		case "specversion":
			return text, false // an event says itself what its id is
		}
	}
	if scan.Fault() != rawjson.None || first {
		return text, false
	}
	if named {
		return message.AppendLine(text, p.Data)
	}
	inside := rawjson.Inside(p.Data)
	line := append(make([]byte, 0, len(p.Data)+len(p.ID)+16), `{"id":`...)
	line = append(rawjson.AppendString(line, p.ID), ',')
	line = append(append(line, inside...), '}')
	return message.AppendLine(text, line)
}
