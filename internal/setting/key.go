// Package setting is how a key of the configuration is declared: its name, what it
// means, what it may be and how it is read. The declarations are data, so that the
// loader reads by them and the reference is written from them.
package setting

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/legible"
)

// Key declares one value.
type Key struct {
	Name    string
	Doc     string // what it means: for the reference in docs/configuration.md
	Allowed string // what it may be: for the reference and for messages
	// Env is a variable of the environment besides COURIER_…; "" for none. Keys of
	// accounts have none.
	Env string
	// Secret values are never shown, and may be in a file that a second key names.
	Secret bool
	// Missing says why the value is needed, after "<name> is missing: "; "" for a value
	// that may be left out.
	Missing string
	// Default is the value where the key is left out; nil for none.
	Default any
	// Read makes the value of a text. Its error says what is allowed, and never shows
	// a secret.
	Read func(text string) (any, error)
	// Show prints a value as it is written in a configuration; nil for a secret.
	Show func(value any) string
	// Schema is what JSON Schema can say of the value as YAML reads it; nil for any text.
	Schema map[string]any
}

// Required declares that the value must be given; why completes the message
// "<name> is missing: ".
func (k Key) Required(why string) Key {
	k.Missing = why
	return k
}

// Else declares the value that is meant where the key is left out.
func (k Key) Else(value any) Key {
	k.Default = value
	return k
}

// WithEnv declares a variable of the environment besides COURIER_….
func (k Key) WithEnv(name string) Key {
	k.Env = name
	return k
}

// Problem is what is wrong between keys that are right each by itself. Key is relative
// to the account, such as catalogs.us.catalog_id.
type Problem struct {
	Key  string
	Text string
}

// Text declares a string. Nil accepts every text; allowed says which ones accept does.
func Text(name, doc, allowed string, accept func(string) bool) Key {
	return Key{
		Name: name, Doc: doc, Allowed: allowed,
		Read: func(text string) (any, error) {
			if accept != nil && !accept(text) {
				return nil, notAllowed(text, allowed)
			}
			return text, nil
		},
		Show: showText,
	}
}

func showText(value any) string { return fmt.Sprint(value) }

func notAllowed(text, allowed string) error {
	return fmt.Errorf("%q is not allowed: %s", legible.Cut(text, 60), allowed)
}

var webAddress = regexp.MustCompile(`^https?://[^\s?#@]+$`)

// Address declares a web address, a string. What is not one is not shown, as it may
// have a secret in it.
func Address(name, doc string) Key {
	const allowed = "an http or https address without ?, # and @"
	return Key{
		Name: name, Doc: doc, Allowed: allowed,
		Read: func(text string) (any, error) {
			if !webAddress.MatchString(text) {
				return nil, errors.New("must be " + allowed)
			}
			return text, nil
		},
		Show: showText,
	}
}

// Choice declares a string that is one of several.
func Choice(name, doc string, choices ...string) Key {
	key := Text(name, doc, "one of "+strings.Join(choices, ", "), func(text string) bool { return slices.Contains(choices, text) })
	key.Schema = map[string]any{"enum": choices}
	return key
}

// Boolean declares a bool.
func Boolean(name, doc string) Key {
	const allowed = "true or false"
	return Key{
		Name: name, Doc: doc, Allowed: allowed,
		Read: func(text string) (any, error) {
			switch text {
			case "true", "false":
				return text == "true", nil
			default:
				return nil, notAllowed(text, allowed)
			}
		},
		Show:   showText,
		Schema: map[string]any{"type": "boolean"},
	}
}

// Integer declares an int from least to most.
func Integer(name, doc string, least, most int) Key {
	allowed := fmt.Sprintf("a whole number from %d to %d", least, most)
	return Key{
		Name: name, Doc: doc, Allowed: allowed,
		Read: func(text string) (any, error) {
			number, err := strconv.Atoi(text)
			if err != nil || number < least || number > most {
				return nil, notAllowed(text, allowed)
			}
			return number, nil
		},
		Show:   showText,
		Schema: map[string]any{"type": "integer", "minimum": least, "maximum": most},
	}
}

// Duration declares a time.Duration from least to most.
func Duration(name, doc string, least, most time.Duration) Key {
	allowed := fmt.Sprintf("a duration such as 500ms, 2s, 5m or 24h, from %s to %s", ShortDuration(least), ShortDuration(most))
	return Key{
		Name: name, Doc: doc, Allowed: allowed,
		Read: func(text string) (any, error) {
			parsed, err := time.ParseDuration(text)
			if err != nil || parsed < least || parsed > most {
				return nil, notAllowed(text, allowed)
			}
			return parsed, nil
		},
		Show: func(value any) string {
			d, _ := value.(time.Duration)
			return ShortDuration(d)
		},
		Schema: map[string]any{"anyOf": []any{
			map[string]any{"type": "string", "pattern": `^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$`}, map[string]any{"enum": []any{0, "0"}},
		}},
	}
}

// AutoDuration declares a time.Duration up to most, where 0, written auto, means that
// Courier finds the value itself.
func AutoDuration(name, doc string, most time.Duration) Key {
	plain := Duration(name, doc, 0, most)
	read, show := plain.Read, plain.Show
	plain.Allowed = "auto, or " + plain.Allowed
	plain.Read = func(text string) (any, error) {
		if text == "auto" {
			return time.Duration(0), nil
		}
		value, err := read(text)
		if err != nil {
			return nil, notAllowed(text, plain.Allowed)
		}
		return value, nil
	}
	plain.Schema = map[string]any{"anyOf": []any{map[string]any{"const": "auto"}, plain.Schema}}
	plain.Show = func(value any) string {
		if value == time.Duration(0) {
			return "auto"
		}
		return show(value)
	}
	return plain
}

// Size declares a number of bytes, an int64, from least to most.
func Size(name, doc string, least, most int64) Key {
	allowed := fmt.Sprintf("a size such as 512KiB, 8MB or 2GiB, from %s to %s", ShortSize(least), ShortSize(most))
	return Key{
		Name: name, Doc: doc, Allowed: allowed,
		Read: func(text string) (any, error) {
			parsed, err := parseSize(text)
			if err != nil || parsed < least || parsed > most {
				return nil, notAllowed(text, allowed)
			}
			return parsed, nil
		},
		Show: func(value any) string {
			size, _ := value.(int64)
			return ShortSize(size)
		},
		Schema: map[string]any{"type": []string{"string", "integer"}, "pattern": `^[0-9]`},
	}
}

// Sensitive declares a Secret.
func Sensitive(name, doc string) Key {
	return Key{
		Name: name, Doc: doc, Allowed: "text; better `${VARIABLE}` than the value itself", Secret: true,
		Read: func(text string) (any, error) {
			if text == "" {
				return nil, errors.New("is empty")
			}
			if strings.ContainsAny(text, "\r\n\x00") {
				return nil, errors.New("must not contain line breaks")
			}
			return NewSecret(text), nil
		},
	}
}
