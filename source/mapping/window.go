package mapping

import (
	"errors"
	"strings"
	"time"
)

var (
	errWindow     = errors.New("not a sale window: two ISO-8601 times joined by /")
	errWindowZone = errors.New("a time without a zone: set zone: for the source, as in zone: Europe/Warsaw")
)

// layouts of an instant, and of a time in the source's zone.
var (
	instants = []string{time.RFC3339, "2006-01-02T15:04Z0700", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04Z07:00", "2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04:05 Z0700"}
	locals   = []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"}
)

// parseWindow gives start/end as RFC 3339 times. A side may be open. A day begins at
// midnight of the zone and ends with its last second.
func parseWindow(start, end string, zone *time.Location) (string, error) {
	from, err := parseTime(start, zone, false)
	if err != nil {
		return "", err
	}
	to, err := parseTime(end, zone, true)
	if err != nil {
		return "", err
	}
	if from.IsZero() || to.IsZero() {
		// Platforms take whole windows only.
		if from.IsZero() {
			from = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
		}
		if to.IsZero() {
			to = time.Date(2099, 12, 31, 23, 59, 59, 0, time.UTC)
		}
	}
	if !from.Before(to) {
		return "", errors.New("a sale window that ends before it begins")
	}
	return from.Format(time.RFC3339) + "/" + to.Format(time.RFC3339), nil
}

func parseTime(text string, zone *time.Location, end bool) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return time.Time{}, nil
	}
	// A layout that does not fit costs the making of an error: the length tells most apart.
	for _, layout := range instants {
		if len(text) > len(time.DateOnly) && (text[10] == layout[10]) {
			if at, err := time.Parse(layout, text); err == nil {
				return at, nil
			}
		}
	}
	for _, layout := range locals {
		if _, err := time.Parse(layout, text); err != nil {
			continue
		}
		if zone == nil {
			return time.Time{}, errWindowZone
		}
		return time.ParseInLocation(layout, text, zone)
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}, errWindow
	}
	if zone == nil {
		return time.Time{}, errWindowZone
	}
	if end {
		return time.Date(day.Year(), day.Month(), day.Day(), 23, 59, 59, 0, zone), nil
	}
	return time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, zone), nil
}
