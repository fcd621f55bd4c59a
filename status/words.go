package status

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The statuses of a mutation.
const (
	Waiting     = "waiting"     // held by Courier, to be sent
	Submitted   = "submitted"   // sent; the platform has not said yet what became of it
	Succeeded   = "succeeded"   // the platform confirmed it
	Failed      = "failed"      // the platform rejected it
	Unconfirmed = "unconfirmed" // the platform never said what became of it
	Invalid     = "invalid"     // never sent: it breaks a rule
	Superseded  = "superseded"  // a newer change of the item took its place
)

// Statuses lists the statuses of a mutation.
func Statuses() []string {
	return []string{Waiting, Submitted, Succeeded, Failed, Unconfirmed, Invalid, Superseded}
}

// BatchStates lists the states of a batch.
func BatchStates() []string {
	return []string{"sending", "submitted", "ambiguous", "waiting", "retrying", "completed", "refused", "abandoned"}
}

// Words says a mutation's status in plain words. platform is the name for people, see Title;
// "" is read as "the platform".
func Words(status, platform string) string {
	if platform == "" {
		platform = "the platform"
	}
	switch status {
	case Waiting:
		return "waiting to be sent to " + platform
	case Submitted:
		return "sent, waiting for " + platform
	case Succeeded:
		return "confirmed by " + platform
	case Failed:
		return "rejected by " + platform
	case Unconfirmed:
		return "no answer from " + platform
	case Invalid:
		return "invalid, not sent"
	case Superseded:
		return "replaced by a newer change"
	default:
		return status
	}
}

// ItemWords says the state of an item, whose newest change has the status, in plain words.
func ItemWords(status, operation, platform string) string {
	if status != Succeeded {
		return Words(status, platform)
	}
	if platform == "" {
		platform = "the platform"
	}
	if strings.HasPrefix(operation, "DELETE") {
		return "deleted on " + platform
	}
	return "up to date on " + platform
}

// batchWords says a batch's state in plain words.
func batchWords(state string) string {
	switch state {
	case "sending":
		return "being sent"
	case "submitted":
		return "sent, waiting for the platform"
	case "ambiguous":
		return "no answer to the request"
	case "waiting":
		return "waiting to be sent"
	case "retrying":
		return "failed, to be sent again"
	case "completed":
		return "completed"
	case "refused":
		return "rejected as a whole"
	case "abandoned":
		return "given up; its changes were sent again"
	default:
		return state
	}
}

// endedWords are batchWords, and how many of its items the platform rejected.
func endedWords(state string, failed *int32) string {
	words := batchWords(state)
	if state == "completed" && failed != nil && *failed > 0 {
		words += ", " + strconv.Itoa(int(*failed)) + " rejected"
	}
	return words
}

// How the view mutation_status begins to say why a submitted change is not final, where the
// platform has not taken it for certain.
const (
	beingSent = "being sent"
	maybeSent = "sent, and nobody knows whether it arrived"
)

// submittedWords says the status of a submitted change, for the reason that the view gives.
func submittedWords(reason, platform string) string {
	if platform == "" {
		platform = "the platform"
	}
	switch {
	case strings.HasPrefix(reason, beingSent):
		return "being sent to " + platform
	case strings.HasPrefix(reason, maybeSent):
		return "sent, perhaps not received by " + platform
	default:
		return Words(Submitted, platform)
	}
}

// editLetter is the command that corrects a dead letter, without the letter's id.
const editLetter = "worker dead-letters edit"

// nextStep says what to do about a change with the status, "" for nothing.
func nextStep(status string) string {
	switch status {
	case Failed:
		return "publish a corrected change with a new id, or correct its dead letter: " + editLetter
	case Unconfirmed:
		return "look at the item on the platform; then publish the change again with a new id, or replay its dead letter"
	case Invalid:
		return "it was not sent: publish a corrected change with a new id, or correct its dead letter: " + editLetter
	default:
		return ""
	}
}

// Title is a platform's name for people: Pinterest for pinterest.
func Title(platform string) string {
	first, size := utf8.DecodeRuneInString(platform)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + platform[size:]
}
