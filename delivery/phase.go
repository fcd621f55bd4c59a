package delivery

import (
	"fmt"
	"slices"
)

// phase is where an open batch is on its way. docs/life-of-a-mutation.md draws it.
type phase uint8

const (
	phaseRecording  phase = iota // the transaction that records it is under way
	phaseReady                   // to be sent at sendAt
	phaseAnnouncing              // the transaction that announces a further POST is under way
	phaseSending                 // a POST is under way
	phaseFollowing               // its handles are polled
	phaseSettling                // all is known; newer changes are held until holdUntil
	phaseConcluding              // its outcome transaction is under way
)

var phaseNames = [...]string{
	phaseRecording: "recording", phaseReady: "ready", phaseAnnouncing: "announcing", phaseSending: "sending",
	phaseFollowing: "following", phaseSettling: "settling", phaseConcluding: "concluding",
}

func (p phase) String() string { return phaseNames[p] }

// phasesAfter are the phases that may come next.
var phasesAfter = [...][]phase{
	phaseRecording:  {phaseReady},
	phaseReady:      {phaseAnnouncing, phaseSending, phaseFollowing, phaseSettling, phaseConcluding},
	phaseAnnouncing: {phaseReady},
	phaseSending:    {phaseReady, phaseFollowing, phaseSettling},
	phaseFollowing:  {phaseSettling},
	phaseSettling:   {phaseConcluding},
	phaseConcluding: {phaseSettling}, // the database refused the outcome for now
}

// to moves the batch to its next phase. An illegal one is a fault of the program: the
// engine panics, the partition is given up and resumed from what is recorded.
func (f *openBatch) to(next phase) {
	if !slices.Contains(phasesAfter[f.phase], next) {
		panic(fmt.Sprintf("batch %s goes from %s to %s", f.batch.ID, f.phase, next))
	}
	f.phase = next
}
