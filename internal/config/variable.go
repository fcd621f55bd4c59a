package config

import (
	"regexp"
	"slices"
	"strings"
)

// variablePrefix begins the names of our variables.
const variablePrefix = "COURIER_"

// serviceLink is what Kubernetes sets in each container for a Service of the same
// namespace: one that is called courier-worker gives COURIER_WORKER_SERVICE_HOST.
var serviceLink = regexp.MustCompile(`_(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// variableReference is a variable that the file takes.
var variableReference = regexp.MustCompile(`\$\{([A-Za-z0-9_]+)`)

// checkVariables reports variables that were meant for us and that nothing reads: those
// that begin as a section's do, and those that are nearly a known name. Others may be
// anybody's, such as COURIER_META_TOKEN for a file that takes it.
func (l *loader) checkVariables(content []byte) {
	if l.options.Environ == nil {
		return
	}
	var known, sections []string
	for _, s := range append(l.settings(), l.serveSection()) {
		sections = append(sections, variablePrefix+strings.ToUpper(s.Name)+"_")
		known = append(known, allVariables(s.children, s.Name)...)
	}
	for _, taken := range variableReference.FindAllSubmatch(content, -1) {
		known = append(known, string(taken[1]))
	}
	for _, variable := range l.options.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, variablePrefix) || slices.Contains(known, name) || serviceLink.MatchString(name) {
			continue
		}
		meant := nearest(name, known)
		if meant == "" && !slices.ContainsFunc(sections, func(section string) bool { return strings.HasPrefix(name, section) }) {
			continue
		}
		text := "is not a variable of Catalog Courier"
		if meant != "" {
			text += "; did you mean " + meant + "?"
		}
		l.problems = append(l.problems, Problem{Source: "environment", Key: name, Text: text})
	}
}

// allVariables lists the variables of settings.
func allVariables(settings []field, at string) []string {
	var all []string
	for _, s := range settings {
		key := joinKey(at, s.Name)
		switch {
		case s.children != nil:
			all = append(all, allVariables(s.children, key)...)
		case s.assign != nil:
			all = append(all, variableNames(s, key)...)
		}
	}
	return all
}

// nearest is the known name that differs by at most two letters, "" for none.
func nearest(name string, known []string) string {
	const most = 2
	best, distance := "", most+1
	for _, candidate := range known {
		if d := editDistance(name, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	return best
}

// editDistance counts the letters to insert, remove or replace.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
