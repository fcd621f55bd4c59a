package delivery

import (
	"os"
	"regexp"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

// TestPhasesAreDrawn: the diagram for people has the transitions that the program allows.
func TestPhasesAreDrawn(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/life-of-a-mutation.md")
	require.NoError(t, err)
	drawn := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^ +([a-z]+) --> ([a-z]+):`).FindAllStringSubmatch(string(page), -1) {
		drawn[match[1]+" "+match[2]] = true
	}
	allowed := map[string]bool{}
	for from, after := range phasesAfter {
		for _, to := range after {
			allowed[phase(from).String()+" "+to.String()] = true
		}
	}
	require.Equal(t, allowed, drawn)
}

func TestIllegalTransitionPanics(t *testing.T) {
	t.Parallel()
	f := &openBatch{batch: ledger.Batch{ID: uuid.New()}}
	require.Panics(t, func() { f.to(phaseSending) }, "nothing is sent that is not recorded")
	require.Equal(t, phaseRecording, f.phase)
	f.to(phaseReady)
	f.to(phaseSending)
	require.Panics(t, func() { f.to(phaseConcluding) })
}
