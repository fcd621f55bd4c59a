package delivery_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
)

// waits makes the changes of account acme wait in memory, and those of account other not.
func (w *world) waits() {
	slow := policy()
	slow.MaxAge = time.Minute
	w.account("acme", slow)
	w.account("other", policy())
}

// commitOther has a transaction of the same partition written that is about another item.
func (w *world) commitOther() {
	id := w.change("o", catalog.Upsert, `{"a":1}`, of("other"))
	w.until(4*time.Second, "the other change has a row", func() bool { return w.row(id).Status != "" })
}

// ends are the ways in which an owner may leave.
var ends = map[string]func(*life){"killed": (*life).crash, "handed over": (*life).stop}

// TestVersionsAreRecordedWithTheirMutations: whatever is committed meanwhile, an owner
// that goes leaves no version behind whose mutation the next one reads again.
func TestVersionsAreRecordedWithTheirMutations(t *testing.T) {
	t.Parallel()
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(w *world) {
				w.waits()
				l := w.start()
				w.change("x", catalog.Create, `{"a":1,"b":1}`, version(1))
				w.change("x", catalog.Update, `{"a":2}`, version(2))
				w.commitOther()
				require.Empty(t, w.versions("x"), "it has no row yet")
				end(l)
				l = w.start()
				w.finish(10 * time.Minute)
				require.Equal(t, ledgermodel.Succeeded, w.status()["m2"])
				require.False(t, w.row("m1").Overtaken)
				w.requireState()
				require.Equal(t, map[string]string{"a": "2", "b": "1"}, w.platform.itemX())
				l.stop()
			})
		})
	}
}

// versions is what the store knows of an item of account acme.
func (w *world) versions(item string) []ledger.ItemVersion {
	known, err := w.store.NewestVersions(w.t.Context(), []catalog.ItemKey{{Lane: laneOf("acme"), ItemID: item}})
	require.NoError(w.t, err)
	return slices.Collect(maps.Values(known))
}

// TestDeleteBeforeANewerVersion: a DELETE does not vanish because the change behind it
// was seen, also where it takes its version from the change before it.
func TestDeleteBeforeANewerVersion(t *testing.T) {
	t.Parallel()
	for kind, options := range map[string][]func(*catalog.Mutation){"with a version": {version(2)}, "without": nil} {
		for name, end := range ends {
			t.Run(kind+", "+name, func(t *testing.T) {
				scenario(t, func(w *world) {
					l := w.start()
					w.change("x", catalog.Upsert, `{"a":1,"b":1}`, version(1))
					w.finish(time.Minute)
					l.stop()
					w.waits()
					l = w.start()
					w.change("x", catalog.Delete, "", options...)
					w.change("x", catalog.Create, `{"a":3}`, version(3))
					w.commitOther()
					end(l)
					l = w.start()
					w.finish(10 * time.Minute)
					w.requireState()
					require.Equal(t, map[string]string{"a": "3"}, w.platform.itemX())
					require.Equal(t, ledgermodel.Succeeded, w.status()["m2"])
					l.stop()
				})
			})
		}
	}
}

// TestOvertakenIsNotRecordedAlone: what is overtaken has no row before the change that
// overtakes it has one. The next owner may find that one invalid.
func TestOvertakenIsNotRecordedAlone(t *testing.T) {
	t.Parallel()
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(w *world) {
				w.waits()
				l := w.start()
				w.change("x", catalog.Upsert, `{"a":2}`, version(2))
				w.change("x", catalog.Upsert, `{"a":1}`, version(1))
				w.commitOther()
				require.Empty(t, w.row("m2").Status)
				end(l)
				w.platform.validate = func(m *catalog.Mutation) *catalog.Problem {
					if m.Version == 2 {
						return &catalog.Problem{Reason: catalog.BadKey, Text: "no good"}
					}
					return nil
				}
				l = w.start()
				w.finish(10 * time.Minute)
				require.Equal(t, ledgermodel.Invalid, w.status()["m1"])
				require.Equal(t, ledgermodel.Succeeded, w.status()["m2"])
				l.stop()
			})
		})
	}
}

// TestOvertakenGetsItsRowInTime: what is overtaken waits for a row no longer than the
// change that overtakes it.
func TestOvertakenGetsItsRowInTime(t *testing.T) {
	scenario(t, func(w *world) {
		w.waits()
		l := w.start()
		w.change("x", catalog.Upsert, `{"a":3}`, version(3))
		w.change("x", catalog.Upsert, `{"a":1}`, version(1))
		w.change("x", catalog.Upsert, `{"a":2}`, version(2))
		w.until(6*time.Second, "all have rows", func() bool { return len(w.store.Mutations()) == 3 })
		require.Equal(t, ledgermodel.Waiting, w.status()["m1"])
		for _, id := range []string{"m2", "m3"} {
			require.Equal(t, ledgermodel.Superseded, w.status()[id])
			require.Equal(t, "m1", w.row(id).SupersededBy)
		}
		l.crash()
		l = w.start()
		w.finish(10 * time.Minute)
		require.Equal(t, []string{`x UPSERT {"a":3}`}, w.platform.sent())
		l.stop()
	})
}

