package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
)

func TestIssuesOfProblems(t *testing.T) {
	t.Parallel()
	require.Nil(t, ledger.IssuesOf(nil))
	many := catalog.Problem{Reason: catalog.WrongType, Field: "price", Text: "must be text"}
	require.Equal(t, "must be text", ledger.Sentence(&many))
	for range 200 {
		many.Others = append(many.Others, catalog.Problem{Reason: catalog.MissingField, Field: "title", Text: "title is required"})
	}
	issues := ledger.IssuesOf([]catalog.Problem{many, many})
	require.Len(t, issues, 100, "bounded")
	require.Equal(t, ledger.Issue{Code: "wrong_type", Attribute: "price", Message: "must be text"}, issues[0])
	require.Contains(t, ledger.Sentence(&many), "price: must be text; title is required; title")
}
