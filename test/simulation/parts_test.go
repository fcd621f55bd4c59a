package simulation

import (
	"context"
	"fmt"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/delivery"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/queue"
	"github.com/catalog-courier/catalog-courier/queue/queuemodel"
	"github.com/catalog-courier/catalog-courier/service"
)

// storeOf is the ledger as a process reaches it.
type storeOf struct{ p *process }

func (s *storeOf) Resume(ctx context.Context, lease ledger.Lease) (*ledger.Resumption, error) {
	return call(ctx, s.p, "Resume", number(lease.Partition), func() (*ledger.Resumption, error) {
		return s.p.store.Resume(ctx, lease)
	})
}

func (s *storeOf) Commit(ctx context.Context, lease ledger.Lease, tx *ledger.Transaction) error {
	if s.p.w.broken.commit != nil {
		return s.p.w.broken.commit(ctx, s.p, lease, tx)
	}
	return s.commit(ctx, lease, tx)
}

func (s *storeOf) commit(ctx context.Context, lease ledger.Lease, tx *ledger.Transaction) error {
	return do(ctx, s.p, "Commit", describe(tx), func() error { return s.p.store.Commit(ctx, lease, tx) })
}

func (s *storeOf) SaveHealth(ctx context.Context, lease ledger.Lease, accounts []ledger.AccountHealth) error {
	return do(ctx, s.p, "SaveHealth", number(lease.Partition), func() error { return s.p.store.SaveHealth(ctx, lease, accounts) })
}

func (s *storeOf) SaveStrays(ctx context.Context, lease ledger.Lease, lanes []ledger.StrayLane) error {
	return do(ctx, s.p, "SaveStrays", number(lease.Partition), func() error { return s.p.store.SaveStrays(ctx, lease, lanes) })
}

func (s *storeOf) EndRemoval(ctx context.Context, account string) (bool, error) {
	return call(ctx, s.p, "EndRemoval", account, func() (bool, error) { return s.p.store.EndRemoval(ctx, account) })
}

func (s *storeOf) Verify(ctx context.Context, lease ledger.Lease) error {
	return do(ctx, s.p, "Verify", number(lease.Partition), func() error { return s.p.store.Verify(ctx, lease) })
}

// describe is what a transaction writes, without its ids: those are random.
func describe(tx *ledger.Transaction) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d:", tx.Partition)
	for i := range tx.Batches {
		text.WriteString(" batch")
		for j := range tx.Batches[i].Records {
			fmt.Fprintf(&text, " %s", idsOf(tx.Batches[i].Records[j].Constituents))
		}
	}
	if len(tx.Waiting) > 0 {
		fmt.Fprintf(&text, " waiting %s", idsOf(tx.Waiting))
	}
	if n := len(tx.Invalid) + len(tx.Stale) + len(tx.Versions) + len(tx.Intents); n > 0 {
		fmt.Fprintf(&text, " refused %d overtaken %d versions %d intents %d", len(tx.Invalid), len(tx.Stale), len(tx.Versions), len(tx.Intents))
	}
	for i := range tx.Outcomes {
		fmt.Fprintf(&text, " %s %d/%d", tx.Outcomes[i].State, tx.Outcomes[i].Succeeded, tx.Outcomes[i].Failed)
	}
	if tx.Claims {
		text.WriteString(" claims")
	}
	if tx.Anchor != nil {
		fmt.Fprintf(&text, " position %d", tx.Anchor.Position.Sequence)
	}
	return text.String()
}

func idsOf(ms []*catalog.Mutation) string {
	ids := make([]string, len(ms))
	for i, m := range ms {
		ids[i] = m.ID
	}
	return strings.Join(ids, "+")
}

func number(n int) string { return strconv.Itoa(n) }

func (s *storeOf) Waiting(ctx context.Context, lane catalog.Lane, after catalog.Position, limit int) (ledger.Page, error) {
	return call(ctx, s.p, "Waiting", lane.Account+"."+lane.Catalog, func() (ledger.Page, error) {
		return s.p.store.Waiting(ctx, lane, after, min(limit, s.p.w.plan.page))
	})
}

func (s *storeOf) NewestVersions(ctx context.Context, keys []catalog.ItemKey) (map[catalog.ItemKey]ledger.ItemVersion, error) {
	return call(ctx, s.p, "NewestVersions", keys[0].Lane.Account+keys[0].ItemID+number(len(keys)), func() (map[catalog.ItemKey]ledger.ItemVersion, error) {
		return s.p.store.NewestVersions(ctx, keys)
	})
}

func (s *storeOf) AppendAttempts(ctx context.Context, attempts []ledger.Attempt) error {
	detail := fmt.Sprint(attempts[0].Result, attempts[0].Number, attempts[0].Handles)
	return do(ctx, s.p, "AppendAttempts", detail, func() error {
		s.p.w.accepted(attempts)
		return s.p.store.AppendAttempts(ctx, attempts)
	})
}

