package rig

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/config"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
	"github.com/catalog-courier/catalog-courier/platform/meta/metasim"
	"github.com/catalog-courier/catalog-courier/platform/pinterest/pinterestsim"
)

// expectation is what platforms come to that get the published mutations one at a
// time, in order.
type expectation struct {
	config    *config.Config
	pinterest *pinterestsim.Platform
	meta      *metasim.Platform
	lanes     map[catalog.Lane]struct{}
	// refused are the sequences whose mutation the platform refuses then, too.
	refused map[uint64]bool
}

func (b *Bed) newExpectation() *expectation {
	honest := func(o sandbox.Options) sandbox.Options {
		return sandbox.Options{Existing: o.Existing, SkipValidation: o.SkipValidation, AllowIncomplete: o.AllowIncomplete}
	}
	e := &expectation{
		config:    b.Config("", nil),
		pinterest: pinterestsim.New(honest(b.options.Pinterest)), meta: metasim.New(honest(b.options.Meta)),
		lanes: map[catalog.Lane]struct{}{}, refused: map[uint64]bool{},
	}
	b.tb.Cleanup(e.pinterest.Close)
	b.tb.Cleanup(e.meta.Close)
	return e
}

// apply applies one mutation at once.
func (e *expectation) apply(m *catalog.Mutation) error {
	e.lanes[m.Lane] = struct{}{}
	apply := e.meta.Apply
	if e.config.Accounts[m.Lane.Account].Platform == "pinterest" {
		apply = e.pinterest.Apply
	}
	err := apply(catalogKey(e.config, m.Lane), m.Lane.Type, m)
	if errors.Is(err, sandbox.ErrNotApplied) {
		e.refused[m.Position.Sequence] = true
		return nil
	}
	return err
}

// items are the items of a lane on either pair of platforms.
func (e *expectation) items(lane catalog.Lane, pinterest *pinterestsim.Platform, meta *metasim.Platform) map[string]string {
	if e.config.Accounts[lane.Account].Platform == "pinterest" {
		return pinterest.Items(catalogKey(e.config, lane), lane.Type)
	}
	return meta.Items(catalogKey(e.config, lane), lane.Type)
}

// Items are the items of a lane on the simulated platform.
func (b *Bed) Items(lane catalog.Lane) map[string]string {
	b.tb.Helper()
	e := expectation{config: b.Config("", nil)}
	return e.items(lane, b.Pinterest, b.Meta)
}

// checkState is I2. apart are the items of which the platform's last word is not
// known, or that its rules refuse.
func (b *Bed) checkState(e *expectation, apart map[catalog.ItemKey]bool) {
	b.tb.Helper()
	const show = 10
	var differences []string
	for lane := range e.lanes {
		want, have := e.items(lane, e.pinterest, e.meta), e.items(lane, b.Pinterest, b.Meta)
		both := maps.Clone(want)
		maps.Copy(both, have)
		for _, id := range slices.Sorted(maps.Keys(both)) {
			if want[id] != have[id] && !apart[catalog.ItemKey{Lane: lane, ItemID: id}] {
				differences = append(differences, fmt.Sprintf("%v %s: want %s, have %s", lane, id, want[id], have[id]))
			}
		}
	}
	total := len(differences)
	require.Zero(b.tb, total, "I2: the platforms' state differs from the mutations applied one at a time, such as: %v",
		differences[:min(total, show)])
}
