package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/message"
	"github.com/catalog-courier/catalog-courier/persistence"
	"github.com/catalog-courier/catalog-courier/replay"
)

// LetterActions acts on dead letters. by is who acts, for the record.
type LetterActions interface {
	Preview(ctx context.Context, filter persistence.DeadLetterFilter, force bool) (replay.Preview, error)
	Replay(ctx context.Context, by string, filter persistence.DeadLetterFilter, force bool) (replay.Result, error)
	// CheckEdit says what would keep Edit from publishing.
	CheckEdit(ctx context.Context, id int64, body []byte, force bool) error
	Edit(ctx context.Context, by string, id int64, body []byte, force bool) (replay.Edited, error)
	DismissAll(ctx context.Context, by string, filter persistence.DeadLetterFilter, why string) (int, error)
}

func issueOf(l *persistence.DeadLetter) ledger.Issue { return ledger.Issue{Attribute: l.Field} }

func issueFor(code, attribute string) ledger.Issue {
	return ledger.Issue{Code: code, Attribute: attribute}
}

// choice is which dead letters an action is about: some by number, or all that a filter
// chooses.
type choice struct {
	IDs    []int64
	Filter url.Values
	// What is replay or dismiss.
	What string
	now  time.Time // that a filter is of
}

const maxChosen = 1000

func (c *Console) choiceOf(r *http.Request) (choice, error) {
	made := choice{What: r.PostForm.Get("what"), Filter: onlyKeys(r.PostForm), now: c.now()}
	if r.PostForm.Get("scope") == scopeAll {
		if wrong := wrongOf(made.Filter, letterParameters); wrong != nil { // ignored, it would choose more
			return choice{}, refuseFields(wrong...)
		}
		return made, nil
	}
	made.Filter = nil
	for _, text := range r.PostForm["id"] {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || len(made.IDs) == maxChosen {
			return choice{}, refuse(http.StatusBadRequest, "These are not numbers of dead letters, or more than 1,000.")
		}
		made.IDs = append(made.IDs, id)
	}
	if len(made.IDs) == 0 {
		return choice{}, refuse(http.StatusUnprocessableEntity, "Choose at least one dead letter, or all that match.")
	}
	return made, nil
}

func (c choice) filter() persistence.DeadLetterFilter {
	if c.IDs != nil {
		return persistence.DeadLetterFilter{IDs: c.IDs}
	}
	return letterFilter(c.Filter, c.now)
}

// target and filter say in the audit log what was chosen.
func (c choice) target() string {
	texts := make([]string, 0, len(c.IDs))
	for _, id := range c.IDs {
		texts = append(texts, strconv.FormatInt(id, 10))
	}
	return strings.Join(texts, " ")
}

// confirmation is what an action would do, before it is done.
type confirmation struct {
	choice
	replay.Preview
	Chosen string
	Force  bool
}

// confirm shows what an action would do, and asks.
func (c *Console) confirm(w http.ResponseWriter, r *http.Request) error {
	if c.Do.Letters == nil {
		return errReadOnly
	}
	chosen, err := c.choiceOf(r)
	if err != nil {
		return err
	}
	if chosen.What != "replay" && chosen.What != "dismiss" {
		return refuse(http.StatusBadRequest, "Say what is to be done.")
	}
	preview, err := c.Do.Letters.Preview(r.Context(), chosen.filter(), false)
	if err != nil {
		return letterRefusal(err)
	}
	if preview.Letters == 0 {
		return refuse(http.StatusConflict, "None of these dead letters is open any more.")
	}
	shown := confirmation{choice: chosen, Preview: preview, Chosen: capped(int64(preview.Letters))}
	title := map[string]string{"replay": "Replay dead letters", "dismiss": "Dismiss dead letters"}[chosen.What]
	return c.showPage(w, "confirm", c.page(r, title, "letters"), shown)
}

// replayLetters publishes messages again.
func (c *Console) replayLetters(w http.ResponseWriter, r *http.Request) error {
	chosen, err := c.ready(r)
	if err != nil {
		return err
	}
	force, who := r.PostForm.Get("force") == yes, identityOf(r.Context()).Name
	return c.act(w, r, deed{
		name: persistence.ActReplayLetters, target: chosen.target(), filter: chosen.Filter, expected: expectedOf(r), back: c.link("/dead-letters"),
		do: func(ctx context.Context, _ string) (int64, string, error) {
			result, err := c.Do.Letters.Replay(ctx, who, chosen.filter(), force)
			if err = letterRefusal(errors.Join(err, result.DeniedError())); err != nil {
				return result.Replayed, "", err
			}
			done := plural(result.Replayed, "dead letter", "dead letters") + " published again."
			if len(result.Newer) > 0 {
				done += " " + plural(len(result.Newer), "was", "were") + " skipped: their items have newer changes."
			}
			if len(result.Lost) > 0 {
				done += " " + plural(len(result.Lost), "has", "have") + " no message any more: their producers must publish them again."
			}
			return result.Replayed, done, nil
		},
	})
}

