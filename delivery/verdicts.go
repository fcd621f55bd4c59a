package delivery

import (
	"slices"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
)

// verdicts puts together what is known of each record: within one POST the worst
// answer counts, because its handles may share the batch out between them; of
// several POSTs the best counts, because each carried the same content.
func (f *openBatch) verdicts() (verdicts []platform.Verdict, incomplete bool) {
	verdicts = make([]platform.Verdict, len(f.batch.Records))
	for _, p := range f.posts {
		worst, known, cut := f.worstOf(p)
		incomplete = incomplete || cut
		for i := range verdicts {
			if !known {
				continue
			}
			if standing(worst[i].Outcome) > standing(verdicts[i].Outcome) || isBlank(verdicts[i]) {
				verdicts[i] = worst[i]
			}
		}
	}
	return verdicts, incomplete
}

func (f *openBatch) worstOf(p post) (worst []platform.Verdict, known, incomplete bool) {
	worst = make([]platform.Verdict, len(f.batch.Records))
	if p.final {
		copy(worst, p.notes) // a new owner has none of which nothing was said
		return worst, true, false
	}
	said := make([]bool, len(worst))
	take := func(i int, v platform.Verdict) {
		warnings := worst[i].Warnings
		if len(v.Warnings) > 0 {
			warnings = slices.Concat(warnings, v.Warnings)
		}
		if !said[i] || gravity(v.Outcome) > gravity(worst[i].Outcome) {
			worst[i], said[i] = v, true
		}
		worst[i].Warnings = warnings
	}
	for _, h := range f.handles {
		if h.attempt != p.number {
			continue
		}
		known = true
		incomplete = incomplete || h.incomplete
		for i := range worst {
			if h.verdicts == nil {
				take(i, platform.Verdict{}) // the handle led nowhere
				continue
			}
			take(i, h.verdicts[i])
		}
	}
	for i, note := range p.notes {
		switch {
		case note.Outcome != platform.Unknown:
			take(i, note)
		case len(note.Errors) > 0: // doubt, see platform.Submission
			take(i, note)
			incomplete = true
		case len(note.Warnings) > 0:
			worst[i].Warnings = slices.Concat(worst[i].Warnings, note.Warnings)
		}
	}
	return worst, known, incomplete
}

// isBlank reports that a verdict has no outcome and no words.
func isBlank(v platform.Verdict) bool {
	return v.Outcome == platform.Unknown && len(v.Errors)+len(v.Warnings) == 0
}

// gravity orders outcomes within one POST.
func gravity(o platform.Outcome) int {
	return [...]int{platform.Succeeded: 1, platform.Unknown: 2, platform.Retryable: 3, platform.Skipped: 4, platform.Failed: 5}[o]
}

// standing orders outcomes between POSTs of the same content.
func standing(o platform.Outcome) int {
	return [...]int{platform.Unknown: 0, platform.Skipped: 1, platform.Retryable: 2, platform.Failed: 3, platform.Succeeded: 4}[o]
}

// explained is a verdict that says why nothing is known of a record: where the answers
// say nothing of it, what became of the batch does.
func (f *openBatch) explained(v platform.Verdict) platform.Verdict {
	if v.Outcome != platform.Unknown || len(v.Errors) > 0 {
		return v
	}
	for _, h := range f.handles {
		if h.message != "" {
			v.Errors = []ledger.Issue{{Message: h.message}}
		}
	}
	return v
}