func (s *storeOf) Scopes(ctx context.Context, scopes []string) ([]ledger.ScopeState, error) {
	return call(ctx, s.p, "Scopes", number(len(scopes)), func() ([]ledger.ScopeState, error) {
		return s.p.store.Scopes(ctx, scopes)
	})
}

func (s *storeOf) SaveScopes(ctx context.Context, scopes []ledger.ScopeState) error {
	s.p.w.saving(s.p, scopes)
	return do(ctx, s.p, "SaveScopes", scopesOf(scopes), func() error {
		err := s.p.store.SaveScopes(ctx, scopes)
		if err == nil {
			s.p.w.saved(scopes)
		}
		return err
	})
}

func (s *storeOf) SaveAccount(ctx context.Context, state ledger.AccountState) (ledger.AccountState, error) {
	return call(ctx, s.p, "SaveAccount", state.Account+" "+state.State, func() (ledger.AccountState, error) {
		return s.p.store.SaveAccount(ctx, state)
	})
}

func (s *storeOf) Accounts(ctx context.Context, accounts []string) (map[string]ledger.AccountState, error) {
	return call(ctx, s.p, "Accounts", slices.Min(accounts)+number(len(accounts)), func() (map[string]ledger.AccountState, error) {
		return s.p.store.Accounts(ctx, accounts)
	})
}

func (s *storeOf) StreamIdentity(ctx context.Context) (ledger.StreamIdentity, error) {
	return call(ctx, s.p, "StreamIdentity", partitionOf(ctx), func() (ledger.StreamIdentity, error) { return s.p.store.StreamIdentity(ctx) })
}

func (s *storeOf) Positions(ctx context.Context) ([]ledger.Anchor, error) {
	return call(ctx, s.p, "Positions", "", func() ([]ledger.Anchor, error) { return s.p.store.Positions(ctx) })
}

func (s *storeOf) RecordedAtOrBefore(ctx context.Context, partition int, generation int64, sequence uint64) (anchor ledger.Anchor, ok bool, err error) {
	err = do(ctx, s.p, "RecordedAtOrBefore", fmt.Sprint(partition, generation, sequence), func() (err error) {
		anchor, ok, err = s.p.store.RecordedAtOrBefore(ctx, partition, generation, sequence)
		return err
	})
	return anchor, ok, err
}

func (s *storeOf) Rewind(ctx context.Context, lease ledger.Lease, to ledger.Anchor, recorded []ledger.Range) (int64, error) {
	return call(ctx, s.p, "Rewind", fmt.Sprint(lease.Partition, to.Position.Sequence, recorded), func() (int64, error) {
		return s.p.store.Rewind(ctx, lease, to, recorded)
	})
}

// leasesOf is the lease table as a process reaches it.
type leasesOf struct{ p *process }

func (l *leasesOf) Heartbeat(ctx context.Context, id uuid.UUID, name string) (*ledger.LeaseView, error) {
	return call(ctx, l.p, "Heartbeat", "", func() (*ledger.LeaseView, error) { return l.p.store.Heartbeat(ctx, id, name) })
}

func (l *leasesOf) Take(ctx context.Context, claims []ledger.LeaseClaim) ([]bool, error) {
	partitions := make([]string, len(claims))
	for i, claim := range claims {
		partitions[i] = number(claim.Row.Partition)
		if l.p.w.broken.take != nil {
			if err := l.p.w.broken.take(ctx, l.p, claim.Row.Partition); err != nil {
				return nil, err
			}
		}
	}
	return call(ctx, l.p, "Take", strings.Join(partitions, "+"), func() ([]bool, error) {
		l.p.w.disturb()
		took, err := l.p.store.Take(ctx, claims)
		for i, claim := range claims {
			if err == nil && took[i] {
				l.p.w.takes(l.p, claim.Row.Partition)
			}
		}
		return took, err
	})
}

func (l *leasesOf) Ask(ctx context.Context, id uuid.UUID, row ledger.LeaseRow) error {
	return do(ctx, l.p, "Ask", number(row.Partition), func() error { return l.p.store.Ask(ctx, id, row) })
}

func (l *leasesOf) Release(ctx context.Context, id uuid.UUID, lease ledger.Lease, fresh uuid.UUID) error {
	return do(ctx, l.p, "Release", number(lease.Partition), func() error { return l.p.store.Release(ctx, id, lease, fresh) })
}

func (l *leasesOf) Free(ctx context.Context, id uuid.UUID, lease ledger.Lease) error {
	return do(ctx, l.p, "Free", number(lease.Partition), func() error { return l.p.store.Free(ctx, id, lease) })
}

func (l *leasesOf) Drain(ctx context.Context, id uuid.UUID) error {
	return do(ctx, l.p, "Drain", "", func() error { return l.p.store.Drain(ctx, id) })
}

func (l *leasesOf) Leave(ctx context.Context, id uuid.UUID) error {
	return do(ctx, l.p, "Leave", "", func() error { return l.p.store.Leave(ctx, id) })
}

