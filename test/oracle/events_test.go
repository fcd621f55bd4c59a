package oracle_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/test/oracle"
)

// told adds the event of each row.
func told(s *scene) *scene {
	s.Told = true
	for i, r := range s.Rows {
		s.Events = append(s.Events, oracle.Event{Key: r.Key, ID: fmt.Sprint("e", i), Status: r.Status, FinishedAt: r.FinishedAt})
	}
	return s
}

func TestEventsAreJudged(t *testing.T) {
	t.Parallel()
	s := told(newScene(t))
	s.Events = append(s.Events, s.Events[1]) // at least once
	require.Empty(t, oracle.Check(s.History).Violations)
	for name, spoil := range map[string]func(*scene){
		"one is missing":          func(s *scene) { s.Events = s.Events[1:] },
		"one contradicts its row": func(s *scene) { s.Events[2].Status = "failed" },
		"one is of no row":        func(s *scene) { s.Events[2].Key.ID = "nobody" },
		"one more contradicts": func(s *scene) {
			s.Events = append(s.Events, oracle.Event{Key: s.Events[0].Key, ID: "x", Status: "invalid"})
		},
		"two outcomes have one id":  func(s *scene) { s.Events[2].ID = s.Events[1].ID },
		"no event at all was found": func(s *scene) { s.Events = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := told(newScene(t))
			spoil(s)
			violations := oracle.Check(s.History).Violations
			require.NotEmpty(t, violations)
			for _, v := range violations {
				require.Equal(t, oracle.OutcomesAreTold, v.Invariant)
			}
		})
	}
	s = told(newScene(t))
	s.Events, s.Rewound = s.Events[2:], true
	require.Empty(t, oracle.Check(s.History).Violations, "an older copy of the stream lacks events")
	s = told(newScene(t))
	s.Events[3].Status, s.Restored = "failed", began.Add(time.Hour)
	require.Empty(t, oracle.Check(s.History).Violations, "a restored database has forgotten what it told")
}
