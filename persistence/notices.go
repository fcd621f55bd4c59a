package persistence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// ErrNoticesHeld says that another worker sends the notices.
var ErrNoticesHeld = errors.New("another worker sends the notices")

// Notices keeps what package notice knows between two looks. It is safe for concurrent use.
type Notices struct {
	pool    *pgxpool.Pool
	query   *query.Queries
	timeout time.Duration
}

// NewNotices reads and writes through the pool, which stays the caller's. timeout bounds
// each call; 0 means 10 seconds.
func NewNotices(pool *pgxpool.Pool, timeout time.Duration) *Notices {
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	return &Notices{pool: pool, query: query.New(pool), timeout: timeout}
}

// Hold takes the sending of notices for a runner, for the given time from now, or holds it
// longer. The error is ErrNoticesHeld while another runner's hold lasts.
func (n *Notices) Hold(ctx context.Context, runner string, during time.Duration) (token int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	token, err = n.query.HoldNotices(ctx, query.HoldNoticesParams{Runner: runner, Seconds: during.Seconds()})
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, ErrNoticesHeld
	}
	if err != nil {
		return 0, fmt.Errorf("take the sending of notices: %w", err)
	}
	return token, nil
}

// Release lets another worker send at once.
func (n *Notices) Release(ctx context.Context, token int64) error {
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	return n.query.ReleaseNotices(ctx, token)
}

// NoticeAccount is the state of an account, as account_status has it.
type NoticeAccount struct{ Account, State, Reason string }

// NoticeSource is the state of a route of a source, as source_status has it.
type NoticeSource struct {
	Source, Account, Catalog, CatalogType string
	State, Reason                         string
	Silent, Running                       bool
}

// NoticeLetters are the new dead letters of one kind.
type NoticeLetters struct {
	Account, Reason, Field, Example string
	Count                           int64
}

// NoticeConsumer is how far a consumer of the outbox is behind: the age of the oldest outcome
// that it has not done.
type NoticeConsumer struct {
	Name   string
	Behind time.Duration
}

// NoticeView is what is looked at.
type NoticeView struct {
	Now      time.Time // of the database
	Accounts []NoticeAccount
	Sources  []NoticeSource
	Letters  []NoticeLetters
	// Consumers are those of the outbox.
	Consumers []NoticeConsumer
	// Mark is the newest dead letter that Letters counts, or that was there before the
	// first look.
	Mark int64
}

// lettersAtOnce bounds the dead letters of one look; the next look continues.
const lettersAtOnce = 20_000

// Look reads the states of everything that there are notices of.
func (n *Notices) Look(ctx context.Context) (view NoticeView, err error) {
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	mark, err := n.query.NoticeMark(ctx)
	if err != nil {
		return view, fmt.Errorf("look for dead letters: %w", err)
	}
	view.Now, view.Mark = mark.Now, mark.Newest
	accounts, err := n.query.NoticeAccounts(ctx)
	if err != nil {
		return view, fmt.Errorf("look at the accounts: %w", err)
	}
	for _, row := range accounts {
		view.Accounts = append(view.Accounts, NoticeAccount(row))
	}
	sources, err := n.query.NoticeSources(ctx)
	if err != nil {
		return view, fmt.Errorf("look at the sources: %w", err)
	}
	for _, row := range sources {
		view.Sources = append(view.Sources, NoticeSource(row))
	}
	consumers, err := n.query.NoticeOutcomes(ctx)
	if err != nil {
		return view, fmt.Errorf("look at the outbox: %w", err)
	}
	for _, row := range consumers {
		view.Consumers = append(view.Consumers, NoticeConsumer{Name: row.Consumer, Behind: time.Duration(row.Seconds * float64(time.Second))})
	}
	if mark.DeadLetter == nil {
		return view, nil // what is older than the first look is no news
	}
	view.Mark = *mark.DeadLetter
	letters, err := n.query.NoticeLetters(ctx, query.NoticeLettersParams{After: *mark.DeadLetter, Lim: lettersAtOnce})
	if err != nil {
		return view, fmt.Errorf("look at the dead letters: %w", err)
	}
	for _, row := range letters {
		view.Mark = max(view.Mark, row.Newest)
		view.Letters = append(view.Letters, NoticeLetters{Account: row.Account, Reason: row.Reason, Field: row.Field, Example: row.Example, Count: row.Letters})
	}
	return view, nil
}

// NoticeState is what was last told of a subject, "" for well, and what it has been since
// PendingSince instead; a zero time means nothing.
type NoticeState struct {
	Told         string
	ToldAt       time.Time
	Pending      string
	PendingSince time.Time
}

