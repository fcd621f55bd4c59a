// Package instant reads the times that senders write.
package instant

import (
	"strconv"
	"strings"
	"time"
)

// Parse reads a time of ISO 8601, or seconds or milliseconds since 1970. Of ISO 8601 it knows
// dates, with or without a time, in the extended form (2026-11-22T10:00:00.5+01:00) and in the
// basic one (20261122T100000+0100), also with blanks in the place of the T or before the
// zone, and with UTC or GMT as the zone. A time that names no zone is in home. Another name
// of a zone, such as EST, is not taken as a time: such names have several meanings.
func Parse(text string, home *time.Location) (time.Time, bool) {
	text = strings.TrimSpace(text)
	if at, ok := sinceEpoch(text); ok {
		return at, true
	}
	r := reader{rest: text}
	day := r.date()
	at := clock{}
	if r.separator(" Tt") {
		r.blanks()
		at = r.clock()
		r.blanks()
	}
	zone, named := r.zone()
	switch {
	case r.failed || r.rest != "":
		return time.Time{}, false
	case !named:
		zone = home
	case !at.read: // a date alone has no zone
		return time.Time{}, false
	}
	return day.at(at, zone)
}

// ParseRFC3339 reads a time of RFC 3339, which always has seconds and a zone. T and Z may be
// in lower case. A leap second counts as the second after it.
func ParseRFC3339(text string) (time.Time, bool) {
	r := reader{rest: text, strict: true}
	day := r.date()
	if !r.separator("Tt") {
		return time.Time{}, false
	}
	at := r.clock()
	zone, named := r.zone()
	if r.failed || r.rest != "" || !named {
		return time.Time{}, false
	}
	return day.at(at, zone)
}

// sinceEpoch reads seconds or milliseconds: no date of ISO 8601 has as many digits, and the
// milliseconds of any year after 1973 have more than the seconds of the year 5000.
func sinceEpoch(text string) (time.Time, bool) {
	const least, milliseconds, most = 1e8 + 1, 1e11, 1e14
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil || n < least || n >= most:
		return time.Time{}, false
	case n < milliseconds:
		return time.Unix(n, 0).UTC(), true
	}
	return time.UnixMilli(n).UTC(), true
}

type date struct{ year, month, day int }

type clock struct {
	hour, minute, second, nanosecond int
	read                             bool
}

// at is the time of a day, if both exist.
func (d date) at(c clock, zone *time.Location) (time.Time, bool) {
	midnight := time.Date(d.year, time.Month(d.month), d.day, 0, 0, 0, 0, time.UTC)
	if midnight.Year() != d.year || midnight.Month() != time.Month(d.month) || midnight.Day() != d.day {
		return time.Time{}, false
	}
	found := time.Date(d.year, time.Month(d.month), d.day, c.hour, c.minute, c.second, c.nanosecond, zone)
	const leap = 60
	if c.second == leap {
		// Leap seconds are the last ones of a day in UTC.
		if end := found.UTC(); end.Hour() != 0 || end.Minute() != 0 {
			return time.Time{}, false
		}
	}
	return found, true
}

// reader takes a time apart from its beginning. strict is RFC 3339.
type reader struct {
	rest   string
	strict bool
	failed bool
}

// separator takes a character that is one of these.
func (r *reader) separator(these string) bool {
	if r.rest == "" || strings.IndexByte(these, r.rest[0]) < 0 {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

func (r *reader) blanks() { r.rest = strings.TrimLeft(r.rest, " ") }

// digits reads a number of exactly so many digits and at most so large.
func (r *reader) digits(count, most int) (n int) {
	if len(r.rest) < count {
		r.failed = true
		return 0
	}
	for _, c := range []byte(r.rest[:count]) {
		if c < '0' || c > '9' {
			r.failed = true
			return 0
		}
		n = n*10 + int(c-'0')
	}
	r.rest = r.rest[count:]
	r.failed = r.failed || n > most
	return n
}

func (r *reader) date() (d date) {
	d.year = r.digits(4, 9999)
	extended := r.separator("-")
	d.month = r.digits(2, 12)
	if extended != r.separator("-") || r.strict && !extended {
		r.failed = true
	}
	d.day = r.digits(2, 31)
	return d
}

// clock reads the time of a day; without seconds it is the whole minute.
func (r *reader) clock() (c clock) {
	c.read = true
	c.hour = r.digits(2, 23)
	extended := r.separator(":")
	c.minute = r.digits(2, 59)
	seconds := extended && r.separator(":") || !extended && r.rest != "" && isDigit(r.rest[0])
	if r.strict && (!extended || !seconds) {
		r.failed = true
	}
	if !seconds {
		return c
	}
	c.second = r.digits(2, 60)
	point := "."
	if !r.strict {
		point = ".,"
	}
	if r.separator(point) {
		c.nanosecond = r.fraction()
	}
	return c
}

// fraction reads the part of a second; what is below a nanosecond is cut.
func (r *reader) fraction() (nanoseconds int) {
	count := 0
	for ; count < len(r.rest) && isDigit(r.rest[count]); count++ {
		if count < 9 {
			nanoseconds = nanoseconds*10 + int(r.rest[count]-'0')
		}
	}
	r.failed = r.failed || count == 0
	r.rest = r.rest[count:]
	for ; count < 9; count++ {
		nanoseconds *= 10
	}
	return nanoseconds
}

// zone reads Z or an offset, and UTC or GMT where that is allowed.
func (r *reader) zone() (zone *time.Location, named bool) {
	if r.rest == "" {
		return nil, false
	}
	if !r.strict && (strings.EqualFold(r.rest, "UTC") || strings.EqualFold(r.rest, "GMT")) {
		r.rest = ""
		return time.UTC, true
	}
	if r.separator("Zz") {
		return time.UTC, true
	}
	sign := 1
	switch {
	case r.separator("+"):
	case r.separator("-"):
		sign = -1
	default:
		r.failed = true
		return nil, false
	}
	offset := r.digits(2, 23) * 60
	colon := r.separator(":")
	if r.strict && !colon {
		r.failed = true
	}
	if colon || r.rest != "" {
		offset += r.digits(2, 59)
	}
	if offset == 0 {
		return time.UTC, true
	}
	return time.FixedZone("", sign*offset*60), true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
