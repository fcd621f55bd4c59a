package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/source/feed"
	"github.com/catalog-courier/catalog-courier/source/fetch"
	"github.com/catalog-courier/catalog-courier/source/run"
)

// opener opens the feed of a source.
type opener struct {
	fetcher *fetch.Fetcher
	feed    config.Feed
	folder  string
}

var delimiters = map[string]rune{"comma": ',', "semicolon": ';', "tab": '\t', "bar": '|', "tilde": '~'}

// open fetches the feed and begins to read it.
func (o opener) open(ctx context.Context, former string) (run.Snapshot, error) {
	file, err := o.fetcher.Fetch(ctx, former)
	if errors.Is(err, fetch.ErrUnchanged) {
		return nil, fmt.Errorf("%w: %s", run.ErrUnchanged, o.fetcher)
	}
	if err != nil {
		return nil, err
	}
	s := &snapshot{file: file}
	for _, note := range file.Notes {
		s.findings = append(s.findings, run.Finding{Kind: "FETCH", Severity: "warning", Rule: note})
	}
	s.reader, err = feed.OpenFile(file.Path, feed.Options{
		Format: feed.Format(o.feed.Format), Encoding: o.feed.Encoding, Delimiter: delimiters[o.feed.Delimiter], Quoting: feed.Quoting(o.feed.Quoting),
		Member: o.feed.Member, MaxInput: o.feed.MaxBytes, TempDir: o.folder, Finding: s.find,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", o.fetcher, err), file.Close())
	}
	return s, nil
}

// snapshot is a feed that is being read.
type snapshot struct {
	file     *fetch.File
	reader   *feed.Reader
	findings []run.Finding
}

// find keeps a finding until it is asked for, which is after each record.
func (s *snapshot) find(f feed.Finding) {
	s.findings = append(s.findings, run.Finding{
		Kind: string(f.Kind), Severity: "warning", Place: f.Place.String(), Field: f.Field, Value: f.Value, Rule: f.Rule,
	})
}

// Next implements run.Snapshot.
func (s *snapshot) Next() (run.Record, error) {
	record, err := s.reader.Next()
	if errors.Is(err, io.EOF) {
		if changed := s.file.Check(); changed != nil {
			return run.Record{}, changed
		}
	}
	if err != nil {
		return run.Record{}, err
	}
	return run.Record{Item: record.Item, Place: record.Place, Damaged: record.Damaged}, nil
}

// At implements run.Snapshot.
func (s *snapshot) At() time.Time { return s.file.At }

// Fingerprint implements run.Snapshot.
func (s *snapshot) Fingerprint() string { return s.file.Fingerprint }

// Unreadable implements run.Snapshot.
func (s *snapshot) Unreadable() int64 { return s.reader.Stats().Unreadable }

// Findings implements run.Snapshot.
func (s *snapshot) Findings() []run.Finding {
	found := s.findings
	s.findings = s.findings[:0]
	return found
}

// Bytes implements run.Snapshot.
func (s *snapshot) Bytes() int64 { return s.reader.Stats().Bytes }

// Close implements run.Snapshot.
func (s *snapshot) Close() error { return errors.Join(s.reader.Close(), s.file.Close()) }
