package console

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/legible"
	"github.com/catalog-courier/catalog-courier/internal/span"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/status"
)

func (c *Console) accountNames(ctx context.Context) ([]string, error) {
	accounts, err := c.Reader.Accounts(ctx, "")
	if err != nil {
		return nil, err
	}
	names := make([]string, len(accounts))
	for i := range accounts {
		names[i] = accounts[i].Name
	}
	return names, nil
}

func (c *Console) accounts(w http.ResponseWriter, r *http.Request) error {
	accounts, err := c.Reader.Accounts(r.Context(), "")
	if err != nil {
		return err
	}
	if wantsCSV(r) {
		return accountsCSV(w, accounts)
	}
	return c.showPage(w, "accounts", c.page(r, "Accounts", "accounts").live(), accounts)
}

// shownAccount is an account with its quotas.
type shownAccount struct {
	status.Account
	Quotas  []quotaLine
	Batches []status.Batch
	Lengths []string
	Actions []persistence.AuditEntry
	Charts  []chart
}

// quotaLine is what a platform told of one scope, name by name.
type quotaLine struct {
	Scope  string
	Values []quotaValue
	// Left is percent that is left, -1 where the platform does not say.
	Left float64
}

// quotaValue is one of them: a text, or a time.
type quotaValue struct {
	Name, Value string
	At          time.Time
}

// quotaLines reads what platforms tell, which differs.
func quotaLines(raw json.RawMessage, now time.Time) (lines []quotaLine) {
	var scopes map[string]map[string]any
	if json.Unmarshal(raw, &scopes) != nil {
		return nil
	}
	for _, scope := range slices.Sorted(maps.Keys(scopes)) {
		line := quotaLine{Scope: scope, Left: -1}
		values := scopes[scope]
		for _, name := range slices.Sorted(maps.Keys(values)) {
			line.Values = append(line.Values, quotaValueOf(name, values[name]))
		}
		line.Left = quotaLeft(values, now)
		lines = append(lines, line)
	}
	return lines
}

func quotaValueOf(name string, value any) quotaValue {
	shown := quotaValue{Name: strings.ReplaceAll(name, "_", " ")}
	if text, ok := value.(string); ok {
		shown.Value = text
		shown.At, _ = time.Parse(time.RFC3339, text) // else it is shown as a text
		return shown
	}
	text, err := json.Marshal(value)
	if err == nil {
		shown.Value = string(text)
	}
	return shown
}

// quotaLeft is percent that is left; -1 where the platform does not say, or where what it
// said was about a window that is over.
func quotaLeft(values map[string]any, now time.Time) float64 {
	for _, end := range []string{"resets_at", "regained_at"} {
		text, _ := values[end].(string)
		if at, err := time.Parse(time.RFC3339, text); err == nil && !at.After(now) {
			return -1
		}
	}
	limit, limited := values["limit"].(float64)
	if remaining, told := values["remaining"].(float64); told && limited && limit > 0 {
		return 100 * remaining / limit
	}
	if used, told := values["used_percent"].(float64); told {
		return max(0, 100-used)
	}
	return -1
}

// pauseLengths are offered; any other can be written.
var pauseLengths = []string{"15m", "1h", "4h", "1d", "1w"}

func (c *Console) account(w http.ResponseWriter, r *http.Request) error {
	account, err := c.oneAccount(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	shown := shownAccount{Account: account, Quotas: quotaLines(account.Quota, c.now()), Lengths: pauseLengths}
	shown.Batches, _, err = c.Reader.Batches(r.Context(), status.BatchFilter{Filter: status.Filter{Account: account.Name}}, [16]byte{}, 10)
	if err != nil {
		return err
	}
	if shown.Charts, err = c.charts(r.Context(), account.Name); err != nil {
		return err
	}
	return c.showPage(w, "account", c.page(r, account.Name, "accounts").live(), shown)
}

func (c *Console) oneAccount(ctx context.Context, name string) (status.Account, error) {
	accounts, err := c.Reader.Accounts(ctx, name)
	if err != nil {
		return status.Account{}, err
	}
	if len(accounts) == 0 {
		return status.Account{}, refuse(http.StatusNotFound, "No worker has this account in its configuration.")
	}
	return accounts[0], nil
}

func (c *Console) pause(w http.ResponseWriter, r *http.Request) error {
	account, err := c.oneAccount(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	end, words, err := c.pauseEnd(r)
	if err != nil {
		return err
	}
	return c.act(w, r, deed{
		name: persistence.ActPauseAccount, target: account.Name, expected: -1, back: c.link("/accounts/" + account.Name),
		do: func(ctx context.Context, reason string) (int64, string, error) {
			return -1, account.Name + " is paused " + words + ". Workers hear of it within about 5 seconds, and may send more until then.", c.Do.Accounts.PauseAccountUntil(ctx, account.Name, reason, end)
		},
	})
}

// pauseEnd reads when a pause is to end: after a length, at a time, or neither.
func (c *Console) pauseEnd(r *http.Request) (end persistence.PauseEnd, words string, err error) {
	length, until := strings.TrimSpace(r.PostFormValue("for")), strings.TrimSpace(r.PostFormValue("until"))
	switch {
	case length != "" && until != "":
		return end, "", refuse(http.StatusBadRequest, "Say how long the pause lasts, or until when: not both.")
	case length != "":
		if end.After, err = span.Length(length); err != nil {
			return end, "", refuse(http.StatusBadRequest, legible.Cut(length, maxToldValue)+" "+err.Error()+".")
		}
		return end, "for " + span.Words(end.After), nil
	case until != "":
		if end.At, err = span.Until(until, zoneOf(r), c.now()); err != nil {
			return end, "", refuse(http.StatusBadRequest, legible.Cut(until, maxToldValue)+" "+err.Error()+".")
		}
		return end, "until " + end.At.In(zoneOf(r)).Format("2006-01-02 15:04 MST"), nil
	default:
		return end, "until somebody resumes it", nil
	}
}

// maxToldValue bounds a value of a form in a message about it.
const maxToldValue = 40

func (c *Console) resume(w http.ResponseWriter, r *http.Request) error {
	account, err := c.oneAccount(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	return c.act(w, r, deed{
		name: persistence.ActResumeAccount, target: account.Name, expected: -1, back: c.link("/accounts/" + account.Name),
		do: func(ctx context.Context, _ string) (int64, string, error) {
			return -1, account.Name + " is resumed.", c.Do.Accounts.ResumeAccount(ctx, account.Name)
		},
	})
}
