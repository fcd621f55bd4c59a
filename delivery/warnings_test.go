package delivery_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
	"github.com/catalog-courier/catalog-courier/platform"
)

// oddPrice warns of each mutation that says odd.
func oddPrice(m *catalog.Mutation) []catalog.Problem {
	if !strings.Contains(string(m.Attributes), "odd") {
		return nil
	}
	return []catalog.Problem{{Reason: catalog.InvalidValue, Field: "price", Text: "is odd"}}
}

var odd = ledger.Issue{Code: "invalid_value", Attribute: "price", Message: "is odd"}

// TestWarningsOfTheRules stand beside what the platform said, whatever the end.
func TestWarningsOfTheRules(t *testing.T) {
	scenario(t, func(w *world) {
		w.platform.warn = oddPrice
		w.platform.validate = func(m *catalog.Mutation) *catalog.Problem {
			if m.ItemID != "invalid" {
				return nil
			}
			return &catalog.Problem{
				Reason: catalog.WrongType, Field: "title", Text: "must be text",
				Others: []catalog.Problem{{Reason: catalog.MissingField, Field: "link", Text: "is required"}},
			}
		}
		w.platform.onPost = func(*post) answer {
			return answer{judge: func(_ int, r *catalog.Record) *platform.Verdict {
				switch r.Key.ItemID {
				case "said":
					return &platform.Verdict{Outcome: platform.Succeeded, Warnings: []ledger.Issue{{Message: "hm"}}}
				case "silent":
					return &platform.Verdict{}
				}
				return nil
			}}
		}
		l := w.start()
		ends := map[string]ledgermodel.Status{}
		for item, end := range map[string]ledgermodel.Status{
			"plain": ledgermodel.Succeeded, "said": ledgermodel.Succeeded, "silent": ledgermodel.Unconfirmed, "invalid": ledgermodel.Invalid,
		} {
			ends[w.upsert(item, `{"odd":1}`)] = end
		}
		ends[w.upsert("refused", `{"odd":1,"bad":1}`)] = ledgermodel.Failed
		merged := w.upsert("merged", `{"odd":1}`)
		ends[merged] = ledgermodel.Superseded
		quiet := w.upsert("merged", `{"a":1}`)
		w.finish(time.Hour)
		for id, end := range ends {
			row := w.row(id)
			require.Equal(t, end, row.Status, row.Key.ItemID)
			require.Equal(t, odd, row.Warnings[0], row.Key.ItemID)
			if row.Key.ItemID == "said" {
				require.Equal(t, []ledger.Issue{odd, {Message: "hm"}}, row.Warnings)
			}
			if row.Key.ItemID == "invalid" {
				require.Equal(t, []ledger.Issue{
					{Code: "wrong_type", Attribute: "title", Message: "must be text"},
					{Code: "missing_field", Attribute: "link", Message: "is required"},
				}, row.Errors)
			}
		}
		require.Empty(t, w.row(quiet).Warnings)
		l.stop()
	})
}

// TestValidMutationStaysValid: rules that became stricter while a mutation waited in
// the store do not take it back, and its warnings outlive the owner who saw them.
func TestValidMutationStaysValid(t *testing.T) {
	scenario(t, func(w *world) {
		_, err := w.store.SaveAccount(t.Context(), ledger.AccountState{Account: "acme", State: "paused", ByHand: true})
		require.NoError(t, err)
		w.platform.warn = oddPrice
		l := w.start()
		id := w.upsert("x", `{"odd":1}`)
		stray := w.change("y", catalog.Upsert, `{"odd":1}`, of("later"))
		pass(time.Minute)
		require.Equal(t, ledgermodel.Waiting, w.status()[id])
		require.Equal(t, []ledger.Issue{odd}, w.row(id).Warnings)
		require.Empty(t, w.row(stray).Warnings, "nobody could check it yet")
		l.crash()
		w.account("later", policy())
		w.platform.validate = func(m *catalog.Mutation) *catalog.Problem {
			if m.ItemID == "x" {
				return &catalog.Problem{Reason: catalog.InvalidValue, Text: "is not allowed any more"}
			}
			return nil
		}
		w.store.ResumeAccount("acme")
		l = w.start()
		w.finish(time.Hour)
		for _, id := range []string{id, stray} {
			require.Equal(t, ledgermodel.Succeeded, w.status()[id])
			require.Equal(t, []ledger.Issue{odd}, w.row(id).Warnings)
		}
		l.stop()
	})
}
