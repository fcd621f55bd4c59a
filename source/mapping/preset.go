package mapping

import (
	"embed"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed presets/*.yaml
var presetFiles embed.FS

// Presets are the names of the presets.
func Presets() []string {
	entries, err := presetFiles.ReadDir("presets")
	if err != nil {
		panic(err) // embedded
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = strings.TrimSuffix(entry.Name(), ".yaml")
	}
	return names
}

// Fills are the destinations that a preset has attributes for, sorted; none where the
// preset is not known.
func Fills(preset string) []string {
	root := (&compiler{}).document(presetData(preset))
	if root == nil {
		return nil
	}
	var found []string
	for i := 0; i+1 < len(root.Content); i += 2 {
		if strings.Contains(root.Content[i].Value, "/") {
			found = append(found, root.Content[i].Value)
		}
	}
	slices.Sort(found)
	return found
}

func presetData(name string) []byte {
	if !slices.Contains(Presets(), name) {
		return nil
	}
	data, err := presetFiles.ReadFile("presets/" + name + ".yaml")
	if err != nil {
		panic(err) // embedded
	}
	return data
}

// preset reads the part of a preset for the target.
func (c *compiler) preset(m *Mapping, table map[string]rule) {
	c.presetData = presetData(c.presetName)
	if c.presetData == nil {
		c.reportf(nil, "extends", "there is no preset %q: use %s", c.presetName, strings.Join(Presets(), ", "))
		return
	}
	inner := &compiler{file: "preset " + c.presetName, target: c.target, decimalMark: c.decimalMark}
	root := inner.document(c.presetData)
	var part *yaml.Node
	for i := 0; root != nil && i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == c.target.String() {
			part = root.Content[i+1]
		}
	}
	if part == nil {
		c.problems = append(c.problems, inner.problems...)
		c.reportf(nil, "extends", "the preset %s cannot fill %s: it fills %s", c.presetName, c.target, strings.Join(Fills(c.presetName), ", "))
		return
	}
	inner.apply(m, table, inner.members(part, "", mappingKeys))
	c.problems = append(c.problems, inner.problems...)
}
