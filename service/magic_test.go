package service_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/test/rig"
)

// magic is what a user sees of an item whose id has an ending.
type magic struct {
	// meanwhile is what a column of a view shows before the end: of account_status when it
	// has a state, of mutation_status otherwise.
	account  string
	mutation string
	status   string // in the end; "" where that is more than a minute away
	attempts int    // at least
	says     map[string]string
	warns    map[string]string
	reason   catalog.Reason
	applied  bool
	onMeta   *magic // where it differs
}

var (
	rejects = map[string]string{rig.PinterestAccount: "Title is missing from product metadata.", rig.MetaAccount: "The price information under"}
	warns   = map[string]string{rig.PinterestAccount: "An additional image could not be downloaded.", rig.MetaAccount: "Unrecognised field"}
)

var seen = map[string]magic{
	"-REJECTED": {status: "failed", attempts: 1, says: rejects, reason: catalog.Refused},
	"-WARNING":  {status: "succeeded", attempts: 1, warns: warns, applied: true},
	"-OMITTED":  {status: "unconfirmed", attempts: 3, reason: catalog.Unconfirmed, applied: true, onMeta: &magic{status: "failed", attempts: 1, reason: catalog.Refused}},
	"-SLOW":     {mutation: "submitted", status: "succeeded", attempts: 1, applied: true},
	"-SILENT":   {mutation: "submitted", status: "succeeded", attempts: 2, applied: true},
	"-FAILED":   {status: "succeeded", attempts: 2, applied: true},
	"-400":      {status: "failed", attempts: 1, reason: catalog.Refused},
	"-401":      {account: "paused", status: "succeeded", attempts: 2, applied: true},
	"-403":      {account: "paused", status: "succeeded", attempts: 2, applied: true},
	"-429":      {account: "throttled"},
	"-500":      {status: "succeeded", attempts: 2, applied: true},
	"-OUTAGE":   {status: "succeeded", attempts: 2, applied: true},
	"-LOST":     {status: "succeeded", attempts: 2, applied: true},
}

// TestMagicEndings publishes an item with each ending to both platforms, beside one
// without, which always succeeds.
func TestMagicEndings(t *testing.T) {
	t.Parallel()
	endings := sandbox.Endings()
	require.Len(t, seen, len(endings), "each ending has a test")
	for _, ending := range endings {
		t.Run(ending.Suffix, func(t *testing.T) {
			t.Parallel()
			expected, tested := seen[ending.Suffix]
			require.True(t, tested)
			env := rig.Start(t, rig.Options{
				Pinterest: sandbox.Options{Magic: true}, Meta: sandbox.Options{Magic: true},
				Settings: batched(rig.Settings{"defaults.retry.max_attempts": 3, "defaults.poll.give_up": "12s"}),
			})
			env.StartWorker("a", rig.WorkerOptions{})
			for _, lane := range []catalog.Lane{rig.Retail, rig.Products} {
				id := "LAMP" + ending.Suffix
				ids := env.Publish(together(lane, id, "LAMP-GOOD")...)
				expected := expected
				if expected.onMeta != nil && lane == rig.Products {
					expected = *expected.onMeta
				}
				expected.watch(t, env, lane, ids[0])
				if expected.status == "" {
					continue
				}
				expected.hold(t, env, lane, id, env.AwaitStatus(ids[0], expected.status, 2*patience))
				env.AwaitStatus(ids[1], "succeeded", patience)
			}
			if expected.status == "succeeded" { // the oracle does not know the endings
				env.CheckInvariants()
			}
		})
	}
}

// watch waits for what can be seen before the end.
func (m magic) watch(t *testing.T, env *rig.Env, lane catalog.Lane, mutation string) {
	t.Helper()
	if m.account != "" {
		env.Await(lane.Account+" is "+m.account, patience, func() bool {
			return env.Count(`SELECT count(*) FROM courier.account_status WHERE account = $1 AND state = $2`, lane.Account, m.account) == 1
		})
	}
	if m.mutation != "" {
		env.AwaitStatus(mutation, m.mutation, patience)
	}
}

func (m magic) hold(t *testing.T, env *rig.Env, lane catalog.Lane, id string, s rig.Status) {
	t.Helper()
	require.GreaterOrEqual(t, s.Attempts, m.attempts)
	if m.says != nil {
		require.NotEmpty(t, s.Errors)
		require.Contains(t, s.Errors[0].Message, m.says[lane.Account])
	}
	if m.warns != nil {
		require.NotEmpty(t, s.Warnings)
		require.Contains(t, s.Warnings[0].Message, m.warns[lane.Account])
	}
	_, applied := env.Items(lane)[id]
	require.Equal(t, m.applied, applied, "the platform has it")
	letters := 0
	for _, letter := range deadLetters(t, env) {
		if letter.Lane == lane {
			require.Equal(t, m.reason, letter.Reason)
			letters++
		}
	}
	require.Equal(t, m.reason != "", letters == 1, "a dead letter")
}

// TestMagicIsOffByDefault: an id may end as it likes.
func TestMagicIsOffByDefault(t *testing.T) {
	t.Parallel()
	env := rig.Start(t, rig.Options{})
	env.StartWorker("a", rig.WorkerOptions{})
	all := make([]string, 0, 2*len(sandbox.Endings()))
	for _, ending := range sandbox.Endings() {
		for _, lane := range []catalog.Lane{rig.Retail, rig.Products} {
			all = append(all, env.Publish(together(lane, "LAMP"+ending.Suffix)...)...)
		}
	}
	env.AwaitFinal(len(all), patience)
	require.Equal(t, map[string]int{"succeeded": len(all)}, env.CheckInvariants())
	for kind := range env.Meta.Counters().Faults {
		t.Errorf("a fault happened: %s", kind)
	}
}
