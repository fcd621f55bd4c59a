package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// Mirror keeps, beside the stream, the last transaction of each partition that
// announced a POST. A database that was restored, or failed over to a standby without
// its last commits, does not know it: what it lost may have been sent. And where two
// databases go on side by side, the owner that notes second finds the other's note.
type Mirror struct {
	js     jetstream.JetStream
	config StreamConfig

	mu           sync.Mutex
	bucket       jetstream.KeyValue
	installation string // whose transactions they are; "" compares nothing
	compared     uint64 // the connection, counted from 1, on which that was compared
}

// OpenMirror makes or finds the mirror of a stream: a bucket named
// <stream>_COMMITS, with as many replicas as the stream.
func OpenMirror(ctx context.Context, js jetstream.JetStream, config StreamConfig) (*Mirror, error) {
	m := &Mirror{js: js, config: config.withDefaults()}
	return m, m.open(ctx)
}

func (m *Mirror) name() string { return m.config.Name + "_COMMITS" }

// open makes or finds the bucket, also when somebody removed it meanwhile.
func (m *Mirror) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	bucket, err := m.js.KeyValue(ctx, m.name())
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		if err := m.compareStream(ctx); err != nil {
			return err
		}
		bucket, err = m.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: m.name(), Description: "Catalog Courier: the last transaction of each partition that announced a request",
			History: 1, Storage: jetstream.FileStorage, Replicas: m.config.Replicas, Metadata: m.metadata(),
		})
		if errors.Is(err, jetstream.ErrBucketExists) { // somebody else made it at the same moment
			bucket, err = m.js.KeyValue(ctx, m.name())
		}
	}
	if err != nil {
		return fmt.Errorf("opening the bucket %s: %w", m.name(), explain(err, m.config))
	}
	if err := m.checkSettings(ctx); err != nil {
		return err
	}
	if err := m.addCopies(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bucket = bucket
	return nil
}

// addCopies gives a bucket with fewer copies than the stream is to have as many.
func (m *Mirror) addCopies(ctx context.Context) error {
	err := changeStream(ctx, m.js, m.streamName(), func(found *jetstream.StreamConfig) bool {
		changed := found.Replicas < m.config.Replicas
		found.Replicas = max(found.Replicas, m.config.Replicas)
		return changed
	})
	return explain(err, m.config)
}

func (m *Mirror) current() jetstream.KeyValue {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bucket
}

// Noted is what the mirror has of a partition.
type Noted struct {
	ledger.Sent
	// Found reports that there is a note.
	Found bool
	// Former is the number of commits that versions without transactions in the mirror
	// noted; 0 when there is none. It says something only where no note is found.
	Former int64
}

// note is a Noted as it is stored.
type note struct {
	Transaction uuid.UUID `json:"transaction"`
	Commits     int64     `json:"commits"`
	SlowestMS   int64     `json:"slowest_ms"`
}

// PartitionMirror is one owner's view of its partition's note. It is for one
// goroutine.
type PartitionMirror struct {
	mirror   *Mirror
	key      string
	knows    func(transaction uuid.UUID) bool // until the first Put: then only own ones are to be found
	revision uint64                           // of the note as this owner has seen it; 0 when there is none
	own      []uuid.UUID                      // what this owner noted, or tried to since then
}

// maxTries bounds what an owner remembers of notes that had no answer.
const maxTries = 64

// Partition reads a partition's note, for an owner that goes on from there. knows
// reports whether a transaction is in the history that this owner goes on with.
func (m *Mirror) Partition(ctx context.Context, partition int, knows func(transaction uuid.UUID) bool) (*PartitionMirror, Noted, error) {
	p := &PartitionMirror{mirror: m, key: noteKey(partition), knows: knows}
	noted, err := p.read(ctx)
	if err != nil || noted.Found {
		return p, noted, err
	}
	noted.Former, err = m.former(ctx, partition)
	return p, noted, err
}

func noteKey(partition int) string { return "sent." + strconv.Itoa(partition) }

