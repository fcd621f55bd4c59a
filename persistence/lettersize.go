package persistence

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

const (
	// defaultDeadLetterBytes is Config.DeadLetterBytes by default.
	defaultDeadLetterBytes = 1 << 30
	// dropAtOnce is how many dead letters lose their messages in one statement, and
	// dropRounds how many statements there are after one transaction.
	dropAtOnce = 1000
	dropRounds = 100
	// leaveRoom is what part of the limit is free after messages were dropped, so that
	// it is not done after every transaction.
	leaveRoom = 10
	// dropNotice is for how long nothing must have been dropped before it is told again.
	dropNotice = time.Hour
)

// letterSizes are about how many bytes the messages of accounts' dead letters take.
type letterSizes map[string]int64

// letterBytes is about what a dead letter's message takes.
func letterBytes(m *catalog.Mutation) int64 {
	bytes := len(m.Message.Data)
	for _, header := range m.Message.Headers {
		bytes += len(header.Name) + len(header.Value)
	}
	return int64(bytes)
}

// queueSizes adds the dead letters of the transaction to what is known of their
// accounts, which it reads with that. In order, as two partitions may note something
// of the same account.
func (p *plan) queueSizes(b *pgx.Batch) {
	added := letterSizes{}
	for i := range p.letters {
		m := p.letters[i].mutation
		added[m.Lane.Account] += letterBytes(m)
	}
	for _, account := range slices.Sorted(maps.Keys(added)) {
		b.Queue(`insert into courier.dead_letter_size as s (account, bytes) values ($1, $2)
			on conflict (account) do update set bytes = s.bytes + excluded.bytes returning s.bytes`,
			clean(account), added[account]).QueryRow(func(row pgx.Row) error {
			var bytes int64
			err := row.Scan(&bytes)
			if p.sizes == nil {
				p.sizes = letterSizes{}
			}
			p.sizes[clean(account)] = bytes
			return err
		})
	}
}

// droppedAt is when messages of accounts' dead letters were dropped last.
type droppedAt struct {
	mu sync.Mutex
	at map[string]time.Time
}

// news reports that nothing was dropped for a while.
func (d *droppedAt) news(account string, at time.Time) bool {
	const most = 10_000
	d.mu.Lock()
	defer d.mu.Unlock()
	before, known := d.at[account]
	if d.at == nil || len(d.at) > most {
		d.at = map[string]time.Time{}
	}
	d.at[account] = at
	return !known || at.Sub(before) > dropNotice
}

// boundLetters drops the messages of accounts' oldest dead letters where they take
// more than they may. What fails is done after another transaction.
func (s *Store) boundLetters(ctx context.Context, sizes letterSizes) {
	for account, bytes := range sizes {
		if bytes <= s.deadLetterBytes {
			continue
		}
		letters, freed, err := s.dropMessages(ctx, account, bytes)
		if err != nil {
			s.logger.WarnContext(ctx, "the oldest dead letters of an account could not be dropped; it is tried again",
				slog.String("account", account), slog.Any("error", err))
		}
		if letters == 0 {
			continue
		}
		if s.dropped != nil {
			s.dropped(account, int(letters), freed)
		}
		if s.droppedAt.news(account, time.Now()) { //nolint:forbidigo // it decides only what is logged
			s.logger.WarnContext(ctx, "the dead letters of an account take more than worker.dead_letters.max_bytes: the messages of the oldest are dropped, their rows stay",
				slog.String("account", account), slog.Int64("max_bytes", s.deadLetterBytes), slog.Int64("letters", letters), slog.Int64("bytes", freed))
		}
	}
}

func (s *Store) dropMessages(ctx context.Context, account string, bytes int64) (letters, freed int64, err error) {
	for range dropRounds {
		toFree := bytes - s.deadLetterBytes + s.deadLetterBytes/leaveRoom
		if bytes <= s.deadLetterBytes {
			return letters, freed, nil
		}
		row, err := s.dropSome(ctx, account, toFree)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && row.Letters == 0 {
			return letters, freed, nil
		}
		if err != nil {
			return letters, freed, err
		}
		letters, freed, bytes = letters+row.Letters, freed+row.Freed, row.Bytes
	}
	return letters, freed, nil
}

func (s *Store) dropSome(ctx context.Context, account string, toFree int64) (query.DropOldestMessagesRow, error) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	return s.query.DropOldestMessages(ctx, query.DropOldestMessagesParams{Account: account, Lim: dropAtOnce, ToFree: toFree})
}

// recountLetters corrects what is known of the dead letters' sizes.
func (s *Store) recountLetters(ctx context.Context) error {
	var over letterSizes
	err := s.retentionStep(ctx, func(ctx context.Context) error {
		if err := s.query.CountDeadLetters(ctx); err != nil {
			return err
		}
		if err := s.query.ForgetDeadLetterSizes(ctx); err != nil {
			return err
		}
		rows, err := s.query.DeadLetterSizesOver(ctx, s.deadLetterBytes)
		over = make(letterSizes, len(rows))
		for _, row := range rows {
			over[row.Account] = row.Bytes
		}
		return err
	})
	if err == nil {
		s.boundLetters(ctx, over)
	}
	return err
}
