package filled

import (
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/google/uuid"
	"github.com/klauspost/compress/zstd"
)

// day collects the rows of a day for COPY.
type day struct {
	on                                     time.Time
	mutations, batches, attempts, outcomes rows
	letters, waiting, outbox               rows
	random                                 *rand.Rand
	pack                                   *zstd.Encoder
	scratch                                []byte
	sequence                               *int64
	numbers                                []int64 // the commits of each partition
	made                                   int
	last                                   bool // some batches of the last day are open
	outboxLeft                             int
	letterID                               *int64
	span                                   time.Duration // from midnight, in which mutations came
}

// open is a batch that is being filled: several are at once, so that their places in the
// stream alternate.
type open struct {
	lane *lane
	size int
	at   time.Time
	id   uuid.UUID
}

func (d *day) fill(lanes []lane, mutations int) {
	const together = 8
	for d.made < mutations {
		batches := make([]open, 0, together)
		planned := d.made
		for range together {
			size := 20 << d.random.IntN(7) // to 1,280
			size += d.random.IntN(size)
			at := d.on.Add(time.Duration(float64(d.made) / float64(mutations) * float64(d.span)))
			size = min(size, mutations-planned)
			if size <= 0 {
				break
			}
			planned += size
			batches = append(batches, open{lane: draw(d.random, lanes), size: size, at: at, id: idAt(d.random, at)})
		}
		for i := range batches {
			d.batch(&batches[i], *d.sequence+int64(i)+1, together)
		}
		longest := 0
		for i := range batches {
			longest = max(longest, batches[i].size)
		}
		*d.sequence += int64(together * longest)
	}
}