// former reads what older versions noted.
func (m *Mirror) former(ctx context.Context, partition int) (commits int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	entry, err := m.current().Get(ctx, strconv.Itoa(partition))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return 0, nil
	}
	if err == nil {
		commits, err = strconv.ParseInt(string(entry.Value()), 10, 64)
	}
	if err != nil {
		return 0, fmt.Errorf("reading the mirrored commits of partition %d: %w", partition, err)
	}
	return commits, nil
}

// Put notes the last transaction that announced a POST. The error is
// ledger.ErrOtherHistory when somebody has noted a transaction meanwhile that this
// owner does not know: then nothing was noted, and nothing may be sent. Any other
// error says that the mirror could not be reached. It may be repeated.
func (p *PartitionMirror) Put(ctx context.Context, sent ledger.Sent) error {
	if !slices.Contains(p.own, sent.Transaction) {
		p.own = append(p.own[max(0, len(p.own)-maxTries):], sent.Transaction)
	}
	err := p.write(ctx, sent)
	if err != nil {
		// Perhaps an earlier note did arrive and only its answer was lost, or the owner
		// before was late with its last.
		err = p.writeAgain(ctx, sent, err)
	}
	if err != nil {
		return fmt.Errorf("mirroring transaction %s of partition %s: %w", sent.Transaction, p.key, err)
	}
	p.own, p.knows = append(p.own[:0], sent.Transaction), knowsNone
	return nil
}

func knowsNone(uuid.UUID) bool { return false }

func (p *PartitionMirror) writeAgain(ctx context.Context, sent ledger.Sent, cause error) error {
	if errors.Is(cause, ErrForeignStream) {
		return fmt.Errorf("%w: %w", ledger.ErrOtherHistory, cause)
	}
	former := p.revision
	noted, err := p.read(ctx)
	if err != nil {
		// A bucket that was removed is recreated; one that is away is not.
		if openErr := p.mirror.open(ctx); openErr != nil {
			return errors.Join(cause, openErr)
		}
		if noted, err = p.read(ctx); err != nil {
			return errors.Join(cause, err)
		}
	}
	switch {
	case p.revision == former:
		// Nobody else has noted anything.
	case noted.Found && !p.knows(noted.Transaction) && !slices.Contains(p.own, noted.Transaction):
		return fmt.Errorf("%w (it is transaction %s)", ledger.ErrOtherHistory, noted.Transaction)
	}
	return p.write(ctx, sent)
}

// Moved reads the note again and reports whether anybody has written it since it was
// read or put last.
func (p *PartitionMirror) Moved(ctx context.Context) (bool, error) {
	before := p.revision
	_, err := p.read(ctx)
	return p.revision != before, err
}

func (p *PartitionMirror) write(ctx context.Context, sent ledger.Sent) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := p.mirror.compare(ctx); err != nil {
		return err
	}
	value, err := json.Marshal(note{Transaction: sent.Transaction, Commits: sent.Commits, SlowestMS: sent.Slowest.Milliseconds()})
	if err != nil {
		return err
	}
	var revision uint64
	if p.revision == 0 {
		revision, err = p.mirror.current().Create(ctx, p.key, value) // also where it was deleted
	} else {
		revision, err = p.mirror.current().Update(ctx, p.key, value, p.revision)
	}
	if err == nil {
		p.revision = revision
	}
	return err
}

func (p *PartitionMirror) read(ctx context.Context) (noted Noted, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := p.mirror.compare(ctx); err != nil {
		return Noted{}, err
	}
	entry, err := p.mirror.current().Get(ctx, p.key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		p.revision = 0
		return Noted{}, nil
	}
	if err != nil {
		return Noted{}, fmt.Errorf("reading the note %s of the mirror: %w", p.key, err)
	}
	var stored note
	if err := json.Unmarshal(entry.Value(), &stored); err != nil {
		return Noted{}, fmt.Errorf("reading the note %s of the mirror: %w", p.key, err)
	}
	p.revision = entry.Revision()
	return Noted{Found: true, Sent: ledger.Sent{
		Transaction: stored.Transaction, Commits: stored.Commits, Slowest: time.Duration(stored.SlowestMS) * time.Millisecond,
	}}, nil
}