// States reads what was told, by subject.
func (n *Notices) States(ctx context.Context) (map[string]NoticeState, error) {
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	rows, err := n.query.NoticeStates(ctx)
	if err != nil {
		return nil, fmt.Errorf("read what was told: %w", err)
	}
	states := make(map[string]NoticeState, len(rows))
	for _, row := range rows {
		states[row.Subject] = NoticeState{Told: row.Told, ToldAt: deref(row.ToldAt), Pending: row.Pending, PendingSince: deref(row.PendingSince)}
	}
	return states, nil
}

// NewNotice is a notice to be sent.
type NewNotice struct {
	Target    string
	MessageID string
	Content   []byte // JSON
}

// NoticeStep is what a look leads to.
type NoticeStep struct {
	States map[string]NoticeState // to be kept
	Gone   []string               // subjects that are well and told to be
	New    []NewNotice
	Mark   int64
}

// Save stores a step in one transaction. Of each target at most keep notices are kept:
// dropped is how many of the oldest went. The error is ErrHoldLost when the token's hold is over.
func (n *Notices) Save(ctx context.Context, token int64, step NoticeStep, keep int) (dropped int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	err = pgx.BeginFunc(ctx, n.pool, func(tx pgx.Tx) error {
		q := n.query.WithTx(tx)
		if _, err := q.GuardNotices(ctx, token); err != nil {
			if errors.Is(err, pgx.ErrNoRows) {
				return ErrHoldLost
			}
			return err
		}
		for subject, state := range step.States {
			params := query.SaveNoticeStateParams{Subject: subject, Told: state.Told, ToldAt: pointer(state.ToldAt)}
			if !state.PendingSince.IsZero() {
				params.Pending, params.PendingSince = &state.Pending, &state.PendingSince
			}
			if err := q.SaveNoticeState(ctx, params); err != nil {
				return err
			}
		}
		for _, subject := range step.Gone {
			if err := q.DropNoticeState(ctx, subject); err != nil {
				return err
			}
		}
		targets := map[string]bool{}
		for _, one := range step.New {
			targets[one.Target] = true
			if err := q.AddNotice(ctx, query.AddNoticeParams(one)); err != nil {
				return err
			}
		}
		for target := range targets {
			went, err := q.BoundNotices(ctx, query.BoundNoticesParams{Target: target, Keep: int32(keep)}) //nolint:gosec // a small constant
			if err != nil {
				return err
			}
			dropped += went
		}
		return q.MarkNoticeLetters(ctx, step.Mark)
	})
	if err != nil && !errors.Is(err, ErrHoldLost) {
		err = fmt.Errorf("store notices: %w", err)
	}
	return dropped, err
}

// WaitingNotice is the oldest notice of a target.
type WaitingNotice struct {
	ID        int64
	MessageID string
	At        time.Time
	Content   []byte
	Attempts  int
	// Wait is how long it is not due yet.
	Wait   time.Duration
	TooOld bool
}

// Next gives the oldest notice of a target; found is false when there is none. One that is
// older than giveUp is too old.
func (n *Notices) Next(ctx context.Context, target string, giveUp time.Duration) (next WaitingNotice, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	row, err := n.query.NextNotice(ctx, query.NextNoticeParams{Target: target, GiveUp: giveUp.Seconds()})
	if errors.Is(err, pgx.ErrNoRows) {
		return next, false, nil
	}
	if err != nil {
		return next, false, fmt.Errorf("read the next notice: %w", err)
	}
	return WaitingNotice{
		ID: row.ID, MessageID: row.MessageID, At: row.CreatedAt, Content: row.Content, Attempts: int(row.Attempts),
		Wait: time.Duration(row.Wait * float64(time.Second)), TooOld: row.TooOld,
	}, true, nil
}

// Done forgets a notice that was sent, or given up.
func (n *Notices) Done(ctx context.Context, id int64) error {
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	return n.query.NoticeDone(ctx, id)
}

// Failed has a notice sent again after a while. The reason is for people.
func (n *Notices) Failed(ctx context.Context, id int64, wait time.Duration, reason string) error {
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	return n.query.NoticeFailed(ctx, query.NoticeFailedParams{ID: id, Wait: wait.Seconds(), Reason: reason})
}

// DropOthers forgets the notices of targets that are not among these.
func (n *Notices) DropOthers(ctx context.Context, targets []string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	return n.query.DropForeignNotices(ctx, targets)
}
