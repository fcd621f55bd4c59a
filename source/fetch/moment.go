package fetch

import (
	"fmt"
	"net/http"
	"time"
)

// earliest is the first time that is believed of a file: clocks that were never set and
// file systems without times say 1970 or 1980.
var earliest = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// longestSkew is by how much a server's clock may differ before it is corrected.
const longestSkew = time.Minute

// modification is the time of content that was modified at modified by its source's clock.
// asked is when it was asked for and now when the answer came, by the clock of this machine; header may have
// the source's clock.
func modification(modified, asked, now time.Time, header http.Header) (time.Time, []string) {
	var notes []string
	if skew, known := skewOf(header, asked, now); known && skew.Abs() > longestSkew {
		direction := "ahead of"
		if skew < 0 {
			direction = "behind"
		}
		notes = append(notes, fmt.Sprintf("the source's clock is %s %s the clock of this machine; its times were corrected by that", skew.Abs().Round(time.Second), direction))
		modified = modified.Add(-skew)
	}
	switch {
	case modified.Before(earliest):
		return asked, notes
	case modified.After(now):
		if modified.Sub(now) > longestSkew {
			notes = append(notes, fmt.Sprintf("the feed's time of modification (%s) is in the future; the time of the fetch was taken", modified.UTC().Format(time.RFC3339)))
		}
		return now, notes
	}
	return modified, notes
}

// skewOf is by how much the source's clock is ahead. A cache repeats the Date of the source
// and says in Age how old it is.
func skewOf(header http.Header, asked, now time.Time) (time.Duration, bool) {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return 0, false
	}
	if age, err := time.ParseDuration(header.Get("Age") + "s"); err == nil && age > 0 {
		date = date.Add(age)
	}
	switch { // Date has whole seconds, and the answer was written between asked and now
	case date.Before(asked.Add(-time.Second)):
		return date.Sub(asked), true
	case date.After(now):
		return date.Sub(now), true
	}
	return 0, true
}
