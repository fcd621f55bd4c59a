package sandbox

import "time"

// CallKind tells the calls apart that a fault may hit.
type CallKind string

// The calls.
const (
	Submit CallKind = "submit" // the POST of a batch
	Poll   CallKind = "poll"   // the question what became of it
	Look   CallKind = "look"   // a question about the account and its catalogs
)

// FaultKind is a way to misbehave.
type FaultKind string

// Faults of any call, before anything is done.
const (
	RateLimited       FaultKind = "rate_limited"        // with the real headers
	RateLimitedSilent FaultKind = "rate_limited_silent" // the code alone
	AppRateLimited    FaultKind = "app_rate_limited"    // Meta: code 4; Pinterest: as rate_limited
	SpamBlocked       FaultKind = "spam_blocked"        // Pinterest: a 429 that is none; Meta: code 368
	ServerError       FaultKind = "server_error"        // 5xx before the work
	Reset             FaultKind = "reset"               // the connection breaks before the work
	TokenRevoked      FaultKind = "token_revoked"
	Forbidden         FaultKind = "forbidden"
	EchoToken         FaultKind = "echo_token"   // an error that repeats the request's credentials
	HTMLError         FaultKind = "html_error"   // 502 with a page for people
	ErrorIn200        FaultKind = "error_in_200" // an error that passes, with status 200
	// AnswerWith sends Fault.Answer, whatever was asked.
	AnswerWith FaultKind = "answer_with"
)

// Faults of the answer: what was asked is done all the same.
const (
	ServerErrorAfter FaultKind = "server_error_after"
	ResetAfter       FaultKind = "reset_after"
	Hang             FaultKind = "hang"     // never answered; a POST is applied late
	Slow             FaultKind = "slow"     // answered after Duration
	HTML             FaultKind = "html"     // 200 with a page for people
	OddForm          FaultKind = "odd_form" // the same said in another form: see the platforms
	Truncated        FaultKind = "truncated"
	Huge             FaultKind = "huge" // an answer above any sensible size
	// AnswerAfter sends Fault.Answer when the work is done.
	AnswerAfter FaultKind = "answer_after"
)

// Faults of a POST.
const (
	RefuseBatch  FaultKind = "refuse_batch"  // refused as a whole, nobody named
	TooLarge     FaultKind = "too_large"     // refused for its size
	EmptyHandles FaultKind = "empty_handles" // Meta: 200, nothing taken, the first record named; as documented
	NoHandles    FaultKind = "no_handles"    // Meta: the same without the member handles, as seen
	NobodyNamed  FaultKind = "nobody_named"  // Meta: as NoHandles, and the error names no record
	SkipBatch    FaultKind = "skip_batch"    // Pinterest: created_time null, nothing done
	FailBatch    FaultKind = "fail_batch"    // taken, then the batch fails as a whole
)

// Faults of the answer to a poll.
const (
	LostHandle FaultKind = "lost_handle"
	// StaysInProgress is of a batch, for Counters: see Options.Magic.
	StaysInProgress FaultKind = "stays_in_progress"
	EmptyData       FaultKind = "empty_data" // Meta: {"data":[]}
	UnknownStatus   FaultKind = "unknown_status"
	OmitFirst       FaultKind = "omit_first"       // one item is missing
	OmitAll         FaultKind = "omit_all"         // all items are missing
	DuplicateIDs    FaultKind = "duplicate_ids"    // the first item is named twice
	WrongIDs        FaultKind = "wrong_ids"        // all named items are others
	OtherBatch      FaultKind = "other_batch"      // the answer is about another handle
	TotalTooHigh    FaultKind = "total_too_high"   // Meta: more errors counted than listed
	ListBeyondZero  FaultKind = "list_beyond_zero" // Meta: an error is listed, none counted
)

// Fault is one misbehaviour.
type Fault struct {
	Kind FaultKind
	// Duration is how long Slow takes, and what a rate limit asks to wait.
	Duration time.Duration
	// Answer is what AnswerWith and AnswerAfter send.
	Answer *Answer
}

// Answer is an answer, byte for byte.
type Answer struct {
	Status int // 0 means 200
	Header map[string]string
	// Body may hold HandleHere, which becomes the name of the batch: of a POST that was
	// worked at, or of the batch that a poll asks for.
	Body string
}

// HandleHere stands for the name of the batch in an Answer.
const HandleHere = "{handle}"

// PlannedFault happens to a share of the calls of one kind.
type PlannedFault struct {
	Call  CallKind
	Fault Fault
	Rate  float64
}

// Counters are what a simulated platform has seen and done.
type Counters struct {
	Posts    int
	Polls    int
	Looks    int
	Accepted int // batches
	Applied  int // batches
	Records  int // of accepted batches
	Refused  int // items refused when applied
	Limited  int // calls refused by the enforced rate limits
	Faults   map[FaultKind]int
	// Grants counts access tokens given out, GrantsRefused requests for one that
	// were refused.
	Grants        int
	GrantsRefused int
	// DuplicateItems counts records of an item that the same body had before.
	DuplicateItems int
	MaxItems       int // records of the largest accepted body
	MaxBytes       int // of the largest body seen
	// Overlaps counts records accepted while another batch with other content for
	// the item was not applied yet.
	Overlaps int
	// Repeats counts records accepted whose item's last accepted record said the same.
	// That of an item that is gone is forgotten.
	Repeats int
	// Late counts batches applied although their POST hung and was never answered.
	Late int
}
