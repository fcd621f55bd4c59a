package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/catalog-courier/catalog-courier/internal/setting"
)

// Secret is a value that must never be shown.
type Secret = setting.Secret

// NewSecret wraps a value.
func NewSecret(value string) Secret { return setting.NewSecret(value) }

// field is one key of a section. It is one of four: a value (assign), a section of
// its own (children), names that the user chooses (entries), or what reads its node
// itself (read), such as a list.
type field struct {
	setting.Key

	ignored bool // known, but not read this time

	assign func(text string) error
	shown  func() string // the present value, for the reference; nil for none
	value  func() any    // the present value, secrets revealed, to compare; nil for none

	children []field
	entries  func(name string) ([]field, error)
	read     func(node *yaml.Node, at string)
	elements func() []field // of a list of sections, for the reference
}

func section(name, doc string, children ...field) field {
	return field{Key: setting.Key{Name: name, Doc: doc}, children: children}
}

// bind reads a key into a variable of the type that the key declares.
func bind[T any](key setting.Key, into *T) field {
	return field{
		Key: key,
		assign: func(text string) error {
			value, err := key.Read(text)
			if err != nil {
				return err
			}
			*into = value.(T) //nolint:forcetypeassert // the key declares the type
			return nil
		},
		shown: func() string { return key.Show(*into) },
		value: func() any { return revealed(*into) },
	}
}

// revealed is a value as it can be compared.
func revealed(value any) any {
	if secret, ok := value.(Secret); ok {
		return secret.Reveal()
	}
	return value
}

// bindSize reads a size, which keys declare as an int64, into an int.
func bindSize(key setting.Key, into *int) field {
	var size int64
	bound := bind(key, &size)
	assign := bound.assign
	bound.assign = func(text string) error {
		if err := assign(text); err != nil {
			return err
		}
		*into = int(size)
		return nil
	}
	bound.shown = func() string { return key.Show(int64(*into)) }
	return bound
}

// bindName reads a text into a variable whose type is one of texts.
func bindName[T ~string](key setting.Key, into *T) field {
	var name string
	bound := bind(key, &name)
	assign := bound.assign
	bound.assign = func(text string) error {
		if err := assign(text); err != nil {
			return err
		}
		*into = T(name)
		return nil
	}
	bound.shown = func() string { return string(*into) }
	return bound
}

// secret gives two fields: the key itself, and key_file with the name of a file that
// holds the value. path, which may be nil, keeps that name for who reads it again.
func (l *loader) secret(key setting.Key, into *Secret, path *string) []field {
	own := bind(key, into)
	own.shown = nil
	return []field{own, l.fileOf(key, own.assign, path)}
}

func (l *loader) fileOf(key setting.Key, assign func(string) error, path *string) field {
	return field{
		Key: setting.Key{Name: key.Name + "_file", Doc: "A file that holds `" + key.Name + "`.", Allowed: "the path of a readable file"},
		assign: func(name string) error {
			if path != nil {
				*path = name
			}
			content, err := l.readFile(name)
			if err != nil {
				return err
			}
			if err := assign(strings.TrimRight(content, "\r\n")); err != nil {
				return fmt.Errorf("the content of %s %w", name, err)
			}
			return nil
		},
	}
}
