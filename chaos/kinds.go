package main

import (
	"time"

	"github.com/catalog-courier/catalog-courier/platform/sandbox"
)

// kindsOf are the faults of a lane; full adds those that need a disk of its own.
func kindsOf(l lane, full bool) (kinds []kind) {
	for _, k := range allKinds(full) {
		if k.lane == l {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

func allKinds(full bool) []kind {
	const second = time.Second
	kinds := []kind{
		{"worker killed", storeLane, second, killWorker},
		{"worker killed between a POST and its answer", storeLane, 2 * second, killAtPost},
		{"all workers killed", storeLane, second, killAll},
		{"worker frozen past its lease", storeLane, 4 * second, freeze},
		{"worker told to stop", storeLane, 3 * second, terminate},
		{"worker told to stop twice", storeLane, 2 * second, terminateTwice},
		{"worker joins and leaves", storeLane, 6 * second, join},
		{"Postgres crashed", storeLane, 2 * second, crashPostgres},
		{"NATS killed", storeLane, 2 * second, killNATS},
		{"NATS stopped", storeLane, 2 * second, stopNATS},
	}
	if full {
		kinds = append(kinds,
			kind{"disk of Postgres full", storeLane, 5 * second, fillPostgres},
			kind{"disk of NATS full", storeLane, 4 * second, fillNATS})
	}
	for _, behind := range []string{toNATS, toPostgres, toPlatforms} {
		kinds = append(kinds,
			kind{"connections to " + behind + " cut", networkLane, second, cut(behind)},
			kind{"connections to " + behind + " held", networkLane, 3 * second, hold(behind)},
			kind{"connections to " + behind + " slow", networkLane, 3 * second, slow(behind)},
			kind{"no connection to " + behind, networkLane, 3 * second, refuse(behind)})
	}
	both, pinterest, meta := []string{pinterestSite, metaSite}, []string{pinterestSite}, []string{metaSite}
	for _, trouble := range []struct {
		name  string
		sites []string
		plan  []sandbox.PlannedFault
	}{
		// Meta tells a minute at least, and a worker that is told nothing waits longer
		// than a trial: there some catalogs are hit, and always with a word.
		{"storm of 429", pinterest, every(0.7, sandbox.RateLimited)},
		{"storm of 429 without a word when", pinterest, every(0.5, sandbox.RateLimitedSilent)},
		{"quota of some catalogs used up", meta, every(0.05, sandbox.RateLimited)},
		{"storm of 5xx", both, append(every(0.4, sandbox.ServerError), posts(0.2, sandbox.ServerErrorAfter)...)},
		{"platform breaks connections", both, append(every(0.3, sandbox.Reset), every(0.3, sandbox.ResetAfter)...)},
		{"platform hangs", both, every(1, sandbox.Hang)},
		{"batches applied late and out of order", both, posts(0.4, sandbox.Hang)},
		{"answers that are not JSON", both, append(every(0.3, sandbox.HTML), every(0.3, sandbox.Truncated)...)},
		{"handles lost", both, polls(0.4, sandbox.LostHandle)},
		{"unknown states", both, polls(0.5, sandbox.UnknownStatus)},
		{"items missing in the answer", pinterest, polls(0.5, sandbox.OmitFirst)},
		{"batches skipped as repeats", pinterest, posts(0.5, sandbox.SkipBatch)},
	} {
		kinds = append(kinds, kind{trouble.name, platformLane, 3 * second, misbehave(trouble.sites, trouble.plan)})
	}
	return append(kinds, kind{"token revoked and renewed", platformLane, 3 * second, revoke})
}

func posts(rate float64, what sandbox.FaultKind) []sandbox.PlannedFault {
	return []sandbox.PlannedFault{{Call: sandbox.Submit, Fault: sandbox.Fault{Kind: what, Duration: time.Second}, Rate: rate}}
}

func polls(rate float64, what sandbox.FaultKind) []sandbox.PlannedFault {
	return []sandbox.PlannedFault{{Call: sandbox.Poll, Fault: sandbox.Fault{Kind: what, Duration: time.Second}, Rate: rate}}
}

func every(rate float64, what sandbox.FaultKind) []sandbox.PlannedFault {
	return append(posts(rate, what), polls(rate, what)...)
}
