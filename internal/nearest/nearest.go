// Package nearest finds the known name that a mistyped one was most likely meant to be.
package nearest

// maxLength bounds the names that are compared, in runes: the time grows with its square.
const maxLength = 64

// To is the known name nearest to a name, "" when none is near: more than a third of it,
// and of two runes of a short one, would have to change. Of several the first is taken.
func To(name string, known []string) string {
	want := []rune(name)
	if len(want) > maxLength {
		return ""
	}
	best, least := "", max(len(want)/3, 2)+1
	for _, candidate := range known {
		have := []rune(candidate)
		if len(have) > maxLength || len(have)-len(want) >= least || len(want)-len(have) >= least {
			continue
		}
		if d := distance(want, have); d < least && d < max(len(want), len(have)) {
			best, least = candidate, d
		}
	}
	return best
}

// distance is Levenshtein's: how many runes are to be put in, taken out or replaced.
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j]+1, row[j+1]+1, change)
		}
	}
	return row[len(b)]
}
