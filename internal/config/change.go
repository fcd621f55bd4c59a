package config

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// Change is how one configuration differs from another.
type Change struct {
	// Added, Removed and Changed are accounts, in alphabetical order. A default that
	// changed changes the accounts that use it.
	Added, Removed, Changed []string
	// Fixed are the keys outside of the accounts that differ, such as "nats.url": a
	// process reads them once.
	Fixed []string
}

// IsZero reports that nothing differs.
func (c Change) IsZero() bool {
	return len(c.Added)+len(c.Removed)+len(c.Changed)+len(c.Fixed) == 0
}

// Accounts lists those that were added, removed or changed, in alphabetical order.
func (c Change) Accounts() []string {
	return slices.Sorted(slices.Values(slices.Concat(c.Added, c.Removed, c.Changed)))
}

// Compare says how to differs from c.
func (c *Config) Compare(to *Config) Change {
	var change Change
	for _, name := range c.AccountNames() {
		account, kept := to.Accounts[name]
		switch {
		case !kept:
			change.Removed = append(change.Removed, name)
		case !reflect.DeepEqual(c.Accounts[name], account):
			change.Changed = append(change.Changed, name)
		}
	}
	for _, name := range to.AccountNames() {
		if _, known := c.Accounts[name]; !known {
			change.Added = append(change.Added, name)
		}
	}
	was, is := c.fixed(), to.fixed()
	for _, key := range sortedKeys(is) {
		if was[key] != is[key] {
			change.Fixed = append(change.Fixed, key)
		}
	}
	// Of these the names are the user's, or there are none.
	if !reflect.DeepEqual(c.Outcomes.Webhooks, to.Outcomes.Webhooks) {
		change.Fixed = append(change.Fixed, "outcomes.webhooks")
	}
	if !reflect.DeepEqual(c.Notices, to.Notices) {
		change.Fixed = append(change.Fixed, "notices")
	}
	slices.Sort(change.Fixed)
	return change
}

// fixed are the values of all keys outside of the accounts.
func (c *Config) fixed() map[string]any {
	values := map[string]any{}
	var walk func(fields []field, at string)
	walk = func(fields []field, at string) {
		for _, f := range fields {
			key := joinKey(at, f.Name)
			if f.value != nil {
				values[key] = f.value()
			}
			walk(f.children, key)
		}
	}
	walk((&loader{config: c}).settings(), "")
	return values
}

// SamePlace reports whether both configurations send the changes of a catalog to one and
// the same place with the same meaning: platform, address, and the keys of account and
// catalog.
func (c *Config) SamePlace(other *Config, account, catalog string) bool {
	a, known := c.Accounts[account]
	b, alsoKnown := other.Accounts[account]
	if !known || !alsoKnown {
		return known == alsoKnown
	}
	return a.Platform == b.Platform && a.BaseURL == b.BaseURL &&
		maps.EqualFunc(a.Keys, b.Keys, sameValue) &&
		maps.EqualFunc(a.Catalogs[catalog].Keys, b.Catalogs[catalog].Keys, sameValue)
}

func sameValue(a, b any) bool { return reflect.DeepEqual(a, b) }

// Fingerprint tells two contents of a configuration file apart without keeping them.
func Fingerprint(path string) ([sha256.Size]byte, error) {
	content, err := readBounded(path, maxFile)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("reading the configuration: %w", err)
	}
	return sha256.Sum256(content), nil
}
