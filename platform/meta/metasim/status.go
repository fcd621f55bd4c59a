package metasim

import (
	"net/http"
	"strconv"

	"github.com/catalog-courier/catalog-courier/internal/rawjson"
	"github.com/catalog-courier/catalog-courier/lab/sandbox"
)

func (f metaFace) poll(request *sandbox.Request, fault sandbox.FaultKind) sandbox.Response {
	f.Mu.Lock()
	defer f.Mu.Unlock()
	found := f.Batches[request.Handle]
	if found == nil || catalogOf(found.Key) != request.Catalog {
		return metaError(http.StatusBadRequest, 100, 0, "Invalid parameter: handle")
	}
	return sandbox.Response{Status: http.StatusOK, Body: f.appendStatus(nil, found, request.Query["ids"] == "true", fault)}
}

// refusedRow is a refused record as the status lists it.
type refusedRow struct {
	line    int
	id      string
	message string
}

// appendStatus writes the answer to a poll. The caller holds the lock.
func (f metaFace) appendStatus(dst []byte, b *sandbox.Batch, withIDs bool, fault sandbox.FaultKind) []byte {
	var rows []refusedRow
	hidden := 0
	if b.Ended() {
		rows, hidden = f.refusedRows(b, fault)
	}
	total := len(rows) + hidden
	switch fault {
	case sandbox.TotalTooHigh:
		total++
	case sandbox.ListBeyondZero:
		total = 0
		if len(rows) == 0 && b.Done && len(b.Results) > 0 {
			rows = append(rows, refusedRow{id: f.idOf(b.Key.ItemType, b.Results[0].ID, 0), message: "refused"})
		}
	default: // the others are not about the counts
	}
	handle := b.Handle
	if fault == sandbox.OtherBatch {
		handle = "AcOther"
	}
	begin, quote, name, end := `{"data":[{"handle":`, ``, `id`, "]}]}"
	if fault == sandbox.OddForm { // an element and no list, counts as strings, ids by another name
		begin, quote, name, end = "\ufeff"+`{"data":{"handle":`, `"`, `retailer_id`, "]}}\n<!-- 12 ms -->"
	}
	dst = rawjson.AppendString(append(dst, begin...), handle)
	dst = rawjson.AppendString(append(dst, `,"status":`...), metaStatus(b, fault))
	dst = appendRows(append(dst, `,"errors":`...), rows[:min(len(rows), f.Options.ErrorSample)], name)
	dst = append(strconv.AppendInt(append(append(dst, `,"errors_total_count":`...), quote...), int64(total), 10), quote...)
	warned := f.warnedRows(b)
	dst = appendRows(append(dst, `,"warnings":`...), warned[:min(len(warned), f.Options.ErrorSample)], name)
	dst = strconv.AppendInt(append(dst, `,"warnings_total_count":`...), int64(len(warned)), 10)
	dst = append(dst, `,"ids_of_invalid_requests":[`...)
	if withIDs && !f.Options.HideIDs {
		for i, row := range rows {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = rawjson.AppendString(dst, row.id)
		}
	}
	return append(dst, end...)
}

func metaStatus(b *sandbox.Batch, fault sandbox.FaultKind) string {
	switch {
	case fault == sandbox.UnknownStatus:
		return "reticulating"
	case b.Ended() && b.Failed:
		return "error"
	case b.Ended():
		return "finished"
	default:
		return "started"
	}
}

// refusedRows lists the refused records of a finished batch; hidden is how many
// are counted but not listed.
func (f metaFace) refusedRows(b *sandbox.Batch, fault sandbox.FaultKind) (rows []refusedRow, hidden int) {
	for i := range b.Results {
		done := &b.Results[i]
		if done.Omitted || (fault == sandbox.OmitFirst && i == 0) || fault == sandbox.OmitAll {
			hidden++
			continue
		}
		if len(done.Errors) == 0 {
			continue
		}
		row := refusedRow{line: i, id: f.idOf(b.Key.ItemType, done.ID, i), message: done.Errors[0].Message}
		if fault == sandbox.WrongIDs {
			row.id = "other-" + row.id
		}
		rows = append(rows, row)
		if fault == sandbox.DuplicateIDs && len(rows) == 1 {
			rows = append(rows, row)
		}
	}
	return rows, hidden
}

func (f metaFace) warnedRows(b *sandbox.Batch) (rows []refusedRow) {
	if !b.Ended() {
		return nil
	}
	for i := range b.Results {
		for _, warning := range b.Results[i].Warnings {
			rows = append(rows, refusedRow{line: i, id: f.idOf(b.Key.ItemType, b.Results[i].ID, i), message: warning.Message})
		}
	}
	return rows
}

// appendRows writes a list of errors or warnings, whose ids have this name.
func appendRows(dst []byte, rows []refusedRow, name string) []byte {
	dst = append(dst, '[')
	for i, row := range rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(append(dst, `{"line":`...), int64(row.line), 10)
		dst = rawjson.AppendString(append(append(append(dst, `,"`...), name...), `":`...), row.id)
		dst = append(rawjson.AppendString(append(dst, `,"message":`...), row.message), '}')
	}
	return append(dst, ']')
}
