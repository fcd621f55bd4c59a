// Package label has the values that the labels of measurements take. They are part of
// what users rely on: dashboards and alerts name them. Whoever measures uses these
// constants, and docs/telemetry.md is made from the same lists.
package label

// Post is how a POST ended.
type Post string

// The results of POSTs.
const (
	Accepted  Post = "accepted"
	Ambiguous Post = "ambiguous" // the platform may have taken it
	NotTaken  Post = "not_taken" // certainly not
)

// Poll is how a poll of a handle ended.
type Poll string

// The results of polls.
const (
	Pending  Poll = "pending"
	Finished Poll = "finished"
	NotFound Poll = "not_found"
	Error    Poll = "error"
)

// Cause is what a failed call is about; of a call that worked it is None.
type Cause string

// The causes of failed calls.
const (
	None     Cause = "none"
	Platform Cause = "platform" // an outage, a time-out, an answer without sense
	Item     Cause = "item"
	Batch    Cause = "batch"
	Account  Cause = "account" // a token or a permission
	Quota    Cause = "quota"
	Caller   Cause = "caller" // the call was never made
)

// Cut is why a batch was cut.
type Cut string

// The reasons for cutting a batch.
const (
	Age   Cut = "age"
	Count Cut = "count"
	Bytes Cut = "bytes"
)

// Outcome is what became of a record when its batch ended.
type Outcome string

// The outcomes of records.
const (
	Succeeded   Outcome = "succeeded"
	Failed      Outcome = "failed"
	Unconfirmed Outcome = "unconfirmed"
	Returned    Outcome = "returned" // it goes again
)

// Retry is why a record goes again.
type Retry string

// The reasons for sending a record again.
const (
	Again    Retry = "retryable" // it failed, or nothing was said of it; attempts are left
	Split    Retry = "split"     // the rest of a change that takes two records
	Parted   Retry = "parted"    // a merged record was refused: its parts go alone
	Halved   Retry = "halved"    // in a smaller batch
	Suspect  Retry = "suspected" // refused alone, perhaps for no fault of its own
	Innocent Retry = "innocent"  // its batch ended for a reason that is not the record's
)

// Lease is how the ownership of a partition changed.
type Lease string

// The changes of leases.
const (
	Acquired Lease = "acquired"
	Released Lease = "released"
	Lost     Lease = "lost"
)

// Reload is what came of reading the configuration again.
type Reload string

// The results of reading the configuration again.
const (
	Applied   Reload = "applied"
	Unchanged Reload = "unchanged"
	Refused   Reload = "refused" // the worker goes on as it was
)

// Clock is another clock than the worker's.
type Clock string

// The other clocks.
const (
	Database Clock = "database"
	NATS     Clock = "nats"
)

// The values that each label can take.
var (
	Posts    = []Post{Accepted, Ambiguous, NotTaken}
	Polls    = []Poll{Pending, Finished, NotFound, Error}
	Causes   = []Cause{None, Platform, Item, Batch, Account, Quota, Caller}
	Cuts     = []Cut{Age, Count, Bytes}
	Outcomes = []Outcome{Succeeded, Failed, Unconfirmed, Returned}
	Retries  = []Retry{Again, Split, Parted, Halved, Suspect, Innocent}
	Leases   = []Lease{Acquired, Released, Lost}
	Clocks   = []Clock{Database, NATS}
	Reloads  = []Reload{Applied, Unchanged, Refused}
)

// Status is how a mutation ended, in the words of the mutation_status view.
type Status string

// Statuses are all ways in which a mutation ends.
var Statuses = []Status{"succeeded", "failed", "unconfirmed", "superseded", "invalid"}
