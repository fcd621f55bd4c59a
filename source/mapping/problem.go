package mapping

import (
	"fmt"
	"strings"
)

// Problem is a mistake in a mapping.
type Problem struct {
	File string
	Line int    // 0 where the setting is not in the file
	Key  string // such as attributes.price.as
	Text string
}

func (p Problem) String() string {
	place := p.File
	if p.Line > 0 {
		place = fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	if p.Key == "" {
		return place + ": " + p.Text
	}
	return place + ": " + p.Key + ": " + p.Text
}

// Problems are all mistakes of a mapping, in the order of the file.
type Problems []Problem //nolint:errname // the project says problems, as the configuration does

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}
