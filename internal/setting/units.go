package setting

import (
	"math"
	"strconv"
	"strings"
	"time"
)

var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"KB", 1e3},
	{"kB", 1e3},
	{"TiB", 1 << 40},
	{"B", 1},
}

func parseSize(value string) (int64, error) {
	unit := int64(1)
	for _, candidate := range sizeUnits {
		if number, found := strings.CutSuffix(value, candidate.name); found {
			value, unit = strings.TrimSpace(number), candidate.bytes
			break
		}
	}
	number, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, err
	}
	if number < 0 || number > math.MaxInt64/unit {
		return 0, strconv.ErrRange
	}
	return number * unit, nil
}

// ShortSize prints a size in the largest unit that it is a whole number of.
func ShortSize(bytes int64) string {
	for _, unit := range sizeUnits {
		if unit.bytes > 1 && bytes >= unit.bytes && bytes%unit.bytes == 0 {
			return strconv.FormatInt(bytes/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(bytes, 10) + "B"
}

// ShortDuration prints 1h0m0s as 1h.
func ShortDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	printed := d.String()
	if strings.HasSuffix(printed, "m0s") {
		printed = strings.TrimSuffix(printed, "0s")
	}
	if strings.HasSuffix(printed, "h0m") {
		printed = strings.TrimSuffix(printed, "0m")
	}
	return printed
}
