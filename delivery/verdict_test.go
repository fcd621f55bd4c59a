package delivery

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/platform"
)

// What is known of a record comes together from several POSTs and several handles.
func TestVerdictsOfSeveralPostsAndHandles(t *testing.T) {
	t.Parallel()
	said := func(outcomes ...platform.Outcome) []platform.Verdict {
		verdicts := make([]platform.Verdict, len(outcomes))
		for i, o := range outcomes {
			verdicts[i].Outcome = o
		}
		return verdicts
	}
	doubt := []platform.Verdict{{Errors: []ledger.Issue{{Message: "of whom?"}}}, {Errors: []ledger.Issue{{Message: "of whom?"}}}}
	for name, c := range map[string]struct {
		posts      []post
		handles    []*handle
		want       []platform.Outcome
		incomplete bool
	}{
		"one POST, one handle": {
			posts:   []post{{number: 1}},
			handles: []*handle{{attempt: 1, verdicts: said(platform.Succeeded, platform.Failed)}},
			want:    []platform.Outcome{platform.Succeeded, platform.Failed},
		},
		"several handles share the batch: the worst counts": {
			posts: []post{{number: 1}},
			handles: []*handle{
				{attempt: 1, verdicts: said(platform.Succeeded, platform.Succeeded)},
				{attempt: 1, verdicts: said(platform.Failed, platform.Succeeded)},
			},
			want: []platform.Outcome{platform.Failed, platform.Succeeded},
		},
		"a handle that led nowhere leaves all unknown": {
			posts: []post{{number: 1}},
			handles: []*handle{
				{attempt: 1, verdicts: said(platform.Succeeded, platform.Failed)}, {attempt: 1},
			},
			want: []platform.Outcome{platform.Unknown, platform.Failed},
		},
		"several POSTs carried the same: the best counts": {
			posts: []post{{number: 1}, {number: 3}},
			handles: []*handle{
				{attempt: 1, verdicts: said(platform.Succeeded, platform.Failed)},
				{attempt: 3, verdicts: said(platform.Failed, platform.Unknown)},
			},
			want: []platform.Outcome{platform.Succeeded, platform.Failed},
		},
		"refused in the answer to the POST": {
			posts:   []post{{number: 1, notes: said(platform.Unknown, platform.Failed)}},
			handles: []*handle{{attempt: 1, verdicts: said(platform.Succeeded, platform.Succeeded)}},
			want:    []platform.Outcome{platform.Succeeded, platform.Failed},
		},
		"doubt in the answer to the POST": {
			posts:      []post{{number: 1, notes: doubt}},
			handles:    []*handle{{attempt: 1, verdicts: said(platform.Succeeded, platform.Failed)}},
			want:       []platform.Outcome{platform.Unknown, platform.Failed},
			incomplete: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &openBatch{posts: c.posts, handles: c.handles}
			f.batch.Records = make([]catalog.Record, 2)
			verdicts, incomplete := f.verdicts()
			for i, want := range c.want {
				require.Equal(t, want, verdicts[i].Outcome, "record %d", i)
			}
			require.Equal(t, c.incomplete, incomplete)
		})
	}
}

// What a POST's answer said of single records survives a take-over.
func TestNotesSurvive(t *testing.T) {
	t.Parallel()
	verdicts := []platform.Verdict{
		{},
		{Outcome: platform.Failed, Errors: []ledger.Issue{{Code: "1", Message: "no"}}},
		{Warnings: []ledger.Issue{{Message: "odd"}}},
		{Errors: []ledger.Issue{{Message: "of whom?"}}},
	}
	back, err := decodeNotes(encodeNotes(verdicts), len(verdicts))
	require.NoError(t, err)
	require.Equal(t, verdicts, back)
	require.Nil(t, encodeNotes(make([]platform.Verdict, 3)))
}
