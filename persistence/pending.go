package persistence

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"

	"github.com/catalog-courier/catalog-courier/migrations"
)

// Pending is a migration that was not applied yet.
type Pending struct {
	Number int64
	Name   string // of its file
	// Comment is what it says of itself, in one line.
	Comment string
	// Effects are what it does to tables that are in use, such as "locks mutation against
	// reading and writing while it runs"; none where it only adds.
	Effects []string
}

// PendingMigrations lists what Migrate would apply, in order. It changes nothing, and
// waits for no other migration.
func PendingMigrations(ctx context.Context, url string) (pending []Pending, err error) {
	if err := checked(ctx, url); err != nil {
		return nil, err
	}
	db, err := openForMigration(url)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var current int64
	var exists bool
	row := db.QueryRowContext(ctx, "SELECT to_regclass($1) IS NOT NULL", versionTable)
	if err := row.Scan(&exists); err != nil {
		return nil, fmt.Errorf("looking for the schema: %w", err)
	}
	provider, err := newProvider(db)
	if err != nil {
		return nil, err
	}
	if exists {
		if current, err = provider.GetDBVersion(ctx); err != nil {
			return nil, fmt.Errorf("reading the schema's version: %w", err)
		}
	}
	made := map[string]bool{}
	for _, source := range provider.ListSources() {
		if source.Version <= current {
			continue
		}
		one, err := pendingOf(source, made)
		if err != nil {
			return nil, err
		}
		pending = append(pending, one)
	}
	return pending, nil
}

func pendingOf(source *goose.Source, made map[string]bool) (Pending, error) {
	content, err := migrations.Files.ReadFile(source.Path)
	if err != nil {
		return Pending{}, fmt.Errorf("reading a migration: %w", err)
	}
	up, _, _ := strings.Cut(string(content), "-- +goose Down")
	return Pending{
		Number: source.Version, Name: source.Path, Comment: firstComment(up), Effects: effectsOf(up, made),
	}, nil
}

// firstComment is the first block of comments, in one line.
func firstComment(up string) string {
	var words []string
	for line := range strings.Lines(up) {
		line = strings.TrimSpace(line)
		comment, isComment := strings.CutPrefix(line, "--")
		switch {
		case strings.HasPrefix(line, "-- +goose"):
		case isComment:
			words = append(words, strings.TrimSpace(comment))
		case len(words) > 0:
			return strings.Join(words, " ")
		}
	}
	return strings.Join(words, " ")
}

var (
	sqlComment  = regexp.MustCompile(`(?m)--.*$`)
	sqlFunction = regexp.MustCompile(`(?s)\$\$.*?\$\$`)
	createTable = regexp.MustCompile(`(?i)\bCREATE TABLE (?:IF NOT EXISTS )?courier\.(\w+)`)
	// effects are what statements do to a table, the first that fits.
	effects = []struct {
		statement *regexp.Regexp
		text      string
	}{
		{regexp.MustCompile(`(?is)\bALTER TABLE (?:ONLY )?courier\.(\w+)[^;]*\b(?:ALTER COLUMN \w+ (?:SET DATA )?TYPE|GENERATED ALWAYS AS \()`), "rewrites %s, and locks it against reading and writing meanwhile"},
		{regexp.MustCompile(`(?is)\bALTER TABLE (?:ONLY )?courier\.(\w+)`), "locks %s against reading and writing for a moment"},
		{regexp.MustCompile(`(?is)\bDROP TABLE (?:IF EXISTS )?courier\.(\w+)`), "drops %s"},
		{regexp.MustCompile(`(?is)\bCREATE (?:UNIQUE )?INDEX (?:IF NOT EXISTS )?\w+ ON (?:ONLY )?courier\.(\w+)`), "builds an index of %s, and locks it against writing meanwhile"},
		{regexp.MustCompile(`(?is)\bUPDATE courier\.(\w+)`), "changes rows of %s"},
		{regexp.MustCompile(`(?is)\bDELETE FROM courier\.(\w+)`), "deletes rows of %s"},
	}
)

// effectsOf says what a migration does to tables that were there before. made are those
// that earlier ones of the list make; its own are added.
func effectsOf(up string, made map[string]bool) (found []string) {
	up = sqlFunction.ReplaceAllString(sqlComment.ReplaceAllString(up, ""), "")
	for _, match := range createTable.FindAllStringSubmatch(up, -1) {
		made[match[1]] = true
	}
	for statement := range strings.SplitSeq(up, ";") {
		for _, effect := range effects {
			match := effect.statement.FindStringSubmatch(statement)
			if match == nil {
				continue
			}
			if text := fmt.Sprintf(effect.text, match[1]); !made[match[1]] && !slices.Contains(found, text) {
				found = append(found, text)
			}
			break
		}
	}
	return found
}
