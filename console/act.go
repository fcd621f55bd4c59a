package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/catalog-courier/catalog-courier/persistence"
)

// Actions are what operators may do.
type Actions struct {
	Accounts AccountActions
	// Letters acts on dead letters. Nil where nothing can be published.
	Letters LetterActions
	// Approve lets deletes go that a run has withheld: at most so many for each route. It
	// returns at once, with what is under way; the run's own page shows how it goes on. Nil
	// where sources are not configured.
	Approve func(ctx context.Context, run int64, most int) (string, error)
}

// AccountActions pause and resume accounts; persistence.Store is one.
type AccountActions interface {
	// PauseAccountUntil sends nothing of the account until then.
	PauseAccountUntil(ctx context.Context, account, reason string, end persistence.PauseEnd) error
	ResumeAccount(ctx context.Context, account string) error
}

// deed is an action, as it is confirmed and written down.
type deed struct {
	name, target string
	filter       url.Values
	// expected is how many rows were confirmed; negative where nothing is counted.
	expected int64
	// back is the page that is shown afterwards.
	back string
	// do acts, and returns how many rows it changed, negative for none to count, and a
	// sentence for the page.
	do func(ctx context.Context, reason string) (changed int64, done string, err error)
}

const (
	longestReason  = 500
	shortestReason = 3
)

var errReason = refuse(http.StatusUnprocessableEntity, "Say in a few words why: at least 3 and at most 500 characters. The audit log keeps it.")

// act takes an action of an operator: it is written down before, and how it ended after.
// Then the browser is sent back, or a program told.
func (c *Console) act(w http.ResponseWriter, r *http.Request, d deed) error {
	changed, done, err := c.take(r, d, r.PostFormValue("why"))
	if err != nil {
		return err
	}
	if wantsJSON(r) {
		w.Header().Set("Content-Type", "application/json")
		answer := map[string]any{"done": done}
		if changed >= 0 {
			answer["changed"] = changed
		}
		return json.NewEncoder(w).Encode(answer)
	}
	separator := "?"
	if strings.Contains(d.back, "?") {
		separator = "&"
	}
	http.Redirect(w, r, d.back+separator+"done="+url.QueryEscape(done), http.StatusSeeOther)
	return nil
}

// wantsJSON reports a request of a program.
func wantsJSON(r *http.Request) bool { return strings.Contains(r.URL.Path, "/api/v1/") }

func (c *Console) take(r *http.Request, d deed, reason string) (changed int64, done string, err error) {
	who := identityOf(r.Context())
	if who.Role != Operator || c.Do == nil {
		return 0, "", errReadOnly
	}
	reason = strings.TrimSpace(reason)
	if length := utf8.RuneCountInString(reason); length < shortestReason || length > longestReason {
		return 0, "", errReason
	}
	var filter json.RawMessage
	if d.filter != nil {
		if filter, err = json.Marshal(d.filter); err != nil {
			return 0, "", err
		}
	}
	ctx := r.Context()
	id, err := c.Audit.Begin(ctx, persistence.Action{
		Who: who.Name, How: who.How, Name: d.name, Target: d.target, Filter: filter, Expected: d.expected, Reason: reason,
	})
	if err != nil {
		return 0, "", err // without a record nothing is done
	}
	changed, done, err = d.do(ctx, reason)
	result, message := persistence.ActionDone, done
	if err != nil {
		result, message = persistence.ActionFailed, err.Error()
		if _, refused := errors.AsType[*refusal](err); refused {
			result = persistence.ActionRefused
		}
	}
	if finishErr := c.Audit.Finish(ctx, id, result, changed, message); finishErr != nil && err == nil {
		return 0, "", refuse(http.StatusInternalServerError, "It is done, but the audit log could not be completed: action "+strconv.FormatInt(id, 10)+" stays started there.")
	}
	return changed, done, err
}

// parsed reads the form of a request.
func parsed(r *http.Request) error {
	err := r.ParseForm()
	if _, large := errors.AsType[*http.MaxBytesError](err); err == nil || large {
		return err
	}
	return refuse(http.StatusBadRequest, "The form that was sent cannot be read.")
}

// readable refuses what no text of the database can be compared with: a zero byte, and bytes
// that are not UTF-8. An edited message is judged by itself.
func readable(r *http.Request) error {
	known := func(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }
	well := known(r.URL.Path)
	for _, values := range []url.Values{r.URL.Query(), r.PostForm} {
		for key, texts := range values {
			for _, text := range texts {
				well = well && (known(text) || key == "body")
			}
		}
	}
	if !well {
		return refuse(http.StatusBadRequest, "The address or the form holds bytes that are not text.")
	}
	return nil
}

// confirmed reports that who acts saw how many rows the action is about.
func confirmed(r *http.Request, now int64) error {
	shown, err := strconv.ParseInt(r.PostFormValue("expected"), 10, 64)
	switch {
	case err != nil:
		return refuse(http.StatusBadRequest, "Confirm how many rows this is about.")
	case shown != now:
		return refuse(http.StatusConflict, "You confirmed this for "+count(shown)+", and now it would be "+count(now)+". Nothing was done: look at the list again.")
	}
	return nil
}

// actionWords says an action of the audit log in plain words.
func actionWords(name string) string {
	return strings.ReplaceAll(name, "_", " ")
}
