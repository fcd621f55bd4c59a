package precondition_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/catalog-courier/catalog-courier/internal/precondition"
)

func TestFailuresSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	require.NoError(t, precondition.Failures(nil).Err())
	recovering := precondition.Failure{Key: "in_recovery", What: "the server's role", Found: "a standby", Wanted: "the primary", Passing: true}
	encoding := precondition.Failure{Key: "server_encoding", What: "the database's encoding", Found: "EUC_JP", Wanted: "UTF8", Cure: "make another"}
	err := precondition.Failures{recovering, encoding}.Err()
	require.EqualError(t, err, "the server's role is a standby; the primary is needed; the database's encoding is EUC_JP; UTF8 is needed: make another")
	require.True(t, precondition.Permanent(fmt.Errorf("open: %w", err)))
	require.False(t, precondition.Permanent(precondition.Failures{recovering}.Err()), "a worker waits for it")
	require.False(t, precondition.Permanent(errors.New("no answer")))
}
