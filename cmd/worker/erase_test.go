package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

// TestEraseCommand asks before it erases, and says what stays.
func TestEraseCommand(t *testing.T) {
	t.Parallel()
	p := newPlant(t, sandbox.Options{})
	require.Zero(t, p.run(t, "migrate").code)
	p.work(t)
	p.publish(t, lamps(0, 2)...)
	eventually(t, "they are delivered", func() bool { return p.count(t, "WHERE status = 'succeeded'") == 2 })

	require.Equal(t, 2, p.run(t, "erase", "--item", "L-0").code)
	require.Equal(t, "nothing is kept of item L-9 of account demo-meta\n", p.run(t, "erase", "L-9", "--account", "demo-meta").out)
	require.Equal(t, 2, p.run(t, "erase", "--account", "demo-meta", "--item", "L-0", "--dry-run", "--yes").code)
	dry := p.run(t, "erase", "--account", "demo-meta", "--item", "L-0", "--dry-run")
	require.Zero(t, dry.code, dry.err)
	require.Contains(t, dry.out, "would be erased of item L-0 of account demo-meta:\n")
	require.Contains(t, dry.out, "  mutations without the item: 1\n")
	require.NotContains(t, dry.out, ": 0\n")
	asked := p.run(t, "erase", "--account", "demo-meta", "--item", "L-0")
	require.Equal(t, 1, asked.code)
	require.Contains(t, asked.err, "nothing was erased")
	require.Equal(t, 1, p.count(t, "WHERE item_id = 'L-0'"))

	done := p.run(t, "erase", "L-0", "--account", "demo-meta", "--yes")
	require.Zero(t, done.code, done.err)
	require.Contains(t, done.out, "What stays:")
	require.Contains(t, done.out, "24h0m0s old")
	require.Zero(t, p.count(t, "WHERE item_id = 'L-0'"))
	require.Equal(t, 1, p.count(t, "WHERE item_id = 'L-1'"))
}
