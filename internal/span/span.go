// Package span reads how long something is to last, or until when, as people write it.
package span

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// shortest is the shortest length that is taken.
const shortest = time.Second

var (
	errLength = errors.New("is not a length: write 30m, 2h, 1h30m, 7d or 2w, at least 1s")
	errTime   = errors.New("is not a time: write 2026-12-01T10:00Z, or 2026-12-01T10:00 in your own time zone")
	errPoint  = errors.New("is not a time: write 2h, 7d, 2026-11-28 or 2026-11-28T09:00:00Z")
	errPast   = errors.New("is over already")
)

// Length reads a length, such as 90s, 30m, 1h30m, 7d or 2w.
func Length(text string) (time.Duration, error) {
	for suffix, unit := range map[string]time.Duration{"d": day, "w": 7 * day} {
		number, found := strings.CutSuffix(text, suffix)
		if !found {
			continue
		}
		count, err := strconv.ParseInt(number, 10, 64)
		if err != nil || count < 1 || count > math.MaxInt64/int64(unit) {
			return 0, errLength
		}
		return time.Duration(count) * unit, nil
	}
	length, err := time.ParseDuration(text)
	if err != nil || length < shortest {
		return 0, errLength
	}
	return length, nil
}

// Until reads a time after now. One without a zone is in the one given.
func Until(text string, zone *time.Location, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		at, err := time.ParseInLocation(layout, text, zone)
		switch {
		case err != nil:
		case !at.After(now):
			return time.Time{}, errPast
		default:
			return at, nil
		}
	}
	return time.Time{}, errTime
}

// Since reads a time, or how long ago it was, such as 2h or 7d. A time without a zone is in
// the one given.
func Since(text string, zone *time.Location, now time.Time) (time.Time, error) {
	for suffix, days := range map[string]int{"d": 1, "w": 7} {
		number, found := strings.CutSuffix(text, suffix)
		if !found {
			continue
		}
		if count, err := strconv.ParseUint(number, 10, 16); err == nil {
			return now.AddDate(0, 0, -int(count)*days), nil
		}
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02T15:04Z07:00", "2006-01-02T15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, zone); err == nil {
			return at, nil
		}
	}
	return time.Time{}, errPoint
}

// Words says a length in words, such as 2 hours or 1 day 12 hours.
func Words(length time.Duration) string {
	var parts []string
	for _, unit := range []struct {
		name string
		of   time.Duration
	}{{"day", day}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}} {
		count := length / unit.of
		length %= unit.of
		if count == 0 {
			continue
		}
		name := unit.name
		if count > 1 {
			name += "s"
		}
		parts = append(parts, strconv.FormatInt(int64(count), 10)+" "+name)
	}
	return strings.Join(parts, " ")
}
