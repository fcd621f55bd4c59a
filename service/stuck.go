package service

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

const (
	// stuckAfter is for how long nothing of a partition can be recorded before the worker
	// is not ready any more.
	stuckAfter = time.Minute
	// worksAfter is how long a partition that had stopped must go on before it counts as
	// working, where it has nothing to record.
	worksAfter = 30 * time.Second
)

// errStuck says that partitions make no progress.
var errStuck = errors.New("nothing can be recorded")

// whyStopped says what was wrong with a partition that stopped: what the database said,
// or that the log has it.
func whyStopped(err error) string {
	var said interface{ SQLState() string }
	if errors.As(err, &said) || errors.Is(err, ledger.ErrRejected) || errors.Is(err, ledger.ErrSlow) {
		return delivery.Words(err)
	}
	return "it stops again and again, and the log says why"
}

// failed notes that a partition stopped and is going to be resumed.
func (o *observer) failed(partition int, why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	gauges := o.partitions[partition]
	if gauges.failing.IsZero() {
		gauges.failing = time.Now()
	}
	if !gauges.TroubleSince.IsZero() && gauges.TroubleSince.Before(gauges.failing) {
		gauges.failing = gauges.TroubleSince
	}
	gauges.TroubleSince, gauges.why = time.Time{}, why
	o.partitions[partition] = gauges
}

// works notes that something of the partition was recorded.
func (o *observer) works(partition int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	gauges := o.partitions[partition]
	gauges.failing, gauges.TroubleSince = time.Time{}, time.Time{}
	o.partitions[partition] = gauges
}

// stuck is an error that names the partitions, at most a few, of which nothing could be
// recorded for stuckAfter, and why not. It holds no secret.
func (o *observer) stuck(now time.Time) error {
	const named = 4
	o.mu.Lock()
	defer o.mu.Unlock()
	var stuck []int
	since, why := now, ""
	for partition, gauges := range o.partitions {
		began, said := gauges.failing, gauges.why
		if began.IsZero() || !gauges.TroubleSince.IsZero() && gauges.TroubleSince.Before(began) {
			began, said = gauges.TroubleSince, gauges.Trouble
		}
		if began.IsZero() || now.Sub(began) < stuckAfter {
			continue
		}
		stuck = append(stuck, partition)
		if began.Before(since) {
			since, why = began, said
		}
	}
	if len(stuck) == 0 {
		return nil
	}
	slices.Sort(stuck)
	return fmt.Errorf("%w of %d partitions (such as %v) for %s: %s", errStuck, len(stuck), stuck[:min(len(stuck), named)],
		now.Sub(since).Round(time.Second), why)
}
