package delivery

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

const (
	// commitTimeout is how long a transaction may take that carries little: longer than
	// the server lets a statement run, so that the server says what was slow.
	commitTimeout = 40 * time.Second
	// slowTries is how often the server may end the smallest possible transaction for
	// its time before it is looked for what makes it slow.
	slowTries = 3
	// maxHalvings is how often a batch is halved that is refused as a whole: a batch has
	// fewer records than so many halvings leave one of.
	maxHalvings = 16
)

// errSplit says that a transaction took too long and was not committed, so that it is
// written in pieces.
var errSplit = errors.New("the transaction takes too long and is written in pieces")

// errStuck says that a transaction that cannot be split took too long each time.
var errStuck = errors.New("the transaction takes too long")

// write records what a job has to record: in one transaction, or in several where it is
// too large for one or took too long. What was recorded by then stays recorded.
func (r *recorder) write(ctx context.Context, j *job) error {
	most := r.cfg.Budget.mostInJob()
	if j.bytes <= 2*most {
		err := r.commit(ctx, j, &j.tx, j.bytes, true)
		if !errors.Is(err, errSplit) {
			return err
		}
		most = max(j.bytes/2, 1)
	}
	pieces := pack(j.units(), most)
	for len(pieces) > 0 {
		piece, last := pieces[0], len(pieces) == 1
		tx := j.piece(piece, last)
		err := r.commit(ctx, j, tx, piece.bytes(), len(piece) > 1)
		switch {
		case errors.Is(err, errSplit):
			middle := len(piece) / 2
			pieces = append([]units{piece[:middle], piece[middle:]}, pieces[1:]...)
			continue
		case err != nil:
			return err
		}
		pieces = pieces[1:]
	}
	return nil
}

// commit writes one transaction of a job, until it is committed, must be split
// (errSplit), or is refused whatever is left out of it (ledger.ErrRejected).
func (r *recorder) commit(ctx context.Context, j *job, tx *ledger.Transaction, bytes int64, mayBeSplit bool) error {
	timeout := commitTimeout + ledger.WriteTime(bytes)
	tries := rejectedTries
	for round := 0; ; round++ {
		err := r.commitOnce(ctx, j, tx, timeout, tries, mayBeSplit)
		switch {
		case errors.Is(err, errSplit):
			committed, err := r.committed(ctx, j, tx)
			if err != nil || committed {
				return err
			}
			r.log.WarnContext(ctx, "a transaction takes too long: it is written in pieces", slog.Int64("bytes", bytes))
			return errSplit
		case errors.Is(err, errStuck):
			if _, err := r.isolate(ctx, j, tx, timeout, false, true); err != nil {
				return err
			}
			continue // with what is left of it, or once more
		case !errors.Is(err, ledger.ErrRejected):
			return err
		}
		found, searchErr := r.isolate(ctx, j, tx, timeout, mayBeSplit, false)
		if searchErr != nil {
			return searchErr
		}
		if !found || round == isolationRounds+maxHalvings {
			r.log.ErrorContext(ctx, "the database refuses to record anything: the partition stops and is resumed from what is recorded",
				slog.Any("error", err))
			return err
		}
		tx.ID, tries = uuid.New(), 2 // what is written now is another transaction
	}
}

func (r *recorder) commitOnce(ctx context.Context, j *job, tx *ledger.Transaction, timeout time.Duration, tries int, mayBeSplit bool) error {
	slow := 0
	return r.insist(ctx, "commit", timeout, tries, func(ctx context.Context) error {
		began, fresh := time.Now(), freshRows(tx)
		err := r.cfg.Store.Commit(ctx, r.cfg.Lease, tx)
		if err == nil {
			r.wrote(j, tx)
			r.cfg.Observer.Committed(r.cfg.Lease.Partition, fresh, tx.Ends(), time.Since(began))
			r.trouble.end()
			return nil
		}
		r.trouble.note(err, began)
		if _, can := r.cfg.Store.(ledger.Prober); can && mayBeSplit && (errors.Is(err, ledger.ErrSlow) || ctx.Err() != nil) {
			return errSplit
		}
		if errors.Is(err, ledger.ErrSlow) && answered(err) {
			if slow++; slow == slowTries {
				return errStuck
			}
		}
		return err
	})
}

// wrote notes a transaction that is committed.
func (r *recorder) wrote(j *job, tx *ledger.Transaction) {
	r.commits++
	if tx.Sends() {
		j.sent = tx.ID
	}
}

// committed finds out what became of a transaction without an answer, before others
// are written in its place.
func (r *recorder) committed(ctx context.Context, j *job, tx *ledger.Transaction) (committed bool, err error) {
	fresh := freshRows(tx)
	store, can := r.cfg.Store.(ledger.Prober)
	if !can {
		return false, nil
	}
	err = r.retryStore(ctx, "look up a transaction", func(ctx context.Context) (err error) {
		committed, err = store.Committed(ctx, r.cfg.Lease, tx)
		return err
	})
	if committed {
		r.wrote(j, tx)
		r.cfg.Observer.Committed(r.cfg.Lease.Partition, fresh, tx.Ends(), 0)
		r.trouble.end()
	}
	return committed, err
}
