package persistence

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEffectsOfMigrations(t *testing.T) {
	t.Parallel()
	const up = `-- +goose Up

-- What this is for,
-- in two lines.
CREATE TABLE courier.fresh (id integer);
CREATE INDEX i ON courier.fresh (id);
ALTER TABLE courier.batch ADD COLUMN a text; -- ALTER TABLE courier.nothing
ALTER TABLE courier.batch ADD COLUMN b text;
ALTER TABLE courier.mutation ALTER COLUMN state TYPE integer;
CREATE INDEX CONCURRENTLY quick ON courier.batch (a);
CREATE INDEX slow ON courier.batch (a);
UPDATE courier.account SET state = 'active';
CREATE FUNCTION courier.f() RETURNS void LANGUAGE sql AS $$ DELETE FROM courier.lane; $$;
DELETE FROM courier.older;
`
	require.Equal(t, "What this is for, in two lines.", firstComment(up))
	require.Equal(t, []string{
		"locks batch against reading and writing for a moment",
		"rewrites mutation, and locks it against reading and writing meanwhile",
		"builds an index of batch, and locks it against writing meanwhile",
		"changes rows of account",
		"deletes rows of older",
	}, effectsOf(up, map[string]bool{"older": false}))
	require.Empty(t, effectsOf(`ALTER TABLE courier.fresh ADD COLUMN a text;`, map[string]bool{"fresh": true}))
}
