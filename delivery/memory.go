package delivery

import (
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
)

// memory is the engine's share of the worker's Budget, and what it is being used for.
type memory struct {
	budget *Budget
	flow   throughput
	// leaving are mutations that the batcher has let go and that no job has yet.
	leaving      []*catalog.Mutation
	waitingBytes int64 // this engine's share of the budget's waiting bytes
	leavingBytes int64 // of those that leave
	flowShare    int64 // and of its flow
}

// waits brings the share of what waits, and of the flow, up to date.
func (m *memory) waits(bytes int64, now time.Time) {
	m.budget.waiting.Add(bytes - m.waitingBytes)
	m.waitingBytes = bytes
	flow := int64(m.flow.perSecond(now))
	m.budget.changeFlow(m.flowShare, flow)
	m.flowShare = flow
}

// addLeaving counts memory that is free once a transaction is committed.
func (m *memory) addLeaving(bytes int64) {
	m.leavingBytes += bytes
	m.budget.leaving.Add(bytes)
}

// release returns the whole share.
func (m *memory) release() {
	m.budget.waiting.Add(-m.waitingBytes)
	m.budget.leaving.Add(-m.leavingBytes)
	m.budget.changeFlow(m.flowShare, 0)
	m.waitingBytes, m.leavingBytes, m.flowShare = 0, 0, 0
}
