package persistence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// longestReplay is how long publishing one page of dead letters may take.
const longestReplay = 4 * time.Minute

// ErrReplaying says that another replay is under way and takes its time.
var ErrReplaying = errors.New("another replay of dead letters is under way; run this one again when it has ended")

// ReplayNote is what is noted of letters that are replayed.
type ReplayNote struct {
	By         string // who replays; "" is not noted
	ReplacedBy string // the id of the mutation that is published in place of the letter's; "" for the same
}

// Replay publishes dead letters, as they were listed, and marks those that publish
// returns. publish gets the ids that nobody has replayed or dismissed since the list was read;
// meanwhile no other replay publishes anything. Of a process that is killed, nothing is
// marked: what it published may be published once more, and none is lost. It returns how
// many were marked, and the error of publish, which does not keep the others from being
// marked. Publishing has four minutes.
func (s *Store) Replay(
	ctx context.Context, letters []DeadLetter, note ReplayNote, publish func(ctx context.Context, ids []int64) (published []int64, err error),
) (marked int64, err error) {
	if len(letters) == 0 {
		return 0, nil
	}
	var params query.UnreplayedParams
	for i := range letters {
		params.Ids, params.Stamps = append(params.Ids, letters[i].ID), append(params.Stamps, letters[i].Stamp())
	}
	var failed error
	// What is published must be marked, though the caller has been told to stop.
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), longestReplay+s.timeout)
	defer cancel()
	err = pgx.BeginFunc(whole, s.pool, func(tx pgx.Tx) error {
		q := s.query.WithTx(tx)
		// The session's own limit is shorter than an election of NATS may last.
		idle := strconv.FormatInt((longestReplay + s.timeout).Milliseconds(), 10)
		if err := q.LockReplays(ctx, idle); err != nil {
			return replaying(err)
		}
		ids, err := q.Unreplayed(ctx, params)
		if err != nil || len(ids) == 0 {
			return err
		}
		limited, cancel := context.WithTimeout(ctx, longestReplay)
		defer cancel()
		var published []int64
		if published, failed = publish(limited, ids); len(published) == 0 {
			return nil
		}
		marked, err = q.MarkReplayedAgain(whole, query.MarkReplayedAgainParams{
			Ids: published, By: cleanOrNull(note.By), ReplacedBy: cleanOrNull(note.ReplacedBy),
		})
		if err != nil || note.ReplacedBy == "" {
			return err
		}
		return q.EndIssues(whole, namelessOf(letters, published)) // nothing else will be heard of their items
	})
	if err != nil {
		return 0, errors.Join(failed, fmt.Errorf("marking dead letters as replayed: %w", err))
	}
	return marked, failed
}

// namelessOf are those of the published letters whose item id can be none.
func namelessOf(letters []DeadLetter, published []int64) []int64 {
	ids := []int64{}
	for i := range letters {
		if slices.Contains(nameless, string(letters[i].Reason)) && slices.Contains(published, letters[i].ID) {
			ids = append(ids, letters[i].ID)
		}
	}
	return ids
}

// Stamp tells whether a letter was replayed or dismissed since it was read: microseconds
// since 1970 of the later of both, 0 for neither.
func (l *DeadLetter) Stamp() int64 {
	latest := l.ReplayedAt
	if l.DismissedAt.After(latest) {
		latest = l.DismissedAt
	}
	if latest.IsZero() {
		return 0
	}
	return latest.UnixMicro()
}

// replaying gives the end of waiting for the lock its kind.
func replaying(err error) error {
	const queryCanceled, lockNotAvailable = "57014", "55P03"
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && (refused.Code == queryCanceled || refused.Code == lockNotAvailable) {
		return fmt.Errorf("%w: %w", ErrReplaying, err)
	}
	return err
}
