package catalog

// Reason is a stable code that says why a mutation will not be sent (again).
// It is part of the contract: it stands in dead_letters.
type Reason string

// Reasons for refusing a message before anything is sent.
const (
	InvalidJSON          Reason = "invalid_json"
	MissingField         Reason = "missing_field"
	WrongType            Reason = "wrong_type"
	InvalidValue         Reason = "invalid_value"
	UnknownOperation     Reason = "unknown_operation"
	UnsupportedOperation Reason = "unsupported_operation"
	BadSubject           Reason = "bad_subject"
	UnknownAccount       Reason = "unknown_account"
	UnknownCatalog       Reason = "unknown_catalog"
	UnknownType          Reason = "unknown_catalog_type"
	BadKey               Reason = "bad_key"
	KeyMismatch          Reason = "key_mismatch"
	NotClearable         Reason = "not_clearable"
	NotUpdatable         Reason = "not_updatable"
	UnknownAttribute     Reason = "unknown_attribute" // a warning only
	MessageTooLarge      Reason = "message_too_large"
	RecordTooLarge       Reason = "record_too_large"
	BadPack              Reason = "bad_pack" // a message with many mutations that cannot be read at all
	InternalError        Reason = "internal_error"
	Unrecordable         Reason = "unrecordable" // the database refuses to record it
)

// Reasons for giving up on a mutation after it was sent.
const (
	Refused           Reason = "refused"            // the platform rejected the item permanently
	AttemptsExhausted Reason = "attempts_exhausted" // retryable each time, attempts used up
	Unconfirmed       Reason = "unconfirmed"        // the platform never said
	AccountRemoved    Reason = "account_removed"    // an operator removed the account; perhaps never sent
)

// Problem is one rule that a message breaks. It is the error of bad input: it
// names the field and the rule and says what to do.
type Problem struct { //nolint:errname // the domain says problem: most are kept, few are returned as errors
	Reason Reason
	Field  string // the message field or attribute, "" when the whole message
	Text   string // a sentence for people; never holds a secret
	// Others are further rules that the same message breaks, so that all of them can
	// be fixed at once.
	Others []Problem
}

func (p *Problem) Error() string {
	return string(p.Reason) + ": " + p.Text
}

// DeadLetterReasons are all reasons that a dead letter can have.
func DeadLetterReasons() []Reason {
	return []Reason{
		InvalidJSON, MissingField, WrongType, InvalidValue, UnknownOperation, UnsupportedOperation, BadSubject, UnknownAccount,
		UnknownCatalog, UnknownType, BadKey, KeyMismatch, NotClearable, NotUpdatable, MessageTooLarge, RecordTooLarge, BadPack,
		InternalError, Unrecordable, Refused, AttemptsExhausted, Unconfirmed, AccountRemoved,
	}
}
