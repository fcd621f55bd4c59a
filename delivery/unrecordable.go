package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// errNoLetter says that not even the least dead letter can be written, though the store
// takes others: the partition must not pass the message.
var errNoLetter = errors.New("no dead letter can be written")

// deadLetter makes a dead letter of a mutation that is refused: the fullest that the store
// takes. before is what was wrong with it already.
func (s *search) deadLetter(ctx context.Context, m *catalog.Mutation, before *catalog.Problem) error {
	said := s.said
	for _, f := range formsOf(m, s.cfg.Lease.Partition) {
		letter := ledger.InvalidMutation{Mutation: f.mutation, Problem: f.problem(m, said, before)}
		refused, err := s.refuses(ctx, &ledger.Transaction{
			ID: uuid.New(), Partition: s.tx.Partition, Invalid: []ledger.InvalidMutation{letter},
		})
		if err != nil {
			return err
		}
		if !refused {
			s.letters = append(s.letters, letter)
			s.found.gone[m] = true
			return nil
		}
	}
	return errNoLetter
}

// form is a mutation as it may be written in place of one that is refused.
type form struct {
	mutation *catalog.Mutation
	plain    bool   // texts are ASCII
	missing  string // what of the message is not in it, for people
}

// formsOf lists what can be written of a mutation, the fullest first: all of it; its
// texts as ASCII; no message; digests in place of one id or both; the same without the
// message; and at last in a lane of its own.
func formsOf(m *catalog.Mutation, partition int) []form {
	whole := *m
	plain := *m
	plain.ID, plain.ItemID = plainID(m.ID), plainID(m.ItemID)
	plain.Localization = catalog.Localization{Type: plainID(m.Localization.Type), Value: plainID(m.Localization.Value)}
	plain.Message.Subject = ascii(m.Message.Subject, maxPlain)
	plain.Message.Headers = plainHeaders(m.Message.Headers)
	plain.Warnings = nil
	if m.RecordedOn.IsZero() {
		plain.ReceivedAt = time.Now() // what it says may be what is refused
	}
	noItem := plain
	noItem.ItemID, noItem.Localization = digest(m.ItemID), catalog.Localization{}
	noID := plain
	noID.ID = digest(m.ID)
	neither := noItem
	neither.ID = noID.ID
	forms := []form{
		{mutation: &whole},
		{mutation: &plain, plain: true},
		{mutation: withoutMessage(plain), plain: true, missing: "its message"},
		{mutation: &noItem, plain: true, missing: "its item_id"},
		{mutation: &noID, plain: true, missing: "its id"},
		{mutation: &neither, plain: true, missing: "its ids"},
		{mutation: withoutMessage(noItem), plain: true, missing: "its item_id and its message"},
		{mutation: withoutMessage(neither), plain: true, missing: "its ids and its message"},
	}
	if m.RecordedOn.IsZero() { // its row is where it belongs otherwise
		elsewhere := withoutMessage(neither)
		elsewhere.Lane = otherLane(partition)
		elsewhere.Position.Generation = min(elsewhere.Position.Generation, math.MaxInt32)
		elsewhere.Position.Sequence = min(elsewhere.Position.Sequence, math.MaxInt64)
		forms = append(forms, form{mutation: elsewhere, plain: true, missing: "its catalog, its ids and its message"})
	}
	return forms
}

// otherLane is where messages are noted that cannot be where they belong, for each
// partition its own.
func otherLane(partition int) catalog.Lane {
	return catalog.Lane{Account: "unrecordable", Catalog: "partition-" + strconv.Itoa(partition), Type: "UNRECORDABLE"}
}

// problem says why the form is what is left of m.
func (f *form) problem(m *catalog.Mutation, said string, before *catalog.Problem) catalog.Problem {
	p := catalog.Problem{Reason: catalog.Unrecordable, Text: "the database refuses to record this change: " + said}
	if f.missing != "" {
		p.Text += fmt.Sprintf("; %s cannot be kept either, but message %d of the stream has all of it until it is trimmed (%s, %d bytes)",
			f.missing, m.Position.Sequence, digest(string(m.Message.Data)), len(m.Message.Data))
	}
	if before != nil && f.missing == "" {
		p.Others = append([]catalog.Problem{{Reason: before.Reason, Field: before.Field, Text: before.Text}}, before.Others...)
	}
	if f.plain {
		p.Text = ascii(p.Text, maxPlain)
		for i := range p.Others {
			p.Others[i].Field, p.Others[i].Text = ascii(p.Others[i].Field, maxPlain), ascii(p.Others[i].Text, maxPlain)
		}
	}
	return p
}

// digest stands for an id or a message that cannot be written.
func digest(text string) string {
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// withoutMessage leaves the message out.
func withoutMessage(m catalog.Mutation) *catalog.Mutation {
	m.Message = catalog.Message{Subject: m.Message.Subject, Lost: max(int64(len(m.Message.Data)), 1)}
	m.Attributes = nil
	return &m
}

// maxPlain is the longest text, in bytes, of what replaces one that is refused: an
// index takes no more than 2,704.
const maxPlain = 2000

// plainID is an id in ASCII; its digest where that is too long.
func plainID(id string) string {
	if plain := ascii(id, math.MaxInt); len(plain) <= maxPlain {
		return plain
	}
	return digest(id)
}

// plainHeaders replaces what of the headers goes into a column of text.
func plainHeaders(headers []catalog.Header) []catalog.Header {
	plain := make([]catalog.Header, len(headers))
	for i, h := range headers {
		if strings.EqualFold(h.Name, "Nats-Msg-Id") && ascii(h.Value, math.MaxInt) != h.Value {
			h.Value = ledger.MessageIDDigest(h.Value)
		}
		plain[i] = h
	}
	return plain
}

// ascii escapes what is not printable ASCII, and cuts what is too long.
func ascii(text string, longest int) string {
	var b strings.Builder
	for _, r := range text {
		if b.Len() >= longest {
			b.WriteString("...")
			break
		}
		switch {
		case r >= ' ' && r <= '~':
			b.WriteByte(byte(r))
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}
