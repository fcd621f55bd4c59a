package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// setting is one key of a section. It is one of three: a value (assign), a
// section of its own (children), or names that the user chooses (entries).
type setting struct {
	key     string
	doc     string // for the reference in docs/configuration.md
	allowed string
	env     string // a variable of its own besides COURIER_…
	secret  bool
	ignored bool // known, but not read this time

	assign func(text string) error
	show   func() string // the present value, for the reference

	children []setting
	entries  func(name string) ([]setting, error)
}

func section(key, doc string, children ...setting) setting {
	return setting{key: key, doc: doc, children: children}
}

func text(key, doc, allowed string, into *string, accept func(string) bool) setting {
	return setting{
		key: key, doc: doc, allowed: allowed,
		assign: func(value string) error {
			if accept != nil && !accept(value) {
				return fmt.Errorf("%q is not allowed: %s", clip(value), allowed)
			}
			*into = value
			return nil
		},
		show: func() string { return *into },
	}
}

// address is a web address. What is not one is not shown, as it may have a secret
// in it.
func address(key, doc string, into *string) setting {
	const allowed = "an http or https address without ?, # and @"
	return setting{
		key: key, doc: doc, allowed: allowed,
		assign: func(value string) error {
			if !webAddress.MatchString(value) {
				return errors.New("must be " + allowed)
			}
			*into = value
			return nil
		},
		show: func() string { return *into },
	}
}

func choice[T ~string](key, doc string, into *T, choices ...T) setting {
	names := make([]string, len(choices))
	for i, name := range choices {
		names[i] = string(name)
	}
	return setting{
		key: key, doc: doc, allowed: "one of " + strings.Join(names, ", "),
		assign: func(value string) error {
			if !slices.Contains(names, value) {
				return fmt.Errorf("%q is not allowed: one of %s", clip(value), strings.Join(names, ", "))
			}
			*into = T(value)
			return nil
		},
		show: func() string { return string(*into) },
	}
}

func boolean(key, doc string, into *bool) setting {
	return setting{
		key: key, doc: doc, allowed: "true or false",
		assign: func(value string) error {
			switch value {
			case "true", "false":
				*into = value == "true"
				return nil
			default:
				return fmt.Errorf("%q is not allowed: true or false", clip(value))
			}
		},
		show: func() string { return strconv.FormatBool(*into) },
	}
}

func integer(key, doc string, into *int, least, most int) setting {
	allowed := fmt.Sprintf("a whole number from %d to %d", least, most)
	return setting{
		key: key, doc: doc, allowed: allowed,
		assign: func(value string) error {
			number, err := strconv.Atoi(value)
			if err != nil || number < least || number > most {
				return fmt.Errorf("%q is not allowed: %s", clip(value), allowed)
			}
			*into = number
			return nil
		},
		show: func() string { return strconv.Itoa(*into) },
	}
}

func duration(key, doc string, into *time.Duration, least, most time.Duration) setting {
	allowed := fmt.Sprintf("a duration such as 500ms, 2s, 5m or 24h, from %s to %s", shortDuration(least), shortDuration(most))
	return setting{
		key: key, doc: doc, allowed: allowed,
		assign: func(value string) error {
			parsed, err := time.ParseDuration(value)
			if err != nil || parsed < least || parsed > most {
				return fmt.Errorf("%q is not allowed: %s", clip(value), allowed)
			}
			*into = parsed
			return nil
		},
		show: func() string { return shortDuration(*into) },
	}
}

// autoDuration is a duration where 0 means that Courier finds the value itself.
func autoDuration(key, doc string, into *time.Duration, most time.Duration) setting {
	plain := duration(key, doc, into, 0, most)
	plain.allowed = "auto, or " + plain.allowed
	inner := plain.assign
	plain.assign = func(value string) error {
		if value == "auto" {
			*into = 0
			return nil
		}
		if inner(value) != nil {
			return fmt.Errorf("%q is not allowed: %s", clip(value), plain.allowed)
		}
		return nil
	}
	plain.show = func() string {
		if *into == 0 {
			return "auto"
		}
		return shortDuration(*into)
	}
	return plain
}

func size[T int | int64](key, doc string, into *T, least, most T) setting {
	allowed := fmt.Sprintf("a size such as 512KiB, 8MB or 2GiB, from %s to %s", shortSize(int64(least)), shortSize(int64(most)))
	return setting{
		key: key, doc: doc, allowed: allowed,
		assign: func(value string) error {
			parsed, err := parseSize(value)
			if err != nil || parsed < int64(least) || parsed > int64(most) {
				return fmt.Errorf("%q is not allowed: %s", clip(value), allowed)
			}
			*into = T(parsed)
			return nil
		},
		show: func() string { return shortSize(int64(*into)) },
	}
}

// secret gives two settings: the key itself, and key_file with the name of a file
// that holds the value.
func secret(key, doc string, into *Secret, readFile func(string) (string, error)) []setting {
	assign := func(value string) error {
		if value == "" {
			return errors.New("is empty")
		}
		if strings.ContainsAny(value, "\r\n\x00") {
			return errors.New("must not contain line breaks")
		}
		*into = NewSecret(value)
		return nil
	}
	return []setting{
		{key: key, doc: doc, allowed: "text; better `${VARIABLE}` than the value itself", secret: true, assign: assign},
		{
			key: key + "_file", doc: "A file that holds `" + key + "`.", allowed: "the path of a readable file",
			assign: func(path string) error {
				value, err := readFile(path)
				if err != nil {
					return err
				}
				if err := assign(strings.TrimRight(value, "\r\n")); err != nil {
					return fmt.Errorf("the content of %s %w", path, err)
				}
				return nil
			},
		},
	}
}

var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"KB", 1e3},
	{"kB", 1e3},
	{"TiB", 1 << 40},
	{"B", 1},
}

func parseSize(value string) (int64, error) {
	unit := int64(1)
	for _, candidate := range sizeUnits {
		if number, found := strings.CutSuffix(value, candidate.name); found {
			value, unit = strings.TrimSpace(number), candidate.bytes
			break
		}
	}
	number, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, err
	}
	if number < 0 || number > math.MaxInt64/unit {
		return 0, strconv.ErrRange
	}
	return number * unit, nil
}

func shortSize(bytes int64) string {
	for _, unit := range sizeUnits {
		if unit.bytes > 1 && bytes >= unit.bytes && bytes%unit.bytes == 0 {
			return strconv.FormatInt(bytes/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(bytes, 10) + "B"
}

// shortDuration prints 1h0m0s as 1h.
func shortDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	printed := d.String()
	if strings.HasSuffix(printed, "m0s") {
		printed = strings.TrimSuffix(printed, "0s")
	}
	if strings.HasSuffix(printed, "h0m") {
		printed = strings.TrimSuffix(printed, "0m")
	}
	return printed
}

// clip keeps a user's value short enough for one line of a message.
func clip(value string) string {
	const limit = 60
	if len(value) > limit {
		return strings.ToValidUTF8(value[:limit], "") + "…"
	}
	return value
}