// dismissLetters takes dead letters from the list of what is to be done.
func (c *Console) dismissLetters(w http.ResponseWriter, r *http.Request) error {
	chosen, err := c.ready(r)
	if err != nil {
		return err
	}
	who := identityOf(r.Context()).Name
	return c.act(w, r, deed{
		name: persistence.ActDismissLetters, target: chosen.target(), filter: chosen.Filter, expected: expectedOf(r), back: c.link("/dead-letters"),
		do: func(ctx context.Context, reason string) (int64, string, error) {
			dismissed, err := c.Do.Letters.DismissAll(ctx, who, chosen.filter(), reason)
			return int64(dismissed), plural(dismissed, "dead letter", "dead letters") + " dismissed.", letterRefusal(err)
		},
	})
}

func expectedOf(r *http.Request) int64 {
	expected, err := strconv.ParseInt(r.PostFormValue("expected"), 10, 64)
	if err != nil {
		return -1
	}
	return expected
}

// ready reads a confirmed choice, which must still be about as many.
func (c *Console) ready(r *http.Request) (choice, error) {
	if c.Do.Letters == nil {
		return choice{}, errReadOnly
	}
	chosen, err := c.choiceOf(r)
	if err != nil {
		return choice{}, err
	}
	preview, err := c.Do.Letters.Preview(r.Context(), chosen.filter(), false)
	if err != nil {
		return choice{}, letterRefusal(err)
	}
	return chosen, confirmed(r, int64(preview.Letters))
}

// editLetter publishes an edited message in place of one that failed. What is wrong with it
// is shown beside it, and nothing is published.
func (c *Console) editLetter(w http.ResponseWriter, r *http.Request) error {
	if c.Do.Letters == nil {
		return errReadOnly
	}
	letter, err := c.oneLetter(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	body := []byte(strings.ReplaceAll(r.PostFormValue("body"), "\r\n", "\n")) // browsers send CRLF
	force := r.PostForm.Get("force") == yes
	shown := c.shown(letter)
	shown.Body, shown.Why, shown.Force = string(body), r.PostFormValue("why"), force
	var unjudged string
	if shown.Problem, shown.Warnings, unjudged = c.judged(letter, body); shown.Problem != "" && wantsJSON(r) {
		return refuse(http.StatusUnprocessableEntity, shown.Problem)
	}
	checks := r.PostForm.Get("check") != "" && !wantsJSON(r)
	if shown.Problem == "" && checks {
		err := letterRefusal(c.Do.Letters.CheckEdit(r.Context(), letter.ID, body, force))
		if _, told := errors.AsType[*refusal](err); err != nil && !told {
			return err
		}
		if err != nil {
			shown.Problem = err.Error()
		}
	}
	if shown.Problem != "" || checks {
		p := c.page(r, "Dead letter "+r.PathValue("id"), "letters")
		p.Data = shown
		code := http.StatusOK
		switch {
		case shown.Problem != "":
			code = http.StatusUnprocessableEntity
		case unjudged != "":
			p.Done = "The message can be published. Nothing is published yet. The platform's rules were not looked at: " + unjudged
		default:
			p.Done = "The message can be published. Nothing is published yet."
		}
		c.render(w, code, "letter", p)
		return nil
	}
	who := identityOf(r.Context()).Name
	return c.act(w, r, deed{
		name: persistence.ActEditLetter, target: r.PathValue("id"), expected: 1, back: c.link("/dead-letters/" + r.PathValue("id")),
		do: func(ctx context.Context, _ string) (int64, string, error) {
			edited, err := c.Do.Letters.Edit(ctx, who, letter.ID, body, force)
			return 1, "The edited message is published as change " + edited.MutationID + ".", letterRefusal(err)
		},
	})
}

// judged says what is wrong with an edited message, "" when it can be published, and what its
// platform may refuse: by the contract of messages, then by the rules that workers go by before
// they send. unjudged says why the rules were not looked at.
func (c *Console) judged(letter *persistence.DeadLetter, body []byte) (problem string, warnings []string, unjudged string) {
	headers := map[string][]string{}
	for _, header := range letter.Message.Headers {
		headers[header.Name] = append(headers[header.Name], header.Value)
	}
	decoded := message.Decode(message.Raw{Subject: letter.Message.Subject, Headers: headers, Data: body})
	if decoded.Problem != nil {
		return sentence(decoded.Problem.Error()), nil, ""
	}
	if c.Validate == nil {
		return "", nil, "this console has no accounts."
	}
	invalid, doubtful, err := c.Validate(decoded.Mutation)
	if err != nil {
		return "", nil, err.Error() + "."
	}
	if invalid != nil {
		problem = sentence(invalid.Error())
	}
	for i := range doubtful {
		warnings = append(warnings, sentence(doubtful[i].Error()))
	}
	return problem, warnings, ""
}

// letterRefusal tells people what they can do something about.
func letterRefusal(err error) error {
	problem, wrong := errors.AsType[*catalog.Problem](err)
	_, unknown := errors.AsType[*replay.UnknownError](err)
	switch {
	case err == nil:
		return nil
	case wrong:
		return refuse(http.StatusUnprocessableEntity, sentence(problem.Error()))
	case unknown:
		return refuse(http.StatusNotFound, sentence(err.Error()))
	case errors.Is(err, replay.ErrNewerChanges), errors.Is(err, replay.ErrNotOpen), errors.Is(err, replay.ErrUnchanged), errors.Is(err, replay.ErrOtherItem), errors.Is(err, persistence.ErrReplaying):
		return refuse(http.StatusConflict, sentence(err.Error()))
	default:
		return err
	}
}
