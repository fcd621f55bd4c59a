package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/catalog-courier/catalog-courier/cmd/internal/cli"
	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// maxRefusals bounds how many refused lines are named; all are counted.
const maxRefusals = 1000

// summary is what became of the lines.
type summary struct {
	Published int       `json:"published"`
	Duplicate int       `json:"duplicate"`
	Refused   int       `json:"refused"`
	Unknown   int       `json:"unknown,omitempty"`    // sent without an answer
	NotSent   int       `json:"not_sent,omitempty"`   // read, and certainly not stored
	StoppedAt *stop     `json:"stopped_at,omitempty"` // the first line that is not decided
	NotRead   []string  `json:"not_read,omitempty"`   // inputs behind the one where it stopped
	Refusals  []refusal `json:"refusals"`             // the first 1000
	Repeats   []stop    `json:"repeats,omitempty"`    // the first 1000 whose ids the stream had already
	Outcome   *outcomes `json:"outcome,omitempty"`    // with --wait, what became of those that the stream has

	lastUnknown  place
	unknownFresh bool
}

// stop is a line: where publishing ended, or one that the stream did not store again.
type stop struct {
	Source string `json:"source"`
	Line   int    `json:"line"`
}

type refusal struct {
	Source string `json:"source"`
	Line   int    `json:"line"`
	Reason string `json:"reason"`
}

func (s *summary) refuse(at place, reason string) {
	s.Refused++
	if len(s.Refusals) < maxRefusals {
		s.Refusals = append(s.Refusals, refusal{Source: at.source, Line: at.number, Reason: reason})
	}
}

// repeat counts a line whose id the stream had already, from another run or producer.
func (s *summary) repeat(at place) {
	s.Duplicate++
	if len(s.Repeats) < maxRefusals {
		s.Repeats = append(s.Repeats, stop{Source: at.source, Line: at.number})
	}
}

func (s *summary) print(streams cli.Streams, output cli.Output) error {
	if output.Machine() {
		if s.Refusals == nil {
			s.Refusals = []refusal{}
		}
		if s.Outcome != nil && s.Outcome.Failures == nil {
			s.Outcome.Failures = []refusal{}
		}
		return output.Print(streams.Out, s)
	}
	for _, said := range grouped(s.Refusals, "refused") {
		if _, err := fmt.Fprintln(streams.Err, said); err != nil {
			return err
		}
	}
	if s.Refused > len(s.Refusals) {
		if _, err := fmt.Fprintf(streams.Err, "and %d more refused lines\n", s.Refused-len(s.Refusals)); err != nil {
			return err
		}
	}
	for _, said := range s.repeated() {
		if _, err := fmt.Fprintln(streams.Err, said); err != nil {
			return err
		}
	}
	rows := [][]any{{"published", s.Published}, {"duplicate", s.Duplicate}, {"refused", s.Refused}}
	if s.Unknown > 0 {
		rows = append(rows, []any{"not known", s.Unknown})
	}
	if s.NotSent > 0 {
		rows = append(rows, []any{"not sent", s.NotSent})
	}
	if o := s.Outcome; o != nil {
		for _, said := range grouped(o.Failures, "not delivered") {
			if _, err := fmt.Fprintln(streams.Err, said); err != nil {
				return err
			}
		}
		rows = append(rows, []any{"delivered", o.Delivered}, []any{"replaced by a newer change", o.Superseded}, []any{"failed", o.Failed}, []any{"not final", o.Waiting})
	}
	return cli.Table(streams.Out, []string{"lines", "count"}, rows)
}

// fewLines is up to how many lines that are refused for one reason are named one by one.
const fewLines = 5

// grouped are refusals for people, in the order of their first lines: many lines of one
// input with one reason are one line. what says what the reason is of.
func grouped(refusals []refusal, what string) []string {
	type group struct{ source, reason string }
	lines := map[group][]int{}
	for _, r := range refusals {
		of := group{r.Source, r.Reason}
		lines[of] = append(lines[of], r.Line)
	}
	told := make([]string, 0, len(refusals))
	for _, r := range refusals {
		of := group{r.Source, r.Reason}
		switch all := lines[of]; {
		case len(all) <= fewLines:
			told = append(told, fmt.Sprintf("%s:%d: %s: %s", legible.Text(r.Source), r.Line, what, legible.Text(r.Reason)))
		case r.Line == all[0]:
			told = append(told, fmt.Sprintf("%s: %d lines (%s) %s: %s", legible.Text(r.Source), len(all), ranges(all), what, legible.Text(r.Reason)))
		}
	}
	return told
}

// repeated names the lines of each input whose ids the stream had already.
func (s *summary) repeated() (said []string) {
	lines := map[string][]int{}
	var sources []string
	for _, r := range s.Repeats {
		if lines[r.Source] == nil {
			sources = append(sources, r.Source)
		}
		lines[r.Source] = append(lines[r.Source], r.Line)
	}
	for _, source := range sources {
		said = append(said, fmt.Sprintf("%s: not stored again, as the stream has their ids already: lines %s. A corrected change needs a new id",
			legible.Text(source), ranges(lines[source])))
	}
	return said
}

// ranges writes ascending numbers as 1-6, 9.
func ranges(numbers []int) string {
	var parts []string
	for i := 0; i < len(numbers); {
		last := i
		for last+1 < len(numbers) && numbers[last+1] <= numbers[last]+1 {
			last++
		}
		part := strconv.Itoa(numbers[i])
		if numbers[last] > numbers[i] {
			part += "-" + strconv.Itoa(numbers[last])
		}
		parts = append(parts, part)
		i = last + 1
	}
	return strings.Join(parts, ", ")
}
