package simulation

import (
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/catalog-courier/catalog-courier/internal/ledger"
	"github.com/catalog-courier/catalog-courier/internal/ledger/ledgermodel"
)

// refusals are what one account is told for a while, whatever it sends: that there is
// something about it, in a code that no table lists; or, of each handle of Meta's, that
// there is no such object. The records are good or bad as ever, and nothing that is
// good may fail for it.
type refusals struct {
	account     int // number
	from, until time.Duration
	polls       bool // polls are refused, not POSTs
}

// accountWords are what the account is told.
const accountWords = "the shop has to accept the new terms first"

// badWords are what Meta says of the bad values of a history: see draftOf.
const badWords = "not a price"

// newRefusals draws refusals for an account of a history in which nobody is ill.
func (w *world) newRefusals(p *plan) *refusals {
	if p.ailment.name != "" || w.random.IntN(4) > 0 {
		return nil
	}
	from := time.Duration(w.random.Int64N(int64(20 * time.Second)))
	return &refusals{
		account: w.random.IntN(p.accounts), from: from, until: from + time.Duration(w.random.Int64N(int64(2*time.Minute))),
		polls: w.random.IntN(3) == 0,
	}
}

// refuses reports whether the account's POSTs, or polls, are refused now.
func (w *world) refuses(account string, polls bool) bool {
	if w.isIll(account) && !w.healed.Load() {
		return w.plan.ailment.refusesPosts && !polls || w.plan.ailment.refusesPolls && polls
	}
	r := w.plan.refusals
	if r == nil || r.polls != polls {
		return false
	}
	name, _ := w.account(r.account)
	passed := time.Since(w.began)
	return name == account && passed >= r.from && passed < r.until
}

// refusal is the answer to a call that is refused; nil for others.
func (w *world) refusal(request *http.Request) *http.Response {
	account := strings.TrimPrefix(request.Header.Get("Authorization"), "Bearer "+tokenPrefix)
	polls := request.Method == http.MethodGet
	if !w.refuses(account, polls) {
		return nil
	}
	status, body := http.StatusBadRequest, `{"error":{"message":"`+accountWords+`","type":"ShopException","code":7777}}`
	switch {
	case polls && !w.isMeta(account):
		return nil
	case polls:
		body = `{"error":{"message":"Unsupported get request. Object does not exist","type":"GraphMethodException","code":100,"error_subcode":33}}`
	case !w.isMeta(account):
		status, body = http.StatusConflict, `{"code":7777,"message":"`+accountWords+`"}`
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: request,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// checkRefusals: nothing came to its end by what was said of its account, and a merged
// record that was certainly refused was sent as its parts.
func (w *world) checkRefusals(found *findings, rows map[string]ledgermodel.Mutation) {
	for _, c := range w.published {
		row := rows[c.mutation.ID]
		for _, issue := range row.Errors {
			if (row.Status == ledgermodel.Failed || row.Status == ledgermodel.Unconfirmed) && strings.Contains(issue.Message, accountWords) {
				found.addf("I1", "%s is %s for what was said of its account", row.ID, row.Status)
			}
		}
	}
	for _, batch := range w.ledger.Batches() {
		if batch.Outcome == nil {
			continue
		}
		for _, exception := range batch.Outcome.Exceptions {
			if exception.Result != ledger.Unconfirmed || len(exception.Constituents) == 1 {
				continue
			}
			for _, issue := range exception.Errors {
				if strings.Contains(issue.Message, badWords) {
					found.addf("I1", "all of %s is unconfirmed, though it was refused: %s", idsOf(exception.Constituents), issue.Message)
				}
			}
		}
	}
}
