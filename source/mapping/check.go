package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// Outcome is what became of one pair of a sample and what is expected of it.
type Outcome struct {
	Name string
	// Differences are lines for people, such as
	// attributes.price: expected "9.99 EUR", got "9.99 USD"; none where the pair holds.
	Differences []string
}

// pairFile bounds a file of samples, in bytes.
const pairFile = 4 << 20

type sample struct {
	name     string
	input    map[string]any
	expected expectation
}

// expectation is the form of <name>.expected.json and of expected in a YAML file.
type expectation struct {
	ItemID     *string        `json:"item_id"`
	Group      *string        `json:"group"`
	Skipped    bool           `json:"skipped"`
	Attributes map[string]any `json:"attributes"`
	// Findings are all that are expected. Without the key warnings are not compared and
	// errors are differences.
	Findings *[]expectedFinding `json:"findings"`
}

type expectedFinding struct {
	Kind     string   `json:"kind"`
	Severity Severity `json:"severity,omitempty"`
	Field    string   `json:"field"`
}

// Check maps the samples of a folder and compares the items with those that are expected.
// A pair is <name>.input.json with <name>.expected.json, or an entry of a file *.yaml: a
// list of name, input and expected. A file that cannot be read, a half of a pair, a folder
// without pairs: each is an error, because a check that checks nothing must not succeed.
func (m *Mapping) Check(dir string) ([]Outcome, error) {
	samples, err := readSamples(dir)
	if err != nil {
		return nil, err
	}
	if len(samples) == 0 {
		return nil, fmt.Errorf("the folder %s has no samples: add <name>.input.json and <name>.expected.json", dir)
	}
	outcomes := make([]Outcome, len(samples))
	for i, each := range samples {
		item, findings := m.Map(each.input)
		outcomes[i] = Outcome{Name: each.name, Differences: each.expected.compare(item, findings)}
	}
	return outcomes, nil
}

func readSamples(dir string) ([]sample, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var samples []sample
	var failed []error
	present := map[string]bool{}
	for _, entry := range entries {
		present[entry.Name()] = true
	}
	for _, entry := range entries {
		var found []sample
		var err error
		file := entry.Name()
		name, isInput := strings.CutSuffix(file, ".input.json")
		other, isExpected := strings.CutSuffix(file, ".expected.json")
		switch {
		case isInput && !present[name+".expected.json"]:
			err = fmt.Errorf("%s has no %s.expected.json", file, name)
		case isInput:
			found, err = readPair(dir, name)
		case isExpected && !present[other+".input.json"]:
			err = fmt.Errorf("%s has no %s.input.json", file, other)
		case strings.HasSuffix(file, ".yaml") || strings.HasSuffix(file, ".yml"):
			found, err = readSampleList(dir, file)
		default:
			continue
		}
		if err != nil {
			failed = append(failed, err)
		}
		samples = append(samples, found...)
	}
	return samples, errors.Join(failed...)
}

func readPair(dir, name string) ([]sample, error) {
	found := sample{name: name}
	if err := readJSON(filepath.Join(dir, name+".input.json"), &found.input); err != nil {
		return nil, err
	}
	if err := readJSON(filepath.Join(dir, name+".expected.json"), &found.expected); err != nil {
		return nil, err
	}
	return []sample{found}, nil
}

func readLimited(file string) ([]byte, error) {
	opened, err := os.Open(filepath.Clean(file))
	if err != nil {
		return nil, err
	}
	defer func() { _ = opened.Close() }()
	data, err := io.ReadAll(io.LimitReader(opened, pairFile+1))
	if err == nil && len(data) > pairFile {
		err = fmt.Errorf("%s is larger than 4 MiB", file)
	}
	return data, err
}

