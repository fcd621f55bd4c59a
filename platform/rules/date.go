package rules

import (
	"strings"
	"time"
)

// Date is a day: "2026-11-22".
var Date = Format{Name: "a date such as 2026-11-22", check: func(text string) string {
	_, rest, wrong := readDate(text)
	if wrong == "" && rest != "" {
		return "there is more than a date"
	}
	return wrong
}}

// DateTime is a day, or a day and a time, in ISO 8601: seconds, fraction and zone
// may be left out, the zone's colon too.
var DateTime = Format{Name: "a date or time in ISO 8601 such as 2026-11-22T10:00-08:00", check: func(text string) string {
	_, _, wrong := readTime(text)
	return wrong
}}

// DateRange is two of DateTime with a slash between them, the later one last.
var DateRange = Format{
	Name: "two dates or times in ISO 8601 with a slash between them, such as 2026-11-22T10:00-08:00/2026-11-30T10:00-08:00",
	check: func(text string) string {
		from, to, ok := strings.Cut(text, "/")
		if !ok {
			return "it has no slash"
		}
		start, startZoned, wrong := readTime(from)
		if wrong != "" {
			return "start: " + wrong
		}
		end, endZoned, wrong := readTime(to)
		if wrong != "" {
			return "end: " + wrong
		}
		if startZoned == endZoned && end.Before(start) {
			return "it ends before it starts"
		}
		return ""
	},
}

// Year is four digits.
var Year = Format{Name: "a year of four digits", check: func(text string) string {
	const length = 4
	if len(text) != length || !isDigits(text) {
		return "it does not have four digits"
	}
	return ""
}}

// readDate reads yyyy-mm-dd from the beginning of a text.
func readDate(text string) (day time.Time, rest, wrong string) {
	const form = "the date has not the form yyyy-mm-dd"
	const length = len("2026-11-22")
	if len(text) < length || text[4] != '-' || text[7] != '-' {
		return day, "", form
	}
	year, ok1 := digitsAt(text, 0, 4)
	month, ok2 := digitsAt(text, 5, 2)
	of, ok3 := digitsAt(text, 8, 2)
	if !ok1 || !ok2 || !ok3 {
		return day, "", form
	}
	day = time.Date(year, time.Month(month), of, 0, 0, 0, 0, time.UTC)
	if day.Day() != of || int(day.Month()) != month { // normalised
		return day, "", "the calendar has no such day"
	}
	return day, text[length:], ""
}

// readTime reads a day or a day with a time.
func readTime(text string) (when time.Time, zoned bool, wrong string) {
	when, rest, wrong := readDate(text)
	if wrong != "" || rest == "" {
		return when, false, wrong
	}
	if rest[0] != 'T' && rest[0] != 't' && rest[0] != ' ' {
		return when, false, "there is no T between date and time"
	}
	clock, zone := cutZone(rest[1:])
	past, wrong := readClock(clock)
	if wrong != "" {
		return when, false, wrong
	}
	offset, wrong := readZone(zone)
	return when.Add(past - offset), zone != "", wrong
}

// cutZone cuts Z, +hh:mm and the like off a time.
func cutZone(text string) (clock, zone string) {
	if i := strings.IndexAny(text, "Zz+-"); i >= 0 {
		return text[:i], text[i:]
	}
	return text, ""
}

// readClock reads hh:mm, hh:mm:ss or hh:mm:ss.fraction. The hour may have one
// digit: Meta writes "0:00 to 23:59".
func readClock(text string) (past time.Duration, wrong string) {
	const form = "the time has not the form hh:mm or hh:mm:ss"
	if len(text) > 1 && text[1] == ':' {
		hour, ok := digitsAt(text, 0, 1)
		if !ok {
			return 0, form
		}
		past, text = time.Duration(hour)*time.Hour, text[1:]
	} else {
		hour, ok := digitsAt(text, 0, 2)
		if !ok {
			return 0, form
		}
		past, text = time.Duration(hour)*time.Hour, text[2:]
	}
	if past > 24*time.Hour {
		return 0, "the day has no such hour"
	}
	minute, ok := digitsAt(text, 1, 2)
	if !ok || text[0] != ':' {
		return 0, form
	}
	second := 0
	switch text = text[3:]; {
	case text == "":
	case text[0] == ':':
		if second, ok = digitsAt(text, 1, 2); !ok {
			return 0, form
		}
		if fraction := text[3:]; fraction != "" && (fraction[0] != '.' || !isDigits(fraction[1:])) {
			return 0, form
		}
	default:
		return 0, form
	}
	if minute > 59 || second > 60 { // 60 is a leap second
		return 0, "the hour has no such minute or second"
	}
	return past + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second, ""
}

// readZone reads "", Z, ±hh, ±hhmm or ±hh:mm.
func readZone(text string) (offset time.Duration, wrong string) {
	const form = "the zone has not the form Z, +hhmm or +hh:mm"
	if text == "" || text == "Z" || text == "z" {
		return 0, ""
	}
	hour, ok := digitsAt(text, 1, 2)
	if !ok {
		return 0, form
	}
	minute := 0
	if rest := strings.TrimPrefix(text[3:], ":"); rest != "" {
		const length = 2
		if minute, ok = digitsAt(rest, 0, length); !ok || len(rest) != length {
			return 0, form
		}
	}
	if hour > 14 || minute > 59 {
		return 0, "the time zone is unknown"
	}
	offset = time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
	if text[0] == '-' {
		offset = -offset
	}
	return offset, ""
}

// digitsAt reads a number of so many digits at a place.
func digitsAt(text string, at, length int) (number int, ok bool) {
	if len(text) < at+length {
		return 0, false
	}
	for i := at; i < at+length; i++ {
		if !isDigit(text[i]) {
			return 0, false
		}
		number = number*10 + int(text[i]-'0')
	}
	return number, true
}
