package main

import (
	"fmt"
	"hash/maphash"

	"github.com/catalog-courier/catalog-courier/publish"
)

// maxIDs bounds the ids that are remembered; past it remembering starts again. It is
// some 10 MB.
const maxIDs = 1 << 18

// ids finds lines that have the id of an earlier line and other content: the stream keeps
// the first message of an id and drops the others for two minutes, whatever their account.
type ids struct {
	seed maphash.Seed
	seen map[uint64]firstLine
}

type firstLine struct {
	content uint64
	source  string
	number  int
}

// clash says which earlier line has the id of a publication and other content, "" when none
// has. The same line twice is a repeat, which the stream drops without loss.
func (s *ids) clash(p *publish.Publication, at place) string {
	if at.fresh || p.ID == "" {
		return ""
	}
	if s.seen == nil || len(s.seen) >= maxIDs {
		s.seed, s.seen = maphash.MakeSeed(), map[uint64]firstLine{}
	}
	var h maphash.Hash
	h.SetSeed(s.seed)
	_, _ = h.WriteString(p.Subject)
	_ = h.WriteByte(0)
	_, _ = h.Write(p.Data)
	id, content := maphash.String(s.seed, p.ID), h.Sum64()
	first, known := s.seen[id]
	switch {
	case !known:
		s.seen[id] = firstLine{content, at.source, at.number}
	case first.content != content:
		return fmt.Sprintf("its id %q is that of %s and its content is another: the stream would drop it. Each change needs an id of its own, also across accounts",
			p.ID, place{source: first.source, number: first.number})
	}
	return ""
}
