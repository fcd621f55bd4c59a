package ledger

import "time"

// slowestLine is how many bytes a second are written to a store at least.
const slowestLine = 256 << 10

// WriteTime is how much longer than the smallest transaction one may take that carries so many
// bytes, by the Size of its mutations. A store and whoever waits for it both go by it: with a limit
// of its own that grows more slowly, one of them would give up each time on a large transaction that
// the other still works on.
func WriteTime(bytes int64) time.Duration { return time.Duration(bytes/slowestLine) * time.Second }
