package source

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/instant"
	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/source/run"
)

// changedAt reads the item's own time of change. Without one that can be read, the time of
// the snapshot counts; a time that is yet to come counts as now, because nothing later could
// be told from it.
func (s *Source) changedAt(path string, record map[string]any) (time.Time, *run.Finding) {
	value := lookup(record, path)
	if value == "" {
		return time.Time{}, nil
	}
	zone, err := zoneOf(s.Config.Zone)
	if err != nil {
		zone = time.UTC
	}
	at, ok := instant.Parse(value, zone)
	if !ok {
		return time.Time{}, &run.Finding{
			Kind: "CHANGED_AT", Severity: "warning", Field: path, Value: legible.Clip(value, 80),
			Rule: "not a time: an ISO 8601 time, or seconds or milliseconds since 1970; the time of the file counts instead",
		}
	}
	if now := s.now(); at.After(now) {
		return now.UTC(), &run.Finding{
			Kind: "CHANGED_AT", Severity: "warning", Field: path, Value: legible.Clip(value, 80), Rule: "it is in the future: the present counts instead",
		}
	}
	return at.UTC(), nil
}

// zoneOf finds a time zone; "" is UTC.
func zoneOf(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fmt.Errorf("%q is not a time zone, such as Europe/Warsaw or UTC", name)
	}
	return zone, nil
}

// lookup is the text at a path of names joined by dots; "" where there is none.
func lookup(record map[string]any, path string) string {
	value, found := record[path]
	for !found {
		name, rest, more := strings.Cut(path, ".")
		inner, ok := record[name].(map[string]any)
		if !more || !ok {
			return ""
		}
		record, path = inner, rest
		value, found = record[path]
	}
	switch value := value.(type) {
	case string:
		return strings.TrimSpace(value)
	case json.Number:
		return value.String()
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64)
	case int64:
		return strconv.FormatInt(value, 10)
	}
	return ""
}
