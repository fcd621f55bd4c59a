package delivery

import "sync/atomic"

// Budget bounds the memory that the engines of one worker hold in messages: half
// for batches that are open, an eighth for what waits. More would be of little use:
// what may be sent soon fits into that, and what may not is kept in the database.
// The rest is for what belongs to them. It counts mutations by their Size, which is not
// exact.
type Budget struct {
	mostOpen    int64
	mostWaiting int64
	waiting     atomic.Int64
	leaving     atomic.Int64 // what no longer waits in memory, and is not written yet
	open        atomic.Int64
	unsent      atomic.Int64 // of open batches, those with a slot whose POST has not ended
	unsending   atomic.Int64 // accounts that have some of it
	flow        atomic.Int64 // records a second that are cut, by all engines
	flowing     atomic.Int64 // engines that have a part in it worth mentioning
}

// NewBudget makes a budget of limit bytes.
func NewBudget(limit int64) *Budget { return &Budget{mostOpen: limit / 2, mostWaiting: limit / 8} }

// waitingFull reports that waiting messages must be spilled.
func (b *Budget) waitingFull() bool { return b.waiting.Load() > b.mostWaiting }

// waitingMuch reports that engines with a steady flow should read no further, so
// that memory does not get short.
func (b *Budget) waitingMuch() bool { return b.waiting.Load() > b.mostWaiting/2 }

// intakeFull reports that no more may be read, by an engine that has so many bytes of
// its own, until some were written. One flood alone leaves room for other partitions.
func (b *Budget) intakeFull(own int64) bool {
	return own > b.mostWaiting || b.waiting.Load()+b.leaving.Load() > b.mostWaiting+b.mostWaiting/2
}

// mostInJob is how many bytes of messages one transaction is meant to carry. Packed for
// Postgres they take as much memory again, and what others have to record comes after.
func (b *Budget) mostInJob() int64 {
	const least, most = 4 << 20, 32 << 20
	return min(max(b.mostWaiting/8, least), most)
}

// mostLeaving is how many bytes of what leaves are written in one transaction: what
// other accounts have to record comes after it.
func (b *Budget) mostLeaving() int64 { return b.mostWaiting / 16 }

// openFull reports that no further batch may be cut by an account that has one.
func (b *Budget) openFull() bool { return b.open.Load() > b.mostOpen }

// unsentMuch reports that what was cut waits for Postgres and for answers to its POSTs, so that
// another batch would only take memory, of an account that has so many bytes of its own there.
// One with less than an even share may go on: others may be slow.
func (b *Budget) unsentMuch(own int64) bool {
	most := b.mostOpen / 16
	return b.unsent.Load() > most && own > most/max(b.unsending.Load(), 1)
}

// addUnsent notes that the account has more bytes unsent, or less.
func (b *Budget) addUnsent(a *accountState, bytes int64) {
	before := a.unsent
	a.unsent += bytes
	b.unsent.Add(bytes)
	switch {
	case before == 0 && a.unsent > 0:
		b.unsending.Add(1)
	case before > 0 && a.unsent == 0:
		b.unsending.Add(-1)
	}
}

// overShare reports that one account has its share of the memory for open batches.
func (b *Budget) overShare(bytes int64) bool { return bytes > b.mostOpen/2 }

// fair reports that the worker is busy sending and that an engine which sends that
// many records a second has its part in it: an eighth of an even share at least, as
// the platforms' batches differ in size.
func (b *Budget) fair(perSecond int) bool {
	const part = 8
	all := b.flow.Load()
	return all >= busyFlow && part*int64(perSecond)*max(b.flowing.Load(), 1) >= all
}

// changeFlow replaces what an engine added to the flow.
func (b *Budget) changeFlow(before, after int64) {
	b.flow.Add(after - before)
	switch was, is := before >= leastFlow, after >= leastFlow; {
	case is && !was:
		b.flowing.Add(1)
	case was && !is:
		b.flowing.Add(-1)
	}
}

// leastFlow is from how many records a second on an engine counts among those that
// share the machine.
const leastFlow = 100
