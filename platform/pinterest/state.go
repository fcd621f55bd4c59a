package pinterest

import (
	"strings"

	"github.com/catalog-courier/catalog-courier/platform"
)

const (
	skippedText = "Pinterest skipped the batch as a recent duplicate"
	failedText  = "Pinterest reports the batch as FAILED"

	noReasonText = "Pinterest gives no reason"
)

// batchState is what a status of a batch means.
type batchState struct {
	name     string
	progress platform.Progress
	failed   bool   // records that are not blamed themselves may work another time
	meaning  string // for people
}

// batchStates are BatchOperationStatus of the OpenAPI file 5.23.0. Another status
// is taken as not finished, so that nothing is sent twice for a new word.
var batchStates = []batchState{
	{name: "PROCESSING", progress: platform.Pending, meaning: "asked again"},
	{name: "COMPLETED", progress: platform.Finished, meaning: "each record ends as its own status says"},
	{name: "FAILED", progress: platform.Finished, failed: true, meaning: "a record with errors of its own failed; one named SUCCESS succeeded; all others are sent again"},
}

func stateOf(status string) (state batchState, known bool) {
	for _, state := range batchStates {
		if strings.EqualFold(state.name, status) {
			return state, true
		}
	}
	return batchState{}, false
}

// itemState is what a status of a record means.
type itemState struct {
	name    string
	outcome platform.Outcome
	meaning string // for people
}

// itemStates are ItemProcessingStatus of the OpenAPI file 5.23.0. Another status
// says nothing.
var itemStates = []itemState{
	{name: "SUCCESS", outcome: platform.Succeeded, meaning: "succeeded, unless errors stand beside it"},
	{name: "FAILURE", outcome: platform.Failed, meaning: "failed, with Pinterest's errors"},
	{name: "PROCESSING", outcome: platform.Unknown, meaning: "unknown: in a finished batch nobody will say more"},
}

func itemOutcome(status string) platform.Outcome {
	for i := range itemStates {
		if strings.EqualFold(itemStates[i].name, status) {
			return itemStates[i].outcome
		}
	}
	return platform.Unknown
}
