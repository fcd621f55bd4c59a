package meta

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestReasonsAndFailuresHaveTheSameCodes: each code of the table of failures has a cure, and
// no cure is for a code that is not in it.
func TestReasonsAndFailuresHaveTheSameCodes(t *testing.T) {
	t.Parallel()
	codes := 0
	for _, row := range failures() {
		if row.Code == 0 {
			continue
		}
		codes++
		covered := false
		for _, r := range reasons() {
			fits := !r.Item && r.Code != 0 && r.Code <= row.Code && max(row.Code, row.CodeTo) <= max(r.Code, r.CodeTo)
			covered = covered || fits && (r.Word == "" || r.Word == row.word) && (r.Subcode == 0 || r.Subcode == row.Subcode)
		}
		assert.True(t, covered, "code %d of failures has no cure: %s", row.Code, row.Source)
	}
	require.NotZero(t, codes)
	for _, r := range reasons() {
		met := r.Item
		for _, row := range failures() {
			switch {
			case r.Code == 0:
				met = met || row.Code == 0 && row.Status == r.Status
			case row.Code != 0:
				met = met || row.Code <= max(r.Code, r.CodeTo) && max(row.Code, row.CodeTo) >= r.Code
			}
		}
		assert.True(t, met, "no failure has the code %d, status %d", r.Code, r.Status)
		assert.Equal(t, strings.ToLower(r.Word), r.Word)
	}
}
