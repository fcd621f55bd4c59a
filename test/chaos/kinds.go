package main

import (
	"time"

	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

// kindsOf are the faults of a track; full adds those that need a disk of its own.
func kindsOf(t track, full bool) (kinds []kind) {
	for _, k := range allKinds(full) {
		if k.track == t {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

func allKinds(full bool) []kind {
	const second = time.Second
	kinds := []kind{
		{"worker killed", storeTrack, second, killWorker, 0},
		{"worker killed between a POST and its answer", storeTrack, 2 * second, killAtPost, 0},
		{"all workers killed", storeTrack, second, killAll, 0},
		{"worker frozen past its lease", storeTrack, 4 * second, freeze, 0},
		{"worker told to stop", storeTrack, 3 * second, terminate, 0},
		{"worker told to stop twice", storeTrack, 2 * second, terminateTwice, 0},
		{"worker joins and leaves", storeTrack, 6 * second, join, 0},
		{"worker with a wrong clock joins and leaves", storeTrack, 8 * second, joinWithClock, 0},
		{"Postgres crashed", storeTrack, 2 * second, crashPostgres, 0},
		{"Postgres fails over to a standby that is behind", storeTrack, 8 * second, failOverBehind, 0},
		{"Postgres fails over to a synchronous standby", storeTrack, 5 * second, failOverInTime, 0},
		{"NATS killed", storeTrack, 2 * second, killNATS, 0},
		{"NATS stopped", storeTrack, 2 * second, stopNATS, 0},
	}
	if full {
		kinds = append(kinds,
			kind{"disk of Postgres full", storeTrack, 5 * second, fillPostgres, 0},
			kind{"disk of NATS full", storeTrack, 4 * second, fillNATS, 0})
	}
	for _, behind := range []string{toNATS, toPostgres, toPlatforms} {
		kinds = append(kinds,
			kind{"connections to " + behind + " cut", networkTrack, second, cut(behind), 0},
			kind{"connections to " + behind + " held", networkTrack, 3 * second, hold(behind), 0},
			kind{"connections to " + behind + " slow", networkTrack, 3 * second, slow(behind), 0},
			kind{"no connection to " + behind, networkTrack, 3 * second, refuse(behind), 0})
	}
	both, pinterest, meta := []string{pinterestSite, metaSite}, []string{pinterestSite}, []string{metaSite}
	for _, trouble := range []struct {
		name  string
		sites []string
		plan  []sandbox.PlannedFault
		after time.Duration
	}{
		// Meta tells a minute at least, and a worker that is told nothing waits longer
		// than a run: there some catalogs are hit, and always with a word.
		{"storm of 429", pinterest, every(0.7, sandbox.RateLimited), 0},
		{"storm of 429 without a word when", pinterest, every(0.5, sandbox.RateLimitedSilent), 0},
		{"quota of some catalogs used up", meta, every(0.05, sandbox.RateLimited), time.Minute},
		{"storm of 5xx", both, append(every(0.4, sandbox.ServerError), posts(0.2, sandbox.ServerErrorAfter)...), 0},
		{"platform breaks connections", both, append(every(0.3, sandbox.Reset), every(0.3, sandbox.ResetAfter)...), 0},
		{"platform hangs", both, every(1, sandbox.Hang), 0},
		{"batches applied late and out of order", both, posts(0.4, sandbox.Hang), 0},
		{"answers that are not JSON", both, append(every(0.3, sandbox.HTML), every(0.3, sandbox.Truncated)...), 0},
		{"handles lost", both, polls(0.4, sandbox.LostHandle), 0},
		{"unknown states", both, polls(0.5, sandbox.UnknownStatus), 0},
		{"items missing in the answer", pinterest, polls(0.5, sandbox.OmitFirst), 0},
		{"batches skipped as repeats", pinterest, posts(0.5, sandbox.SkipBatch), 0},
		{"batches fail as a whole", both, posts(0.5, sandbox.FailBatch), 0},
		{"no handle, and one item named", meta, posts(0.3, sandbox.EmptyHandles), 0},
		{"accounts blocked for spam", both, every(0.2, sandbox.SpamBlocked), 15 * second},
	} {
		kinds = append(kinds, kind{trouble.name, platformTrack, 3 * second, misbehave(trouble.sites, trouble.plan), trouble.after})
	}
	return append(kinds,
		kind{"all tokens revoked for a while", platformTrack, 3 * second, revoke, 15 * second},
		kind{"access token revoked, another has to be asked for", platformTrack, second, revokeIssued, 75 * second})
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
