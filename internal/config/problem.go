package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// Problem is one thing wrong with the configuration.
type Problem struct { //nolint:errname // it is one of Problems, and called so in the documentation
	// Source is the file, the environment variable or the flag that said it.
	Source string
	Line   int    // in the file, from 1; 0 when it has none
	Key    string // such as accounts.acme.poll.min
	Text   string // what is wrong and what is allowed; never a secret
}

func (p Problem) Error() string {
	var text strings.Builder
	text.WriteString(legible.Text(p.Source))
	if p.Line > 0 {
		fmt.Fprintf(&text, ":%d", p.Line)
	}
	text.WriteString(": ")
	if p.Key != "" {
		text.WriteString(legible.Text(p.Key) + ": ")
	}
	text.WriteString(legible.Text(p.Text))
	return text.String()
}

// Problems are all things found wrong at once, in the order of the file. Load
// returns it as its error.
type Problems []Problem //nolint:errname // the plural of Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, problem := range ps {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if a.Source != b.Source {
			return strings.Compare(a.Source, b.Source)
		}
		return a.Line - b.Line
	})
	return ps
}
