package batcher_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/catalog-courier/catalog-courier/batcher"
	"github.com/catalog-courier/catalog-courier/catalog"
)

// prepared makes mutations of so many items, in turn.
func prepared(count, items int, lane catalog.Lane) []*catalog.Mutation {
	var p producer
	ms := make([]*catalog.Mutation, count)
	for i := range ms {
		ms[i] = p.update(lane, fmt.Sprint("item", i%items), start)
	}
	return ms
}

// BenchmarkAddCutRelease is the whole way of mutations of different items.
func BenchmarkAddCutRelease(b *testing.B) {
	const count = 100_000
	ms := prepared(count, count, products)
	now := start
	b.ReportAllocs()
	for b.Loop() {
		pending := newBatcher(testLane(products, 1000))
		for _, m := range ms {
			pending.Add(m, now)
			for batch, ok := pending.Cut(account, now); ok; batch, ok = pending.Cut(account, now) {
				release(pending, batch, now)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*count), "ns/mutation")
}

// BenchmarkBacklog adds a backlog first and cuts it afterwards.
func BenchmarkBacklog(b *testing.B) {
	const count = 200_000
	ms := prepared(count, count, products)
	b.ReportAllocs()
	for b.Loop() {
		pending := newBatcher(testLane(products, 1000))
		for _, m := range ms {
			pending.Add(m, start)
		}
		for batch, ok := pending.Cut(account, start); ok; batch, ok = pending.Cut(account, start) {
			release(pending, batch, start)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*count), "ns/mutation")
}

// BenchmarkHotItems merges into items that wait.
func BenchmarkHotItems(b *testing.B) {
	const count = 100_000
	ms := prepared(count, 500, products)
	b.ReportAllocs()
	for b.Loop() {
		pending := newBatcher(testLane(products, 1000))
		for _, m := range ms {
			pending.Add(m, start)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*count), "ns/mutation")
}

// BenchmarkTenThousandGroups has each mutation in another group than the last one.
func BenchmarkTenThousandGroups(b *testing.B) {
	const groups, rounds = 10_000, 10
	var p producer
	lanes := make([]batcher.Lane, groups)
	for i := range lanes {
		lanes[i] = testLane(catalog.Lane{Account: "acme", Catalog: fmt.Sprint("c", i), Type: "RETAIL"}, 5)
	}
	ms := make([]*catalog.Mutation, 0, groups*rounds)
	for round := range rounds {
		for i := range lanes {
			ms = append(ms, p.update(lanes[i].Key, fmt.Sprint("item", round), start.Add(time.Duration(len(ms))*time.Microsecond)))
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		pending := newBatcher(lanes...)
		for _, m := range ms {
			pending.Add(m, m.ReceivedAt)
			for batch, ok := pending.Cut(account, m.ReceivedAt); ok; batch, ok = pending.Cut(account, m.ReceivedAt) {
				release(pending, batch, m.ReceivedAt)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(ms)), "ns/mutation")
}

// BenchmarkMemory measures what a waiting mutation takes beside itself.
func BenchmarkMemory(b *testing.B) {
	const count = 500_000
	ms := prepared(count, count, products)
	var overhead float64
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		pending := newBatcher(testLane(products, 1000))
		for _, m := range ms {
			pending.Add(m, start)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		overhead = float64(after.HeapAlloc-before.HeapAlloc) / count
		runtime.KeepAlive(pending)
	}
	b.ReportMetric(overhead, "B/mutation")
	b.ReportMetric(float64(unsafe.Sizeof(catalog.Mutation{})), "B/Mutation-itself")
}