func (l *leasesOf) Forget(ctx context.Context, id uuid.UUID, counter int64) error {
	return do(ctx, l.p, "Forget", fmt.Sprint(id[15], counter), func() error { return l.p.store.Forget(ctx, id, counter) })
}

// partitionOf tells calls apart that several partitions make in the same words: what
// they do next would be in no order otherwise.
func partitionOf(ctx context.Context) string {
	partition, _ := pprof.Label(ctx, "partition")
	return partition
}

// queueOf is the stream as a process reaches it.
type queueOf struct{ p *process }

func (q *queueOf) Identity(ctx context.Context) (ledger.StreamIdentity, error) {
	return call(ctx, q.p, "Identity", partitionOf(ctx), func() (ledger.StreamIdentity, error) {
		if q.p.w.broken.anyStream {
			return q.p.store.StreamIdentity(ctx)
		}
		return q.p.w.stream.Identity(ctx)
	})
}

func (q *queueOf) State(ctx context.Context) (queue.LogState, error) {
	return call(ctx, q.p, "State", "", func() (queue.LogState, error) { return q.p.w.stream.State(ctx) })
}

func (q *queueOf) At(ctx context.Context, sequence uint64) (anchor ledger.Anchor, ok bool, err error) {
	err = do(ctx, q.p, "At", number(int(sequence)), func() (err error) {
		anchor, ok, err = q.p.w.stream.At(ctx, sequence)
		return err
	})
	return anchor, ok, err
}

func (q *queueOf) From(ctx context.Context, sequence uint64) (anchor ledger.Anchor, ok bool, err error) {
	err = do(ctx, q.p, "From", number(int(sequence)), func() (err error) {
		anchor, ok, err = q.p.w.stream.From(ctx, sequence)
		return err
	})
	return anchor, ok, err
}

func (q *queueOf) Newest(ctx context.Context, partition int) (uint64, error) {
	return call(ctx, q.p, "Newest", number(partition), func() (uint64, error) { return q.p.w.stream.Newest(ctx, partition) })
}

func (q *queueOf) PurgeBefore(ctx context.Context, sequence uint64) error {
	return do(ctx, q.p, "PurgeBefore", number(int(sequence)), func() error { return q.p.w.stream.PurgeBefore(ctx, sequence) })
}

func (q *queueOf) Open(ctx context.Context, config queue.ReaderConfig) (service.Reader, error) {
	config.ChunkMessages = q.p.w.plan.chunk
	var log queue.Log = q
	if q.p.w.broken.blind {
		log = &blindLog{*q, config}
	}
	opened, err := q.p.w.stream.OpenThrough(ctx, log, config)
	if err != nil {
		return nil, err
	}
	return &readerOf{Reader: opened, p: q.p, partition: config.Partition}, nil
}

func (q *queueOf) Mirror(ctx context.Context, partition int, knows func(uuid.UUID) bool) (mirror delivery.Mirror, noted queue.Noted, err error) {
	err = do(ctx, q.p, "Mirror", number(partition), func() (err error) {
		var own *queuemodel.Mirror
		own, noted, err = q.p.w.stream.Mirror(ctx, partition, knows)
		mirror = &mirrorOf{own, q.p, partition}
		return err
	})
	if sent, commits := q.p.store.Sent(partition); q.p.w.broken.numbers && noted.Commits <= commits {
		noted.Transaction = sent
	}
	return mirror, noted, err
}

// readerOf is one partition's reader.
type readerOf struct {
	*queuemodel.Reader
	p         *process
	partition int
}

func (r *readerOf) Next(ctx context.Context) ([]catalog.Arrival, error) {
	arrivals, err := r.Reader.Next(ctx)
	if err != nil {
		return nil, err
	}
	// What was read is lost with the process, and never by itself.
	first := arrivals[0].Mutation.Position.Sequence
	if !r.p.arrive(ctx, "Next", fmt.Sprint(r.partition, first)) {
		return nil, errDead
	}
	r.p.w.log.add(r.p.name, "reads", fmt.Sprint(r.partition, " from ", first, ": ", len(arrivals)))
	return arrivals, nil
}

func (r *readerOf) Pending(ctx context.Context) (uint64, error) {
	return call(ctx, r.p, "Pending", number(r.partition), func() (uint64, error) { return r.Reader.Pending(ctx) })
}

// mirrorOf is one partition's mirror.
type mirrorOf struct {
	own       *queuemodel.Mirror
	p         *process
	partition int
}

func (m *mirrorOf) Put(ctx context.Context, sent ledger.Sent) error {
	return do(ctx, m.p, "Put", fmt.Sprint(m.partition, sent.Commits), func() error {
		err := m.own.Put(ctx, sent)
		if err != nil && m.p.w.broken.numbers {
			err = m.own.Put(ctx, sent)
		}
		return err
	})
}

func (m *mirrorOf) Moved(ctx context.Context) (bool, error) {
	return call(ctx, m.p, "Moved", number(m.partition), func() (bool, error) { return m.own.Moved(ctx) })
}
