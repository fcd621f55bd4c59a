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
	if from.IsZero() && to.IsZero() {
		return "", errWindow
	}
	// Platforms take whole windows only.
	if from.IsZero() {
		from = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if to.IsZero() {
		to = time.Date(2099, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	if !from.Before(to) {
		return "", errors.New("a sale window that ends before it begins")
	}
	var space [2*len(time.RFC3339) + 1]byte
	window := append(from.AppendFormat(space[:0], time.RFC3339), '/')
	return string(to.AppendFormat(window, time.RFC3339)), nil
}

// parseTime reads a time in ISO 8601, extended form, with T or a blank before the hour:
// a day, minutes, seconds, fractions; a zone as Z, +01:00, +0100 or +01. The hour may have one
// digit. The zero time is returned for an empty text.
func parseTime(text string, zone *time.Location, end bool) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return time.Time{}, nil
	}
	var parts [6]int // year, month, day, hour, minute, second
	rest := text
	var ok bool
	for i, separator := range [...]string{"", "-", "-"} {
		if rest, ok = cutNumber(rest, separator, &parts[i], digitsOf(i)); !ok {
			return time.Time{}, errWindow
		}
	}
	clock := rest != ""
	if clock {
		if rest[0] != 'T' && rest[0] != 't' && rest[0] != ' ' {
			return time.Time{}, errWindow
		}
		hour := 2
		if strings.IndexByte(rest, ':') == 2 { // Meta prints T0:00
			hour = 1
		}
		if rest, ok = cutNumber(rest[1:], "", &parts[3], hour); !ok {
			return time.Time{}, errWindow
		}
		if rest, ok = cutNumber(rest, ":", &parts[4], 2); !ok {
			return time.Time{}, errWindow
		}
		if seconds, found := cutNumber(rest, ":", &parts[5], 2); found {
			rest = withoutFraction(seconds)
		}
		var found bool
		if zone, found = cutZone(strings.TrimSpace(rest), zone); !found {
			return time.Time{}, errWindow
		}
	} else if end {
		parts[3], parts[4], parts[5] = 23, 59, 59
	}
	month := time.Month(parts[1])
	if month < 1 || month > 12 || parts[2] < 1 || parts[2] > daysIn(parts[0], month) || parts[3] > 24 || parts[4] > 59 || parts[5] > 60 || parts[0] < 1 ||
		parts[3] == 24 && (parts[4] > 0 || parts[5] > 0) {
		return time.Time{}, errWindow
	}
	if zone == nil {
		return time.Time{}, errWindowZone
	}
	when := time.Date(parts[0], month, parts[2], parts[3], parts[4], min(parts[5], 59), 0, zone)
	if _, offset := when.Zone(); offset < -maxOffset || offset > maxOffset {
		when = when.UTC() // Meta prints -23:59, which no place has
	}
	return when, nil
}

// maxOffset is the largest offset of a zone that is in use, in seconds.
const maxOffset = 14 * 3600

func digitsOf(part int) int {
	if part == 0 {
		return 4
	}
	return 2
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// cutNumber reads so many digits behind a separator.
func cutNumber(text, separator string, into *int, digits int) (string, bool) {
	text, ok := strings.CutPrefix(text, separator)
	if !ok || len(text) < digits {
		return text, false
	}
	n := 0
	for i := range digits {
		c := text[i]
		if c < '0' || c > '9' {
			return text, false
		}
		n = n*10 + int(c-'0')
	}
	*into = n
	return text[digits:], true
}

func withoutFraction(text string) string {
	if len(text) < 2 || text[0] != '.' && text[0] != ',' || !isDigit(rune(text[1])) {
		return text
	}
	return strings.TrimLeft(text[1:], "0123456789")
}

// cutZone reads the zone of a time; where the text has none, it is the source's.
func cutZone(text string, home *time.Location) (*time.Location, bool) {
	switch text {
	case "":
		return home, true
	case "Z", "z", "UTC", "GMT":
		return time.UTC, true
	}
	if text[0] != '+' && text[0] != '-' {
		return nil, false
	}
	var hours, minutes int
	rest, ok := cutNumber(text[1:], "", &hours, 2)
	if ok && rest != "" {
		rest, ok = cutNumber(strings.TrimPrefix(rest, ":"), "", &minutes, 2)
	}
	if !ok || rest != "" || hours > 23 || minutes > 59 {
		return nil, false
	}
	offset := hours*3600 + minutes*60
	if text[0] == '-' {
		offset = -offset
	}
	if offset == 0 {
		return time.UTC, true
	}
	return time.FixedZone("", offset), true
}
