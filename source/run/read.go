package run

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/source/difference"
)

// Reading is what a source has, without a look at what was sent.
type Reading struct {
	Records    int64          `json:"records"`
	Unreadable int64          `json:"unreadable"`
	Routes     []RouteReading `json:"routes"`
	Findings   []KindCount    `json:"findings"`
}

// RouteReading is what a source has for one destination.
type RouteReading struct {
	Route       string   `json:"route"`
	Valid       int64    `json:"valid"`
	Invalid     int64    `json:"invalid"`
	FilteredOut int64    `json:"filtered_out"`
	WithoutID   int64    `json:"without_id"`
	Samples     []Sample `json:"samples"`
}

// Read reads a source to its end and maps what it has. It needs no database, and sends
// nothing.
func Read(ctx context.Context, source Source, progress func(Progress)) (Reading, error) {
	snapshot, err := source.Open(ctx, "")
	if err != nil {
		return Reading{}, err
	}
	defer snapshot.Close()
	reading := Reading{Routes: make([]RouteReading, len(source.Routes))}
	for i, route := range source.Routes {
		reading.Routes[i].Route = route.String()
	}
	var found findings
	var shown time.Time
	for {
		if ctx.Err() != nil {
			return reading, context.Cause(ctx)
		}
		record, err := snapshot.Next()
		found.add(snapshot.Findings()...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return reading, err
		}
		reading.Records++
		for i, route := range source.Routes {
			mapped := route.Map(record.Item)
			found.addOf(route, record, mapped)
			reading.Routes[i].count(record, mapped)
		}
		if now := time.Now(); progress != nil && now.Sub(shown) > time.Second/5 {
			shown = now
			progress(Progress{State: persistence.RunReading, Read: reading.Records, Bytes: snapshot.Bytes()})
		}
	}
	reading.Unreadable, reading.Findings = snapshot.Unreadable(), found.list()
	return reading, nil
}

func (r *RouteReading) count(record Record, mapped Mapped) {
	switch {
	case mapped.Item.ID == "":
		r.WithoutID++
	case mapped.Skipped && !record.Damaged:
		r.FilteredOut++
	case mapped.Invalid || record.Damaged:
		r.Invalid++
	default:
		r.Valid++
		if len(r.Samples) < samplesOfRoute {
			r.Samples = append(r.Samples, Sample{Kind: difference.Added.String(), ItemID: mapped.Item.ID, Attributes: mapped.Item.Attributes})
		}
	}
}