func readJSON(file string, into any) error {
	data, err := readLimited(file)
	if err != nil {
		return err
	}
	if err := decodeJSON(data, into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func decodeJSON(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

func readSampleList(dir, file string) ([]sample, error) {
	data, err := readLimited(filepath.Join(dir, file))
	if err != nil {
		return nil, err
	}
	var list []struct {
		Name     string    `yaml:"name"`
		Input    yaml.Node `yaml:"input"`
		Expected yaml.Node `yaml:"expected"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&list); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	samples := make([]sample, len(list))
	for i, each := range list {
		samples[i].name = strings.TrimSuffix(strings.TrimSuffix(file, ".yaml"), ".yml") + ": " + each.Name
		if err := fromYAML(&each.Input, &samples[i].input); err != nil {
			return nil, fmt.Errorf("%s: %s: input: %w", file, each.Name, err)
		}
		if err := fromYAML(&each.Expected, &samples[i].expected); err != nil {
			return nil, fmt.Errorf("%s: %s: expected: %w", file, each.Name, err)
		}
	}
	return samples, nil
}

// fromYAML decodes by way of JSON, so that numbers keep their digits.
func fromYAML(node *yaml.Node, into any) error {
	c := &compiler{file: "sample"}
	value := c.constant(node, "", 0)
	if len(c.problems) > 0 {
		return c.problems
	}
	return decodeJSON(appendJSON(nil, value), into)
}

func (x expectation) compare(item Item, findings []Finding) []string {
	var lines []string
	if x.ItemID != nil && *x.ItemID != item.ID {
		lines = append(lines, difference("item_id", *x.ItemID, item.ID))
	}
	if x.Group != nil && *x.Group != item.Group {
		lines = append(lines, difference("group", *x.Group, item.Group))
	}
	if x.Skipped != item.Skipped {
		lines = append(lines, difference("skipped", x.Skipped, item.Skipped))
	}
	if x.Attributes != nil {
		var attributes map[string]any
		if err := decodeJSON(item.Attributes, &attributes); err != nil && len(item.Attributes) > 0 {
			return append(lines, "attributes: "+err.Error())
		}
		lines = compareValues(lines, "attributes", x.Attributes, attributes)
	}
	return append(lines, x.compareFindings(findings)...)
}

func (x expectation) compareFindings(findings []Finding) (lines []string) {
	if x.Findings == nil {
		for _, each := range findings {
			if each.Severity == Error {
				lines = append(lines, "findings: not expected: "+each.String())
			}
		}
		return lines
	}
	wanted := slices.Clone(*x.Findings)
	for _, each := range findings {
		at := slices.IndexFunc(wanted, func(w expectedFinding) bool {
			return w.Kind == each.Kind && w.Field == each.Field && (w.Severity == "" || w.Severity == each.Severity)
		})
		if at < 0 {
			lines = append(lines, "findings: not expected: "+each.String())
			continue
		}
		wanted = slices.Delete(wanted, at, at+1)
	}
	for _, each := range wanted {
		lines = append(lines, fmt.Sprintf("findings: expected %s of %s, got none", each.Kind, each.Field))
	}
	return lines
}

// String is a line for people.
func (f Finding) String() string {
	text := fmt.Sprintf("%s %s of %s: %s", f.Severity, f.Kind, f.Field, f.Rule)
	if f.Value != "" {
		text += " (" + f.Value + ")"
	}
	return text
}

func compareValues(lines []string, at string, expected, got any) []string {
	want, isObject := expected.(map[string]any)
	have, both := got.(map[string]any)
	if isObject && both {
		names := slices.Concat(slices.Collect(maps.Keys(want)), slices.Collect(maps.Keys(have)))
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			lines = compareValues(lines, at+"."+name, want[name], have[name])
		}
		return lines
	}
	if !bytes.Equal(appendJSON(nil, expected), appendJSON(nil, got)) {
		lines = append(lines, difference(at, expected, got))
	}
	return lines
}

func difference(at string, expected, got any) string {
	return fmt.Sprintf("%s: expected %s, got %s", at, shown(expected), shown(got))
}

func shown(value any) string {
	if value == nil {
		return "nothing"
	}
	return legible.Clip(string(appendJSON(nil, value)), 200)
}