// TestEqualVersionBehindADelete: the counter that a DELETE ends is the one before it, and
// not that of a change behind it which happens to bear the same number.
func TestEqualVersionBehindADelete(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]func(*catalog.Mutation){"with a version": {version(5)}, "without": nil} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(w *world) {
				l := w.start()
				w.change("x", catalog.Upsert, `{"a":1}`, version(5))
				w.finish(time.Minute)
				w.change("x", catalog.Delete, "", options...)
				w.until(time.Minute, "the DELETE is sent", func() bool { return w.posts() == 2 })
				w.change("x", catalog.Upsert, `{"a":2}`, version(5))
				w.until(time.Minute, "it is sent", func() bool { return w.posts() == 3 })
				w.change("x", catalog.Upsert, `{"a":3}`, version(4))
				w.finish(time.Minute)
				require.Equal(t, ledgermodel.Superseded, w.status()["m4"])
				require.Equal(t, map[string]string{"a": "2"}, w.platform.itemX())
				l.crash()
				l = w.start()
				w.change("x", catalog.Upsert, `{"a":4}`, version(4))
				w.finish(time.Minute)
				require.Equal(t, ledgermodel.Superseded, w.status()["m5"], "nor after a restart")
				l.stop()
			})
		})
	}
}

// TestVersionsOfStrays: versions of changes for an account that nobody knows count once
// it is known, in the order of the stream, and only if the changes are valid.
func TestVersionsOfStrays(t *testing.T) {
	t.Parallel()
	for name, invalid := range map[string]bool{"all valid": false, "the newest invalid": true} {
		t.Run(name, func(t *testing.T) {
			scenario(t, func(w *world) {
				later := of("later")
				l := w.start()
				w.change("x", catalog.Upsert, `{"a":5}`, later, version(5))
				w.change("x", catalog.Upsert, `{"a":3}`, later, version(3))
				pass(time.Minute)
				require.Equal(t, ledgermodel.Waiting, w.status()["m2"], "nobody knows yet whether the first is valid")
				w.change("x", catalog.Upsert, `{"a":2}`, later, version(2)) // the next owner reads it
				l.crash()
				if invalid {
					w.platform.validate = func(m *catalog.Mutation) *catalog.Problem {
						if m.Version == 5 {
							return &catalog.Problem{Reason: catalog.BadKey, Text: "no good"}
						}
						return nil
					}
				}
				slow := policy()
				slow.MaxAge = 10 * time.Second
				w.account("later", slow)
				l = w.start()
				w.change("x", catalog.Upsert, `{"a":4}`, later, version(4))
				w.finish(time.Hour)
				require.Equal(t, map[bool]string{false: "5", true: "4"}[invalid], w.platform.items[catalog.ItemKey{Lane: laneOf("later"), ItemID: "x"}]["a"])
				if invalid {
					require.False(t, w.row("m2").Overtaken)
					require.True(t, w.row("m3").Overtaken, "%+v %q", w.store.Mutations(), w.platform.sent())
				} else {
					require.Equal(t, []bool{true, true, true}, []bool{w.row("m2").Overtaken, w.row("m3").Overtaken, w.row("m4").Overtaken})
				}
				l.stop()
			})
		})
	}
}

// TestVersionOfAnAccountThatWasAway: a change that came while its account was not configured
// is overtaken by what was recorded before it, though a newer one behind it is seen first.
func TestVersionOfAnAccountThatWasAway(t *testing.T) {
	scenario(t, func(w *world) {
		of := of("later")
		w.account("later", policy())
		l := w.start()
		w.change("x", catalog.Upsert, `{"a":5}`, of, version(5))
		w.finish(time.Hour)
		l.stop()
		settings := w.accounts["later"]
		delete(w.accounts, "later")
		l = w.start()
		w.change("x", catalog.Delete, "", of, version(3))
		pass(30 * time.Second)
		l.stop()
		w.accounts["later"] = settings
		w.change("x", catalog.Update, `{"b":7}`, of, version(7))
		l = w.start()
		w.finish(time.Hour)
		require.True(t, w.row("m2").Overtaken)
		require.Equal(t, ledgermodel.Succeeded, w.status()["m3"])
		require.Equal(t, map[string]string{"a": "5", "b": "7"}, w.platform.items[catalog.ItemKey{Lane: laneOf("later"), ItemID: "x"}])
		l.stop()
	})
}

// TestVersionsOfLocalizations are their own: an item's version overtakes none of them.
func TestVersionsOfLocalizations(t *testing.T) {
	scenario(t, func(w *world) {
		w.waits()
		l := w.start()
		polish := func(m *catalog.Mutation) {
			m.Lane.Catalog = "l"
			m.Localization = catalog.Localization{Type: "LANGUAGE", Value: "pl_PL"}
		}
		w.change("x", catalog.Upsert, `{"a":1}`, version(7))
		w.change("x", catalog.Upsert, `{"a":2}`, version(1), polish)
		w.change("x", catalog.Upsert, `{"a":3}`, version(2), polish)
		w.change("x", catalog.Upsert, `{"a":4}`, version(1), polish)
		w.commitOther()
		l.crash()
		l = w.start()
		w.finish(10 * time.Minute)
		require.Equal(t, ledgermodel.Succeeded, w.status()["m1"])
		require.Equal(t, ledgermodel.Succeeded, w.status()["m3"])
		require.False(t, w.row("m2").Overtaken)
		require.True(t, w.row("m4").Overtaken)
		l.stop()
	})
}