// idAt makes a UUID version 7 of a time.
func idAt(random *rand.Rand, at time.Time) (id uuid.UUID) {
	binary.BigEndian.PutUint64(id[:8], uint64(at.UnixMilli())<<16|random.Uint64()&0xffff)
	binary.BigEndian.PutUint64(id[8:], random.Uint64())
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// How often what happens, in a thousand.
const (
	failing     = 20
	unconfirmed = 1
	warned      = 5
	invalid     = 1
	merged      = 30
)

func (d *day) batch(b *open, sequence int64, step int) {
	all := make([]*catalog.Mutation, b.size)
	for i := range all {
		all[i] = d.mutation(b, sequence+int64(i*step), i)
	}
	unfinished := d.last && d.random.IntN(100) == 0
	records, sum := d.records(b, all, unfinished)
	if len(records) == 0 {
		return
	}
	finished := b.at.Add(time.Duration(2+d.random.IntN(60)) * time.Second)
	if unfinished {
		finished = time.Time{}
	}
	d.batchRow(b, records, sum, finished)
	d.attempt(b, unfinished && d.random.IntN(2) == 0)
	if !unfinished {
		d.numbers[b.lane.partition]++
		d.outboxRow(b, finished)
	}
}

// tally is what became of a batch's records.
type tally struct{ mutations, failed, warned int }

// records makes the records of a batch, and the rows of its mutations.
func (d *day) records(b *open, all []*catalog.Mutation, unfinished bool) (records []catalog.Record, sum tally) {
	records = make([]catalog.Record, 0, b.size)
	for i := 0; i < len(all); i++ {
		m := all[i]
		if d.random.IntN(1000) < invalid {
			d.row(b, m, 2, -1, "")
			d.letter(b, m, uuid.Nil, string(catalog.InvalidValue), &failures[d.random.IntN(len(failures))], true)
			continue
		}
		record, constituents := len(records), all[i:i+1]
		if i+1 < len(all) && d.random.IntN(1000) < merged {
			// The next one is of the same item, and both are one record.
			i++
			constituents = all[i-1 : i+1]
			all[i].ItemID = m.ItemID
			d.row(b, m, 0, record, all[i].ID)
			m = all[i]
		}
		d.row(b, m, 0, record, "")
		records = append(records, catalog.Record{Constituents: constituents})
		sum.mutations += len(constituents)
		if !unfinished {
			d.end(b, m, record, &sum)
		}
	}
	return records, sum
}

// end draws what became of a record, whose last mutation is m.
func (d *day) end(b *open, m *catalog.Mutation, record int, sum *tally) {
	switch chance := d.random.IntN(1000); {
	case chance < failing:
		why := drawFailure(d.random)
		d.outcome(b.id, record, 2, `[{"code":"`+why.code+`","attribute":"`+why.attribute+`","message":"`+why.message+`"}]`, "")
		d.letter(b, m, b.id, string(catalog.Refused), why, false)
		sum.failed++
	case chance < failing+unconfirmed:
		d.outcome(b.id, record, 3, "", "")
		d.letter(b, m, b.id, string(catalog.Unconfirmed), &failure{message: "the platform never said what became of the item"}, false)
		sum.failed++
	case chance < failing+unconfirmed+warned:
		d.outcome(b.id, record, 1, "", `[{"code":"LOW_QUALITY_IMAGE","attribute":"image_link","message":"the image is small"}]`)
		sum.warned++
	}
}

// batchRow writes a batch; finished is zero for one that is open.
func (d *day) batchRow(b *open, records []catalog.Record, sum tally, finished time.Time) {
	d.scratch = ledger.EncodeRecords(d.scratch[:0], records)
	r := &d.batches
	r.begin(15)
	r.uuid(b.id)
	r.time(b.at)
	r.time(finished)
	r.int4(b.lane.partition)
	r.int4(b.lane.id)
	r.int4(len(records))
	r.int4(sum.mutations)
	r.int4(len(records) - sum.failed)
	r.int4(sum.failed)
	r.int4(sum.warned)
	if finished.IsZero() {
		r.null()
	} else {
		r.text(string(ledger.BatchCompleted))
	}
	r.text("")
	r.null()
	r.bytes(d.pack.EncodeAll(d.scratch, nil))
	r.time(b.at)
}

// attempt writes the only POST of a batch.
func (d *day) attempt(b *open, refused bool) {
	r := &d.attempts
	r.begin(9)
	r.uuid(b.id)
	r.int4(1)
	if refused {
		r.int2(3)
	} else {
		r.int2(1)
	}
	r.time(b.at.Add(time.Second))
	r.null()
	r.array(oidText, 1, func(int) { r.text("handle-" + b.id.String()[24:]) })
	r.null()
	if refused {
		r.text("503 Service Unavailable")
	} else {
		r.null()
	}
	r.null()
}

func (d *day) mutation(b *open, sequence int64, i int) *catalog.Mutation {
	at := b.at.Add(-time.Duration(b.size-i) * time.Millisecond)
	id := idAt(d.random, at).String()
	item := "SKU-" + strconv.Itoa(100_000+d.random.IntN(b.lane.items))
	operation := catalog.Operation(2)
	if d.random.IntN(50) == 0 {
		operation = 4
	}
	data := make([]byte, 0, 128)
	data = append(data, `{"id":"`...)
	data = append(data, id...)
	data = append(data, `","item_id":"`...)
	data = append(data, item...)
	data = append(data, `","operation":"UPSERT","attributes":{"price":"24.99 USD"}}`...)
	return &catalog.Mutation{
		ID: id, ItemID: item, Operation: operation, Lane: catalog.Lane{Account: b.lane.account, Catalog: b.lane.catalog, Type: catalog.Type(b.lane.catalogType)},
		Attributes: data[len(data)-22 : len(data)-1], PublishedAt: at.Add(-50 * time.Millisecond), ReceivedAt: at, RecordedOn: d.on,
		Position: catalog.Position{Sequence: uint64(sequence)}, //nolint:gosec // counts up
		Message:  catalog.Message{Subject: b.lane.subject, Data: data},
	}
}

func (d *day) row(b *open, m *catalog.Mutation, state, record int, supersededBy string) {
	r := &d.mutations
	r.begin(17)
	r.int8(int64(m.Position.Sequence)) //nolint:gosec // counts up
	r.int8(m.PublishedAt.UnixNano())
	r.time(m.ReceivedAt)
	r.date(d.on)
	r.int4(b.lane.id)
	r.int4(0)
	if record < 0 {
		r.null()
	} else {
		r.int4(record)
	}
	r.int2(int(m.Operation))
	r.int2(state)
	r.int2(0)
	if record < 0 {
		r.null()
	} else {
		r.uuid(b.id)
	}
	r.text(m.ID)
	r.text(m.ItemID)
	r.null()
	r.textOrNull(supersededBy)
	r.null()
	r.null()
	d.made++
}

func (d *day) outcome(batch uuid.UUID, record, result int, errors, warnings string) {
	r := &d.outcomes
	r.begin(5)
	r.uuid(batch)
	r.int4(record)
	r.int2(result)
	r.json(errors)
	r.json(warnings)
}

func (d *day) letter(b *open, m *catalog.Mutation, batch uuid.UUID, reason string, why *failure, itsErrors bool) {
	*d.letterID++
	r := &d.letters
	r.begin(17)
	r.int8(int64(m.Position.Sequence)) //nolint:gosec // counts up
	r.time(b.at.Add(30 * time.Second))
	if d.random.IntN(4) == 0 {
		r.time(b.at.Add(time.Hour))
	} else {
		r.null()
	}
	r.uuid(batch)
	r.int4(b.lane.id)
	r.int4(0)
	r.int2(int(m.Operation))
	r.text(m.ID)
	r.text(m.ItemID)
	r.null()
	r.text(b.lane.subject)
	r.text(reason)
	r.textOrNull(why.attribute)
	r.text(why.message)
	r.array(oidBytea, 2, func(i int) { r.bytes([]byte([]string{"Nats-Msg-Id", m.ID}[i])) })
	r.bytes(m.Message.Data)
	if itsErrors {
		r.json(`[{"code":"` + reason + `","attribute":"` + why.attribute + `","message":"` + why.message + `"}]`)
	} else {
		r.null()
	}
}

func (d *day) waitingRow(l *lane, sequence int64, at time.Time) {
	b := &open{lane: l, size: 1, at: at}
	m := d.mutation(b, sequence, 0)
	d.row(b, m, 1, -1, "")
	r := &d.waiting
	r.begin(5)
	r.int4(l.id)
	r.int4(0)
	r.int8(sequence)
	r.time(m.ReceivedAt)
	r.bytes(d.pack.EncodeAll(ledger.EncodeMutation(nil, m), nil))
}

func (d *day) outboxRow(b *open, finished time.Time) {
	if d.outboxLeft == 0 {
		return
	}
	d.outboxLeft--
	r := &d.outbox
	r.begin(4)
	r.int4(b.lane.partition)
	r.int8(d.numbers[b.lane.partition])
	r.time(finished)
	r.array(oidUUID, 1, func(int) { r.uuid(b.id) })
}
