package sandbox

import (
	"net/http"
	"strconv"

	"github.com/catalog-courier/catalog-courier/internal/rawjson"
)

func (f metaFace) poll(request *exchange, fault FaultKind) answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := f.batches[request.handle]
	if found == nil || catalogOf(found.key) != request.catalog {
		return metaError(http.StatusBadRequest, 100, 0, "Invalid parameter: handle")
	}
	return answer{status: http.StatusOK, body: f.appendStatus(nil, found, request.query["ids"] == "true", fault)}
}

// refusedRow is a refused record as the status lists it.
type refusedRow struct {
	line    int
	id      string
	message string
}

// appendStatus writes the answer to a poll. The caller holds the lock.
func (f metaFace) appendStatus(dst []byte, b *batch, withIDs bool, fault FaultKind) []byte {
	rows, hidden := f.refusedRows(b, fault)
	total := len(rows) + hidden
	switch fault {
	case TotalTooHigh:
		total++
	case ListBeyondZero:
		total = 0
		if len(rows) == 0 && b.done && len(b.results) > 0 {
			rows = append(rows, refusedRow{id: f.idOf(b.key.itemType, b.results[0].id, 0), message: "refused"})
		}
	default: // the others are not about the counts
	}
	handle := b.handle
	if fault == OtherBatch {
		handle = "AcOther"
	}
	begin, quote, name, end := `{"data":[{"handle":`, ``, `id`, "]}]}"
	if fault == OddForm { // an element and no list, counts as strings, ids by another name
		begin, quote, name, end = "\ufeff"+`{"data":{"handle":`, `"`, `retailer_id`, "]}}\n<!-- 12 ms -->"
	}
	dst = rawjson.AppendString(append(dst, begin...), handle)
	dst = rawjson.AppendString(append(dst, `,"status":`...), metaStatus(b, fault))
	dst = appendRows(append(dst, `,"errors":`...), rows[:min(len(rows), f.options.ErrorSample)], name)
	dst = append(strconv.AppendInt(append(append(dst, `,"errors_total_count":`...), quote...), int64(total), 10), quote...)
	warned := f.warnedRows(b)
	dst = appendRows(append(dst, `,"warnings":`...), warned[:min(len(warned), f.options.ErrorSample)], name)
	dst = strconv.AppendInt(append(dst, `,"warnings_total_count":`...), int64(len(warned)), 10)
	dst = append(dst, `,"ids_of_invalid_requests":[`...)
	if withIDs && !f.options.HideIDs {
		for i, row := range rows {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = rawjson.AppendString(dst, row.id)
		}
	}
	return append(dst, end...)
}

func metaStatus(b *batch, fault FaultKind) string {
	switch {
	case fault == UnknownStatus:
		return "reticulating"
	case b.done && b.failed:
		return "error"
	case b.done:
		return "finished"
	default:
		return "started"
	}
}

// refusedRows lists the refused records of a finished batch; hidden is how many
// are counted but not listed.
func (f metaFace) refusedRows(b *batch, fault FaultKind) (rows []refusedRow, hidden int) {
	for i := range b.results {
		done := &b.results[i]
		if done.omitted || (fault == OmitFirst && i == 0) || fault == OmitAll {
			hidden++
			continue
		}
		if len(done.errors) == 0 {
			continue
		}
		row := refusedRow{line: i, id: f.idOf(b.key.itemType, done.id, i), message: done.errors[0].message}
		if fault == WrongIDs {
			row.id = "other-" + row.id
		}
		rows = append(rows, row)
		if fault == DuplicateIDs && len(rows) == 1 {
			rows = append(rows, row)
		}
	}
	return rows, hidden
}

func (f metaFace) warnedRows(b *batch) (rows []refusedRow) {
	for i := range b.results {
		for _, warning := range b.results[i].warnings {
			rows = append(rows, refusedRow{line: i, id: f.idOf(b.key.itemType, b.results[i].id, i), message: warning.message})
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
