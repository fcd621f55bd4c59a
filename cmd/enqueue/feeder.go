package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/catalog-courier/catalog-courier/legible"
	"github.com/catalog-courier/catalog-courier/queue"
)

// maxHeld bounds the bytes held before they are published.
const maxHeld = 8 << 20

// feeder publishes lines in batches, in order, within bounded memory.
type feeder struct {
	publisher publisher
	report    *summary
	shown     *progressBar

	batch []queue.Publication
	lines []place // of batch
	held  int
}

// place is where a line stands.
type place struct {
	source string
	number int
}

// consume publishes the lines of a reader; the last of them stay for flush.
func (f *feeder) consume(ctx context.Context, lines *lineReader) error {
	for {
		before := lines.consumed
		next, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		f.shown.read(lines.consumed - before)
		if next.refusal != "" {
			f.report.refuse(place{next.source, next.number}, next.refusal)
			continue
		}
		f.batch = append(f.batch, next.publication)
		f.lines = append(f.lines, place{next.source, next.number})
		f.held += len(next.publication.Data)
		if len(f.batch) == queue.MaxBatch || f.held >= maxHeld {
			if err := f.flush(ctx); err != nil {
				return err
			}
		}
	}
}

// flush publishes what is held.
func (f *feeder) flush(ctx context.Context) error {
	if len(f.batch) == 0 {
		return nil
	}
	results, err := f.publisher.Publish(ctx, f.batch)
	for i, result := range results {
		switch {
		case result.Outcome == queue.Stored:
			f.report.Published++
		case result.Outcome == queue.Duplicate:
			f.report.Duplicate++
		case err == nil || !errors.Is(err, result.Err):
			f.report.refuse(f.lines[i], result.Err.Error())
		default:
			f.report.Unknown++
		}
	}
	if err != nil {
		first := f.lines[0]
		return fmt.Errorf("publishing stopped in the batch that begins with %s:%d: %w", legible.Text(first.source), first.number, err)
	}
	f.shown.published(f.report.Published + f.report.Duplicate)
	clear(f.batch)
	f.batch, f.lines, f.held = f.batch[:0], f.lines[:0], 0
	return nil
}
