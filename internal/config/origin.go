package config

import (
	"fmt"
	"strings"
)

// Origin says where the effective value of a setting came from, such as "flag
// --nats", "environment NATS_URL, which overrides courier.yaml:3",
// "courier.yaml:3" or "default". key is that of the value, such as nats.url, also
// when a file of its own held it.
func (c *Config) Origin(key string) string {
	origins := c.origins[key]
	switch len(origins) {
	case 0:
		return "default"
	case 1:
		return origins[0]
	default:
		return origins[len(origins)-1] + ", which overrides " + origins[len(origins)-2]
	}
}

// noteOrigin notes where a value was read; later ones go before earlier ones.
func (l *loader) noteOrigin(key, origin string) {
	valueKey, fromFile := strings.CutSuffix(key, "_file")
	if fromFile {
		origin += " (" + key[strings.LastIndexByte(key, '.')+1:] + ")"
	}
	if l.config.origins == nil {
		l.config.origins = map[string][]string{}
	}
	l.config.origins[valueKey] = append(l.config.origins[valueKey], origin)
}

// noteLines notes what the file set.
func (l *loader) noteLines(settings []field, at string) {
	for _, s := range settings {
		key := joinKey(at, s.Name)
		if s.children != nil {
			l.noteLines(s.children, key)
			continue
		}
		if line := l.lines[key]; line > 0 {
			l.noteOrigin(key, fmt.Sprintf("%s:%d", l.file, line))
		}
	}
}

// reportAtf reports where a value came from: a flag, the environment, or its line, or that
// of the nearest section around it.
func (l *loader) reportAtf(key, format string, args ...any) {
	origins := l.config.origins[key]
	if len(origins) == 0 || l.file != "" && strings.HasPrefix(origins[len(origins)-1], l.file+":") {
		l.decoder.reportAtf(key, format, args...)
		return
	}
	l.problems = append(l.problems, Problem{Source: origins[len(origins)-1], Key: key, Text: fmt.Sprintf(format, args...)})
}

// flagName is the flag that sets a key: --nats sets nats.url.
func flagName(key string) string {
	return "flag --" + strings.TrimSuffix(key, ".url")
}
