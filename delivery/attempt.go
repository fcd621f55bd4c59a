package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
)

func attemptOf(f *openBatch, number int, submission platform.Submission, perr *platform.Error, answer string) ledger.Attempt {
	attempt := ledger.Attempt{BatchID: f.batch.ID, Number: number, At: time.Now(), Answer: shortened(answer, perr == nil)}
	switch {
	case perr == nil:
		attempt.Result, attempt.Handles = ledger.Accepted, submission.Handles
		attempt.Notes = encodeNotes(submission.Verdicts)
	case perr.Ambiguous:
		attempt.Result, attempt.Error = ledger.Ambiguous, perr.Error()
	default:
		attempt.Result, attempt.Error = ledger.NotTaken, perr.Error()
	}
	return attempt
}

// shortened is what is kept of an answer: less of one that told nothing.
func shortened(answer string, told bool) string {
	const more = "…"
	if told || len(answer) <= platform.MaxShortAnswer {
		return answer
	}
	return strings.ToValidUTF8(answer[:platform.MaxShortAnswer-len(more)], "") + more
}

// variantOf is how often the batch's content was skipped as a duplicate or tried:
// each time the bytes change.
func variantOf(f *openBatch) int {
	variant := f.attempt - 1
	for i := range f.batch.Records {
		variant = max(variant, f.batch.Records[i].Newest().Attempts)
	}
	return variant
}

// note is one record's verdict in Attempt.Notes.
type note struct {
	Index    int              `json:"i"`
	Outcome  platform.Outcome `json:"o"`
	Errors   []ledger.Issue   `json:"e,omitempty"`
	Warnings []ledger.Issue   `json:"w,omitempty"`
}

func encodeNotes(verdicts []platform.Verdict) []byte {
	var notes []note
	for i, v := range verdicts {
		if v.Outcome != platform.Unknown || len(v.Errors)+len(v.Warnings) > 0 {
			notes = append(notes, note{Index: i, Outcome: v.Outcome, Errors: v.Errors, Warnings: v.Warnings})
		}
	}
	if notes == nil {
		return nil
	}
	encoded, err := json.Marshal(notes)
	if err != nil {
		return nil // numbers and strings always encode
	}
	return encoded
}

func decodeNotes(encoded []byte, records int) ([]platform.Verdict, error) {
	if len(encoded) == 0 {
		return nil, nil
	}
	var notes []note
	if err := json.Unmarshal(encoded, &notes); err != nil {
		return nil, fmt.Errorf("decode what an answer said of single records: %w", err)
	}
	verdicts := make([]platform.Verdict, records)
	for _, n := range notes {
		if n.Index >= 0 && n.Index < records {
			verdicts[n.Index] = platform.Verdict{Outcome: n.Outcome, Errors: n.Errors, Warnings: n.Warnings}
		}
	}
	return verdicts, nil
}

// recordAttempt has it recorded how a POST ended. Where the store refuses that, it is
// recorded with plain words, and else as ambiguous: this engine goes by its own memory,
// and a new owner sends the batch again.
func (s *storeCalls) recordAttempt(ctx context.Context, attempt ledger.Attempt) error {
	plain := attempt
	plain.Error, plain.Answer = ascii(attempt.Error, maxPlain), ""
	unknown := ledger.Attempt{
		BatchID: attempt.BatchID, Number: attempt.Number, At: attempt.At, Result: ledger.Ambiguous,
		Error: "the database refuses to record how the POST ended",
	}
	const forms = 3
	var refused error
	for form, a := range [forms]ledger.Attempt{attempt, plain, unknown} {
		tries := 1
		if form == 0 {
			tries = rejectedTries - forms + 1
		}
		err := s.insist(ctx, "record how a POST ended", storeTimeout, tries, func(ctx context.Context) error {
			return s.cfg.Store.AppendAttempts(ctx, []ledger.Attempt{a})
		})
		if !errors.Is(err, ledger.ErrRejected) {
			if err == nil && form > 0 {
				s.log.ErrorContext(ctx, "the database refuses to record how a POST ended: less was recorded of it",
					slog.String("batch_id", a.BatchID.String()), slog.String("said", Words(refused)))
			}
			return err
		}
		refused = err
	}
	return refused
}

// amend writes more about POSTs beside the engine.
func (e *Engine) amend(what string, attempts ...ledger.Attempt) {
	e.spawn(func(ctx context.Context) {
		if err := e.recorder.appendAttempts(ctx, what, attempts); err != nil {
			e.calls.report(ctx, func() { e.fail(err) })
		}
	})
}

func (s *storeCalls) appendAttempts(ctx context.Context, what string, attempts []ledger.Attempt) error {
	return s.retryStore(ctx, what, func(ctx context.Context) error { return s.cfg.Store.AppendAttempts(ctx, attempts) })
}
