package main

import (
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
)

// progressBar shows people how far it is. A nil *progressBar shows nothing.
type progressBar struct {
	writer  progress.Writer
	tracker *progress.Tracker
	drawing sync.WaitGroup
}

// startProgress draws only on a terminal. total is in bytes; 0 when unknown.
func startProgress(streams cli.Streams, quiet bool, total int64) *progressBar {
	if quiet || !cli.Terminal(streams.Err) {
		return nil
	}
	p := &progressBar{writer: progress.NewWriter(), tracker: &progress.Tracker{Message: "publishing", Total: total, Units: progress.UnitsBytes}}
	p.writer.SetOutputWriter(cli.Raw(streams.Err)) // it draws; nothing of it comes from outside
	p.writer.SetUpdateFrequency(200 * time.Millisecond)
	if streams.Colour() {
		p.writer.SetStyle(progress.StyleDefault)
		p.writer.Style().Colors = progress.StyleColorsExample
	}
	p.writer.AppendTracker(p.tracker)
	p.drawing.Go(p.writer.Render)
	return p
}

func (p *progressBar) read(bytes int64) {
	if p != nil {
		p.tracker.Increment(bytes)
	}
}

func (p *progressBar) published(count int) {
	if p != nil {
		p.tracker.UpdateMessage("published " + counted(count))
	}
}

func (p *progressBar) stop() {
	if p == nil {
		return
	}
	p.tracker.MarkAsDone()
	p.writer.Stop()
	p.drawing.Wait()
}

// counted writes a number with thin gaps: 12 345.
func counted(count int) string {
	digits := []byte{}
	for place := 0; count > 0 || place == 0; place++ {
		if place > 0 && place%3 == 0 {
			digits = append(digits, ' ')
		}
		digits = append(digits, byte('0'+count%10))
		count /= 10
	}
	for i, j := 0, len(digits)-1; i < j; i, j = i+1, j-1 {
		digits[i], digits[j] = digits[j], digits[i]
	}
	return string(digits)
}
