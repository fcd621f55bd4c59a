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
		p.tracker.UpdateMessage("published " + cli.Counted(count, "line"))
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
