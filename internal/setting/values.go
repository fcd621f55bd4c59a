package setting

import (
	"maps"
	"slices"
	"time"
)

// Values are the values of declared keys, by name. What is left out and has no default
// is not there; the methods give the zero value for it.
type Values map[string]any

// Text is a value of Text, Address or Choice.
func (v Values) Text(name string) string {
	text, _ := v[name].(string)
	return text
}

// Boolean is a value of Boolean.
func (v Values) Boolean(name string) bool {
	value, _ := v[name].(bool)
	return value
}

// Integer is a value of Integer.
func (v Values) Integer(name string) int {
	value, _ := v[name].(int)
	return value
}

// Duration is a value of Duration or AutoDuration.
func (v Values) Duration(name string) time.Duration {
	value, _ := v[name].(time.Duration)
	return value
}

// Secret is a value of Sensitive.
func (v Values) Secret(name string) Secret {
	value, _ := v[name].(Secret)
	return value
}

// Undeclared names the values of which the keys say nothing, in alphabetical order.
func (v Values) Undeclared(keys []Key) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if !slices.ContainsFunc(keys, func(key Key) bool { return key.Name == name }) {
			names = append(names, name)
		}
	}
	return names
}
