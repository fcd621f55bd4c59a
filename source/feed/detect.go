package feed

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// open finds out what the input is.
func (s *session) open(in io.Reader) (*Reader, error) {
	raw, err := s.unpack(in)
	if err != nil {
		return nil, err
	}
	head, err := raw.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(bytes.TrimSpace(head)) == 0 {
		head, err = raw.Peek(peekSize)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if len(bytes.TrimSpace(head)) == 0 {
			return nil, fail(ErrNotAFeed, "it is empty", "check the export: an empty feed is never taken for a catalog without items")
		}
	}
	if bytes.HasPrefix(head, magicParquet) {
		return s.openParquet(raw)
	}
	for _, other := range others {
		if bytes.HasPrefix(head, []byte(other.magic)) {
			return nil, fail(ErrNotAFeed, other.what, other.do)
		}
	}
	text, err := s.decode(raw)
	if err != nil {
		return nil, err
	}
	return s.openText(text)
}

func (s *session) openText(text *bufio.Reader) (*Reader, error) {
	for { // joined files have a byte order mark each; encoders of UTF-16 and UTF-32 leave one
		mark, err := text.Peek(3)
		if err != nil || string(mark) != "\ufeff" {
			break
		}
		_, _ = text.Discard(len(mark))
	}
	head, err := text.Peek(peekSize)
	if err != nil && !errors.Is(err, io.EOF) && len(head) == 0 {
		return nil, err
	}
	start := bytes.TrimSpace(head)
	if len(start) == 0 {
		return nil, fail(ErrNotAFeed, "it is empty", "check the export: an empty feed is never taken for a catalog without items")
	}
	switch start[0] {
	case '<':
		if page(start) {
			return nil, fail(ErrNotAFeed, "it is an HTML page"+title(start), "open the address in a browser: a login, an error or a moved file answers with a page")
		}
		return s.openXML(text)
	case '{', '[':
		return s.openJSON(text, start)
	default:
		return s.openTable(text)
	}
}

var (
	htmlStart = regexp.MustCompile(`(?i)^(<\?xml[^>]*\?>\s*)?(<!--.*?-->\s*)*(<!doctype\s+html|<html|<head|<body|<script|<meta|<style|<center|<br|<p|<h1|<div|<b)[\s/>]`)
	htmlTitle = regexp.MustCompile(`(?is)<title[^>]*>\s*(.{1,200}?)\s*</title>`)
)

// page recognizes what web servers send instead of a file.
func page(start []byte) bool { return htmlStart.Match(start[:min(len(start), 4096)]) }

func title(start []byte) string {
	if found := htmlTitle.FindSubmatch(start[:min(len(start), 8192)]); found != nil {
		return " with the title " + legible.Clip(strings.Join(strings.Fields(string(found[1])), " "), 80)
	}
	return ""
}
