package meta

// state is one row of the table of batch states. They are compared in lower case:
// Meta's page writes Finished, its answers finished.
type state struct {
	words  []string
	final  bool
	whole  bool // the batch was worked through to its end
	source string
}

// states is the table. A word that is not in it is taken as not finished.
// "status" is Meta's guide Get batch request status, of which the newer reference
// shows only finished; "seen" is a word in code of others that Meta's pages do not
// have.
func states() []state {
	return []state{
		{words: []string{"scheduled"}, source: "status"},
		{words: []string{"dispatched"}, source: "status"},
		{words: []string{"started"}, source: "status: some requests may be applied already"},
		{words: []string{"in_progress", "processing", "pending"}, source: "seen"},
		{words: []string{"finished"}, final: true, whole: true, source: "status: done, requests with errors were not saved"},
		{words: []string{"complete", "completed"}, final: true, whole: true, source: "seen"},
		{words: []string{"error"}, final: true, source: "status: unexpected, some requests may not have finished"},
		{words: []string{"canceled"}, final: true, source: "status: by hand"},
		{words: []string{"cancelled", "failed"}, final: true, source: "seen"},
	}
}
