package persistence

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/catalog-courier/catalog-courier/persistence/internal/query"
)

// Audit keeps what people did.
type Audit struct {
	query *query.Queries
}

// auditTimeout bounds each call.
const auditTimeout = 10 * time.Second

// NewAudit writes and reads through a pool, which it does not close.
func NewAudit(pool *pgxpool.Pool) *Audit { return &Audit{query: query.New(pool)} }

// Action is something that somebody is about to do.
type Action struct {
	Who, How     string
	Name, Target string
	// Filter is JSON of what chose the rows; nil for an action on one.
	Filter json.RawMessage
	// Expected is how many rows were confirmed; negative where nothing was counted.
	Expected int64
	Reason   string
}

// The actions, as the audit log names them.
const (
	ActPauseAccount   = "pause_account"
	ActResumeAccount  = "resume_account"
	ActRemoveAccount  = "remove_account"
	ActCancelRemoval  = "cancel_removal"
	ActReplayLetters  = "replay_dead_letters"
	ActEditLetter     = "edit_dead_letter"
	ActDismissLetters = "dismiss_dead_letters"
	ActApproveDeletes = "approve_deletes"
	ActApplyFeed      = "apply_feed"
	ActMigrateFeed    = "migrate_feed"
	ActReplayDelivery = "replay_delivery"
	ActAdoptStream    = "adopt_stream"
	ActResendPosts    = "resend_posts"
	ActEraseItem      = "erase_item"
)

// ActionNames are all actions of the audit log.
func ActionNames() []string {
	return []string{
		ActPauseAccount, ActResumeAccount, ActRemoveAccount, ActCancelRemoval, ActReplayLetters, ActEditLetter, ActDismissLetters,
		ActApproveDeletes, ActApplyFeed, ActMigrateFeed, ActReplayDelivery, ActAdoptStream, ActResendPosts, ActEraseItem,
	}
}

// ActionResult is how an action ended.
type ActionResult string

// The results.
const (
	ActionDone    ActionResult = "done"
	ActionFailed  ActionResult = "failed"
	ActionRefused ActionResult = "refused"
)

// ActionResults are all results, also that of an action whose end is not known.
func ActionResults() []string {
	return []string{"started", string(ActionDone), string(ActionFailed), string(ActionRefused)}
}

// Begin writes down an action before it is taken.
func (a *Audit) Begin(ctx context.Context, action Action) (id int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, auditTimeout)
	defer cancel()
	filter := []byte(action.Filter)
	if filter == nil {
		filter = []byte("{}")
	}
	id, err = a.query.BeginAudit(ctx, query.BeginAuditParams{
		Who: clean(action.Who), How: action.How, Action: action.Name, Target: clean(action.Target), Filter: filter,
		Expected: countOrNull(action.Expected), Reason: clean(action.Reason),
	})
	if err != nil {
		return 0, fmt.Errorf("writing the action into the audit log: %w", err)
	}
	return id, nil
}

// Finish writes how an action ended. changed is negative where nothing is counted.
func (a *Audit) Finish(ctx context.Context, id int64, result ActionResult, changed int64, message string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTimeout)
	defer cancel()
	rows, err := a.query.FinishAudit(ctx, query.FinishAuditParams{ID: id, Result: string(result), Message: clean(message), Changed: countOrNull(changed)})
	if err == nil && rows == 0 {
		err = fmt.Errorf("action %d is not under way", id)
	}
	if err != nil {
		return fmt.Errorf("writing the end of the action into the audit log: %w", err)
	}
	return nil
}

func countOrNull(count int64) *int64 {
	if count < 0 {
		return nil
	}
	return &count
}

// AuditFilter chooses rows; zero fields choose all.
type AuditFilter struct {
	// Before continues a list with ids below this one.
	Before int64
	// Who finds all who have the text in their name.
	Who, Action, Target string
	Result              string
	Since, Until        time.Time
	// Limit bounds the list. Defaults to 100.
	Limit int
}

// AuditEntry is a row of the audit log.
type AuditEntry struct {
	ID         int64           `json:"id"`
	At         time.Time       `json:"at"`
	Who        string          `json:"who"`
	How        string          `json:"how"`
	Action     string          `json:"action"`
	Target     string          `json:"target"`
	Filter     json.RawMessage `json:"filter"`
	Expected   *int64          `json:"expected"`
	Changed    *int64          `json:"changed"`
	Reason     string          `json:"reason"`
	Result     string          `json:"result"`
	Message    string          `json:"message"`
	FinishedAt *time.Time      `json:"finished_at"`
}

// ToWhat says to what the action was done, in words: the target, and what chose the rows of
// an action on many.
func (e *AuditEntry) ToWhat() string {
	var chose map[string][]string
	if err := json.Unmarshal(e.Filter, &chose); err != nil {
		return strings.TrimSpace(e.Target + " " + string(e.Filter)) // of another version
	}
	var words []string
	if e.Target != "" {
		words = append(words, e.Target)
	}
	for _, name := range slices.Sorted(maps.Keys(chose)) {
		switch values := chose[name]; {
		case name == "all":
			words = append(words, "all")
		case name == "item_sha256":
			words = append(words, "an item, of which only the hash is kept")
		case len(values) > maxToldValues:
			words = append(words, fmt.Sprintf("%s %s and %d others", strings.ReplaceAll(name, "_", " "), strings.Join(values[:maxToldValues], " or "), len(values)-maxToldValues))
		default:
			words = append(words, strings.ReplaceAll(name, "_", " ")+" "+strings.Join(values, " or "))
		}
	}
	return strings.Join(words, ", ")
}

// maxToldValues bounds the values of one filter in words.
const maxToldValues = 10

// List reads the log, the newest action first.
func (a *Audit) List(ctx context.Context, filter AuditFilter) ([]AuditEntry, error) {
	ctx, cancel := context.WithTimeout(ctx, auditTimeout)
	defer cancel()
	limit := filter.Limit
	if limit <= 0 {
		limit = 100
	}
	rows, err := a.query.AuditLog(ctx, query.AuditLogParams{
		Before: idOrNull(filter.Before), Who: cleanOrNull(filter.Who), Action: cleanOrNull(filter.Action), Target: cleanOrNull(filter.Target),
		Result: cleanOrNull(filter.Result), Since: timeOrNull(filter.Since), Until: timeOrNull(filter.Until), Lim: int32(min(limit, maxPage)),
	})
	if err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	entries := make([]AuditEntry, len(rows))
	for i := range rows {
		entries[i] = AuditEntry{
			ID: rows[i].ID, At: rows[i].At, Who: rows[i].Who, How: rows[i].How, Action: rows[i].Action, Target: rows[i].Target, Filter: rows[i].Filter,
			Expected: rows[i].Expected, Changed: rows[i].Changed, Reason: rows[i].Reason, Result: rows[i].Result, Message: rows[i].Message, FinishedAt: rows[i].FinishedAt,
		}
	}
	return entries, nil
}
