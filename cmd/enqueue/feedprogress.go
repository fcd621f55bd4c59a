package main

import (
	"fmt"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/source/run"
)

// runProgress shows people how far a run is. A nil *runProgress shows nothing.
type runProgress struct{ bar *progressBar }

func startRunProgress(streams cli.Streams, quiet bool) *runProgress {
	bar := startProgress(streams, quiet, 0)
	if bar == nil {
		return nil
	}
	bar.tracker.UpdateMessage("reading")
	return &runProgress{bar}
}

// progress is run.Runner's.
func (p *runProgress) progress(now run.Progress) {
	if p == nil {
		return
	}
	if now.State == persistence.RunReading {
		p.bar.tracker.UpdateMessage("read " + cli.Counted(int(now.Read), "record"))
		p.bar.tracker.SetValue(now.Bytes)
		return
	}
	p.bar.tracker.UpdateMessage(fmt.Sprintf("published %s, %d to come", cli.Counted(int(now.Published), "mutation"), now.ToCome))
}

func (p *runProgress) stop() {
	if p != nil {
		p.bar.stop()
	}
}
