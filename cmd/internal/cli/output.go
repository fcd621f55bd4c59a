package cli

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// Output is how results are printed: table for people; json, yaml and csv for machines.
type Output string

// Outputs are the values of the flag --output.
func Outputs() []string { return []string{"table", "json", "yaml", "csv"} }

// ParseOutput reads the flag --output.
func ParseOutput(text string) (Output, error) {
	switch text {
	case "table", "json", "yaml", "csv":
		return Output(text), nil
	default:
		return "", UsageErrorf("--output %q is invalid: must be table, json, yaml or csv", text)
	}
}

// OutputFlag declares --output, with its values for completion.
func OutputFlag(command *cobra.Command, flags *pflag.FlagSet, output *string) {
	flags.StringVar(output, "output", "table", "output format: table, json, yaml or csv")
	_ = command.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(Outputs(), cobra.ShellCompDirectiveNoFileComp))
}

// JSON reports whether the output is JSON.
func (o Output) JSON() bool { return o == "json" }

// Machine reports whether a program reads it: Print writes it.
func (o Output) Machine() bool { return o != "table" }

// Print writes a value for machines, as its JSON tags say: one document of JSON or YAML, or
// CSV with a row for each element of a list, or one row. What no terminal should get is
// escaped.
func (o Output) Print(w io.Writer, value any) error { return o.PrintList(w, value, value) }

// PrintList is Print for a document that is more than one list: CSV has the rows of list only.
func (o Output) PrintList(w io.Writer, document, list any) error {
	switch o {
	case "yaml":
		return printYAML(w, document)
	case "csv":
		return printCSV(w, list)
	default:
		return PrintJSON(w, document)
	}
}

// PrintJSON writes a value as one indented document. What no terminal should get is
// escaped in it.
func PrintJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(legible.NewJSONWriter(w))
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// JSONList writes a list as PrintJSON would, one value after the other, for lists that
// memory may not hold. Close ends it.
type JSONList struct {
	out   io.Writer
	begun bool
}

// NewJSONList begins a list.
func NewJSONList(w io.Writer) *JSONList { return &JSONList{out: legible.NewJSONWriter(w)} }

// Add writes the next value.
func (l *JSONList) Add(value any) error {
	var encoded bytes.Buffer
	encoded.WriteString(map[bool]string{false: "[\n  ", true: ",\n  "}[l.begun])
	l.begun = true
	encoder := json.NewEncoder(&encoded)
	encoder.SetIndent("  ", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return l.write(bytes.TrimRight(encoded.Bytes(), "\n"))
}

// Close writes the end of the list.
func (l *JSONList) Close() error {
	if !l.begun {
		return l.write([]byte("[]\n"))
	}
	return l.write([]byte("\n]\n"))
}

func (l *JSONList) write(text []byte) error {
	if _, err := l.out.Write(text); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// printYAML writes what PrintJSON would, with the same names in the same order.
func printYAML(w io.Writer, value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	var document yaml.Node // JSON is YAML
	// Escapes let the reader take what it would refuse, such as U+007F.
	if err := yaml.Unmarshal(legible.YAML(encoded), &document); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	blockStyle(&document)
	var printed bytes.Buffer // as a whole: what a character is depends on its neighbours
	encoder := yaml.NewEncoder(&printed)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(&document), encoder.Close()); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	if _, err := w.Write(legible.YAML(printed.Bytes())); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// blockStyle has lists and mappings written on lines of their own, and quotes only where
// they are needed: around what has another meaning without them, and around what is written as
// an escape.
func blockStyle(node *yaml.Node) {
	switch {
	case node.Kind == yaml.ScalarNode && node.Tag == "!!str" && !legible.Ordinary(node.Value):
		node.Style = yaml.DoubleQuotedStyle
	case node.Kind == yaml.ScalarNode || len(node.Content) > 0:
		node.Style = 0
	}
	for _, child := range node.Content {
		blockStyle(child)
	}
}

// printCSV writes a list of objects, or one object, as rows under a header: that of all that
// the type can have, whatever the rows have, so that programs find each column in its place.
func printCSV(w io.Writer, value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	var document yaml.Node // as it keeps the order of the names
	if err := yaml.Unmarshal(legible.YAML(encoded), &document); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	rows := []*yaml.Node{document.Content[0]}
	switch {
	case rows[0].Kind == yaml.SequenceNode:
		rows = rows[0].Content
	case rows[0].Tag == "!!null": // a list of nothing
		rows = nil
	}
	header := columnsOf(reflect.TypeOf(value))
	places := make(map[string]int, len(header))
	for i, name := range header {
		places[name] = i
	}
	for _, row := range rows {
		for i := 0; row.Kind == yaml.MappingNode && i+1 < len(row.Content); i += 2 {
			name := row.Content[i].Value
			if _, known := places[name]; !known {
				places[name] = len(header)
				header = append(header, name)
			}
		}
	}
	out := csv.NewWriter(legible.NewWriter(w))
	if len(header) > 0 {
		_ = out.Write(header) // Flush keeps the error
	}
	for _, row := range rows {
		record := make([]string, max(len(header), 1))
		if row.Kind != yaml.MappingNode {
			record[0] = csvValue(row)
		}
		for i := 0; row.Kind == yaml.MappingNode && i+1 < len(row.Content); i += 2 {
			record[places[row.Content[i].Value]] = csvValue(row.Content[i+1])
		}
		_ = out.Write(record)
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// columnsOf are the names of all that encoding/json can write of an object of this type, or of
// the elements of a list of it, in their order; nil where only the values tell.
func columnsOf(t reflect.Type) (names []string) {
	for t != nil && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice) && !t.Implements(ownJSON) {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct || t.Implements(ownJSON) {
		return nil
	}
	for field := range t.Fields() {
		tag := field.Tag.Get("json")
		name, _, _ := strings.Cut(tag, ",")
		switch {
		case tag == "-":
		case field.Anonymous && name == "":
			for _, inner := range columnsOf(field.Type) {
				if !slices.Contains(names, inner) {
					names = append(names, inner)
				}
			}
		case field.IsExported() && !slices.Contains(names, cmp.Or(name, field.Name)):
			names = append(names, cmp.Or(name, field.Name))
		}
	}
	return names
}

var ownJSON = reflect.TypeFor[json.Marshaler]()

// csvValue is a value in a cell: "" for null, and JSON for what has parts.
func csvValue(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.ScalarNode && node.Tag == "!!null":
		return ""
	case node.Kind == yaml.ScalarNode && node.Tag == "!!str":
		return legible.Cell(node.Value)
	case node.Kind == yaml.ScalarNode:
		return node.Value
	}
	var value any
	if err := node.Decode(&value); err != nil {
		return ""
	}
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return ""
	}
	return strings.TrimSpace(encoded.String())
}
