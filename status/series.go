package status

import (
	"context"
	"fmt"
	"time"

	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/status/internal/query"
)

// Point is what happened to the mutations of an account in one step of a series.
type Point struct {
	At time.Time `json:"at"` // when the step begins
	// Arrived were received in the step. They are counted once they are final.
	Arrived   int64 `json:"arrived"`
	Succeeded int64 `json:"succeeded"`
	// Failed failed, are unconfirmed or invalid.
	Failed int64 `json:"failed"`
}

// QuotaPoint is what was left of one quota of an account at the worst moment of a step.
type QuotaPoint struct {
	At    time.Time `json:"at"`
	Scope string    `json:"scope"`
	// Remaining of Limit calls; nil where the platform tells a percentage.
	Remaining *int64 `json:"remaining,omitempty"`
	Limit     *int64 `json:"limit,omitempty"`
	// UsedPercent is nil where the platform tells calls.
	UsedPercent *float64 `json:"used_percent,omitempty"`
}

// maxPoints bounds a series.
const maxPoints = 10_000

// SeriesSteps are the steps that a series may have, the shortest first.
func SeriesSteps() []time.Duration {
	return []time.Duration{persistence.SeriesStep, 15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour}
}

// Series reads what happened from a time on and before another, in steps of at least five
// minutes; account "" means all together. Steps in which nothing happened are left out. What
// it reads is kept for as long as mutations are.
func (r *Reader) Series(ctx context.Context, account string, from, to time.Time, step time.Duration) ([]Point, error) {
	seconds, err := stepSeconds(step)
	if err != nil {
		return nil, err
	}
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	rows, err := r.query.Series(ctx, query.SeriesParams{Step: seconds, Account: account, FromTime: from, ToTime: to, Lim: maxPoints})
	if err != nil {
		return nil, read("the series of mutations", err)
	}
	points := make([]Point, len(rows))
	for i, row := range rows {
		points[i] = Point{At: row.At, Arrived: row.Arrived, Succeeded: row.Succeeded, Failed: row.Failed}
	}
	return points, nil
}

// Quotas reads what was left of the quotas of an account over time. Of more than two days
// ago there is one point an hour.
func (r *Reader) Quotas(ctx context.Context, account string, from, to time.Time, step time.Duration) ([]QuotaPoint, error) {
	seconds, err := stepSeconds(step)
	if err != nil {
		return nil, err
	}
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	rows, err := r.query.QuotaSeries(ctx, query.QuotaSeriesParams{Step: seconds, Account: account, FromTime: from, ToTime: to, Lim: maxPoints})
	if err != nil {
		return nil, read("the series of quotas", err)
	}
	points := make([]QuotaPoint, len(rows))
	for i, row := range rows {
		points[i] = QuotaPoint{At: row.At, Scope: row.Scope}
		if row.HasRemaining {
			points[i].Remaining, points[i].Limit = &row.Remaining, &row.QuotaLimit
		}
		if row.HasPercent {
			points[i].UsedPercent = &row.UsedPercent
		}
	}
	return points, nil
}

func stepSeconds(step time.Duration) (float64, error) {
	if step < persistence.SeriesStep || step%persistence.SeriesStep != 0 {
		return 0, fmt.Errorf("a step of %s: it must be a multiple of %s", step, persistence.SeriesStep)
	}
	return step.Seconds(), nil
}
